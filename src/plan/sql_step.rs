//! Compiles a step that is a statement, and what becomes of the statement's result.

use super::{
    model::{CaptureKind, ResultSlots, SqlStep, Step},
    operation::{Around, Numbers, declare, policy},
    retry::RetryPolicy,
    scope::Scope,
    service::ADD_DATABASE,
    sql, statement,
};
use crate::{
    expression::Names,
    scenario::{self, Capture, Spanned, SqlText},
};

/// A statement about a savepoint.
pub(super) fn savepoint(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    verb: &str,
    name: &Spanned<String>,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    if !around.in_transaction {
        scope.error(&name.span, "a savepoint outside a transaction", None);
        return None;
    }
    let Some(quoted) =
        sql::quote_identifier(&name.value, scope.dialect).filter(|quoted| !quoted.contains('.'))
    else {
        scope.error(&name.span, format!("`{name}` is not the name of a savepoint"), None);
        return None;
    };
    let text = SqlText::Same(Spanned::new(format!("{verb} {quoted}"), name.span.clone()));
    sql_step(scope, one, &text, &mut Names::default(), around, numbers)
}

pub(super) fn sql_step(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    text: &SqlText,
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    numbers.sql += 1;
    if !scope.has_database {
        scope.error(&text.span(), "a statement needs a database", Some(ADD_DATABASE.into()));
        return None;
    }
    let name = one.name.as_ref().map_or_else(|| format!("sql {}", numbers.sql), |name| name.value.clone());
    let statement = if around.in_race {
        statement::compile_script(scope, text, names, around.operation, &name)
    } else {
        statement::compile(scope, text, names, around.operation, &name)
    };
    let captures = match &one.capture {
        Some(capture) => captures(scope, capture, names),
        None => Vec::new(),
    };
    let written: Vec<Spanned<String>> =
        one.assert.iter().flat_map(|assertions| assertions.iter().cloned()).collect();
    let result = (!written.is_empty()).then(|| ResultSlots {
        rows_affected: names.declare("rows_affected"),
        row_count: names.declare("row_count"),
        row: names.declare("row"),
    });
    let assertions: Vec<_> = written.iter().map(|text| scope.expression(text, names)).collect();
    let retry = if around.in_transaction { RetryPolicy::default() } else { policy(scope, &around.retry)? };
    Some(Step::Sql(SqlStep {
        name,
        statement: statement?,
        captures,
        assertions: assertions.into_iter().collect::<Option<_>>()?,
        result,
        retry,
    }))
}

fn captures(
    scope: &mut Scope<'_>,
    capture: &Spanned<Capture>,
    names: &mut Names,
) -> Vec<(usize, CaptureKind)> {
    match &capture.value {
        Capture::First(name) => {
            let name = Spanned { value: name.clone(), span: capture.span.clone() };
            vec![(declare(scope, &name, names), CaptureKind::First)]
        }
        Capture::Each(each) => {
            let mut captures = Vec::new();
            for (name, kind) in each {
                let slot = declare(scope, name, names);
                captures.extend(capture_kind(scope, kind).map(|kind| (slot, kind)));
            }
            captures
        }
    }
}

fn capture_kind(scope: &mut Scope<'_>, kind: &Spanned<String>) -> Option<CaptureKind> {
    match kind.value.as_str() {
        "first" => Some(CaptureKind::First),
        "all" => Some(CaptureKind::All),
        "value" => Some(CaptureKind::Value),
        other => {
            let hint = scenario::did_you_mean(other, ["first", "all", "value"]);
            let known = "write `first`, `all` or `value`".to_owned();
            scope.error(
                &kind.span,
                format!("`{other}` is no part of a statement's result"),
                Some(hint.unwrap_or(known)),
            );
            None
        }
    }
}
