//! Compiles the statement of a step: its text, its parameters, and what it locks.

use super::{
    locks::{self, Analysis},
    model::{Statement, StatementIndex},
    scope::Scope,
    sql::{self, CompiledSql},
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
    let compiled = compiled_text(scope, text, names)?;
    one_statement(scope, text, compiled, operation, step)
}

/// Compiles a step of a race: without expressions it may be several statements, which are sent as they
/// are.
pub(super) fn compile_script(
    scope: &mut Scope<'_>,
    text: &Spanned<String>,
    names: &Names,
    session: &str,
    step: &str,
) -> Option<StatementIndex> {
    let compiled = compiled_text(scope, text, names)?;
    if !compiled.parameters.is_empty() {
        return one_statement(scope, text, compiled, session, step);
    }
    scope.statements.push(Statement {
        facts: match locks::analyse(&compiled.text) {
            Analysis::Known(facts) => Some(facts),
            Analysis::Unknown => None,
        },
        text: compiled.text,
        parameters: Vec::new(),
        placeholders: Vec::new(),
        lock_ranks: Vec::new(),
        is_gate: false,
        is_script: true,
        operation: session.to_owned(),
        step: step.to_owned(),
        span: text.span.clone(),
    });
    Some(StatementIndex(scope.statements.len() - 1))
}

fn compiled_text(scope: &mut Scope<'_>, text: &Spanned<String>, names: &Names) -> Option<CompiledSql> {
    match sql::compile(&text.value, names, &|name| identifier(scope, name)) {
        Ok(compiled) => Some(compiled),
        Err(sql::SqlError::Template(error)) => {
            scope.template_error(&text.span, &text.value, &error);
            None
        }
        Err(error) => {
            let place = scope.place(&text.span, &text.value, error.range());
            scope.error(&place, error.to_string(), error.hint());
            None
        }
    }
}

fn one_statement(
    scope: &mut Scope<'_>,
    text: &Spanned<String>,
    compiled: CompiledSql,
    operation: &str,
    step: &str,
) -> Option<StatementIndex> {
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
        is_script: false,
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
    if let Some(table) = scope.fixture_tables.get(name) {
        return Some(table.clone());
    }
    let slot = scope.globals.slot(name)?;
    scope
        .constants
        .iter()
        .find(|(at, _)| *at == slot)
        .and_then(|(_, value)| value.as_str().map(str::to_owned))
}
