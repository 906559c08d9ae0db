//! Compiles the statement of a step: its text, its parameters, and what it locks.

use super::{
    locks::{self, Analysis},
    model::{Statement, StatementIndex},
    scope::Scope,
    sql,
};
use crate::{expression::Names, scenario::Spanned};

/// Compiles a statement and adds it to the plan's; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    text: &Spanned<String>,
    names: &Names,
    operation: &str,
    step: &str,
) -> Option<StatementIndex> {
    let compiled = match sql::compile(&text.value, names, &|name| identifier(scope, name)) {
        Ok(compiled) => compiled,
        Err(sql::SqlError::Template(error)) => {
            scope.template_error(&text.span, &text.value, &error);
            return None;
        }
        Err(error) => {
            let place = scope.place(&text.span, &text.value, error.range());
            scope.error(&place, error.to_string(), error.hint());
            return None;
        }
    };
    let facts = match locks::analyse(&compiled.text) {
        Analysis::Known(facts) => Some(facts),
        Analysis::Unknown => None,
    };
    if facts.as_ref().is_some_and(|facts| facts.statements > 1) {
        scope.error(&text.span, "more than one statement in a step", Some("make a step of each".into()));
        return None;
    }
    if facts.as_ref().is_some_and(|facts| facts.controls_transaction) {
        scope.error(
            &text.span,
            "a statement that begins or ends a transaction",
            Some("use a `transaction` step; `rollback: true` ends it without a commit".into()),
        );
        return None;
    }
    let lock_ranks = facts
        .iter()
        .flat_map(|facts| &facts.locks)
        .filter_map(|lock| scope.lock_order.iter().position(|table| *table == lock.table))
        .collect();
    scope.statements.push(Statement {
        text: format!(
            "{} /* {} */",
            compiled.text.trim_end().trim_end_matches(';'),
            comment_text(operation)
        ),
        parameters: compiled.parameters,
        placeholders: compiled.placeholders,
        facts,
        lock_ranks,
        is_gate: false,
        operation: operation.to_owned(),
        step: step.to_owned(),
        span: text.span.clone(),
    });
    Some(StatementIndex(scope.statements.len() - 1))
}

/// A name as it may stand in a comment of a statement: the server's activity view shows it.
fn comment_text(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "_-. ".contains(c) { c } else { '_' }).collect()
}

/// What `@{name}` stands for: the table of a fixture, or the text of a variable.
fn identifier(scope: &Scope<'_>, name: &str) -> Option<String> {
    if let Some(fixture) = scope.loaded.file.fixtures.get(name) {
        return Some(fixture.table.value.clone());
    }
    let slot = scope.globals.slot(name)?;
    scope
        .constants
        .iter()
        .find(|(at, _)| *at == slot)
        .and_then(|(_, value)| value.as_str().map(str::to_owned))
}
