//! Compiles invariants.

use std::time::Duration;

use indexmap::IndexMap;

use super::{
    demands::{Expect, Invariant},
    scope::Scope,
    sql, statement,
};
use crate::{
    dialect::Dialect,
    expression::{Expression, Template, TemplateError},
    scenario::{self, Spanned},
    units,
};

/// Stands in the place of a text for a kind of database on which an invariant has no meaning.
const DOES_NOT_APPLY: &str = "does_not_apply";
const DEFAULT_EVENTUALLY: Duration = Duration::from_secs(5);

/// Whether an invariant has a meaning on the scenario's database. One that hasn't is neither checked nor
/// counted as held.
pub(super) fn applies(
    does_not_apply: &mut IndexMap<String, String>,
    dialect: Dialect,
    name: &Spanned<String>,
    written: &scenario::Invariant,
) -> bool {
    let text = written.sql.of(dialect);
    let applies = text.is_none_or(|text| text.value.trim() != DOES_NOT_APPLY);
    if !applies {
        let why = format!("the scenario says so of {}", dialect.product());
        does_not_apply.insert(format!("invariant {name}"), why);
    }
    applies
}

pub(super) fn compile(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Invariant,
) -> Option<Invariant> {
    if let Some(target) = &written.target
        && !scope.loaded.file.targets.contains_key(target.value.as_str())
        && !scope.is_broken(&target.value)
    {
        scope.error(&target.span, format!("there is no target `{target}`"), None);
    }
    if !scope.has_database {
        scope.error(
            &written.sql.span(),
            "an invariant is asked of a database",
            Some(super::service::ADD_DATABASE.into()),
        );
        return None;
    }
    let globals = scope.globals.clone();
    let text = statement::text_for_target(scope, &written.sql)?;
    let compiled = sql::compile(&text.value, &globals, &|_| None, scope.dialect);
    let statement = statement::or_problem(scope, text, compiled);
    let expect = match &written.expect {
        None => Some(Expect::NoRows),
        Some(text) if text.value.trim() == "no_rows" => Some(Expect::NoRows),
        Some(text) => open_expression(scope, text).map(Expect::Holds),
    };
    let message = written.message.as_ref().map(|text| open_template(scope, text));
    let mut invariant = Invariant {
        name: name.value.clone(),
        description: written.description.clone(),
        text: String::new(),
        parameters: Vec::new(),
        placeholders: Vec::new(),
        expect: expect?,
        before: false,
        after: false,
        every: None,
        eventually: None,
        message: match message {
            Some(message) => Some(message?),
            None => None,
        },
        span: text.span.clone(),
    };
    let patience = written.timeout.map_or(DEFAULT_EVENTUALLY, |timeout| timeout.0);
    match &written.when {
        None => invariant.after = true,
        Some(moments) => {
            for moment in moments.iter() {
                when(scope, moment, patience, &mut invariant);
            }
        }
    }
    let statement = statement?;
    invariant.text = statement.text;
    invariant.parameters = statement.parameters;
    invariant.placeholders = statement.placeholders;
    Some(invariant)
}

fn when(scope: &mut Scope<'_>, moment: &Spanned<String>, patience: Duration, invariant: &mut Invariant) {
    match moment.value.trim() {
        "before" => invariant.before = true,
        "after" => invariant.after = true,
        "during" => invariant.every = Some(Duration::from_millis(500)),
        "eventually" => invariant.eventually = Some(patience),
        other => match other.strip_prefix("every ").map(units::parse_duration) {
            Some(Ok(every)) if every >= Duration::from_millis(10) => invariant.every = Some(every),
            Some(Ok(_)) => {
                scope.error(&moment.span, "checks may be 10ms apart at the least", None);
            }
            Some(Err(error)) => scope.error(&moment.span, error.to_string(), None),
            None => scope.error(
                &moment.span,
                format!("`{other}` is no moment to check at"),
                Some("write `before`, `after`, `during`, `eventually`, or `every 500ms`".into()),
            ),
        },
    }
}

/// An expression over columns, which only the database knows: names are checked when it runs.
pub(super) fn open_expression(scope: &mut Scope<'_>, text: &Spanned<String>) -> Option<Expression> {
    match Expression::compile_open(text.value.trim()) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let range = 0..text.value.len();
            scope.template_error(&text.span, &text.value, &TemplateError::Expression { error, range });
            None
        }
    }
}

fn open_template(scope: &mut Scope<'_>, text: &Spanned<String>) -> Option<Template> {
    match Template::compile_open(&text.value) {
        Ok(template) => Some(template),
        Err(error) => {
            scope.template_error(&text.span, &text.value, &error);
            None
        }
    }
}
