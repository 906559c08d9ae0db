//! Compiles the statement of a step: its text, its parameters, and what it locks.

use super::{
    locks::{self, Analysis},
    model::{Statement, StatementIndex},
    parse::row_lock_clause,
    scope::Scope,
    sql::{self, CompiledSql, SqlError},
};
use crate::{
    expression::Names,
    scenario::{Spanned, SqlText},
};

/// Compiles a statement and adds it to the plan's; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    text: &SqlText,
    names: &Names,
    operation: &str,
    step: &str,
) -> Option<StatementIndex> {
    let text = text_for_target(scope, text)?;
    compile_text(scope, text, names, operation, step)
}

/// The text for the scenario's database; a missing one is a problem.
pub(super) fn text_for_target<'a>(scope: &mut Scope<'_>, text: &'a SqlText) -> Option<&'a Spanned<String>> {
    let dialect = scope.dialect;
    let found = text.of(dialect);
    if found.is_none() {
        scope.error(
            &text.span(),
            format!("the statement has no text for {}, and that is what the target is", dialect.product()),
            Some(format!("add `{}: …`, or `default: …` for all that aren't named", dialect.name())),
        );
    }
    found
}

fn compile_text(
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
    text: &SqlText,
    names: &Names,
    session: &str,
    step: &str,
) -> Option<StatementIndex> {
    let text = text_for_target(scope, text)?;
    let compiled = compiled_text(scope, text, names)?;
    if !compiled.parameters.is_empty() {
        return one_statement(scope, text, compiled, session, step);
    }
    scope.statements.push(Statement {
        facts: match locks::analyse(&compiled.text, scope.dialect) {
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
    let compiled = sql::compile(&text.value, names, &|name| identifier(scope, name), scope.dialect);
    or_problem(scope, text, compiled)
}

/// Reports what is wrong with a statement's text.
pub(super) fn or_problem(
    scope: &mut Scope<'_>,
    text: &Spanned<String>,
    compiled: Result<CompiledSql, SqlError>,
) -> Option<CompiledSql> {
    match compiled {
        Ok(compiled) => Some(compiled),
        Err(SqlError::Template(error)) => {
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
    if let Some(clause) = row_lock_clause(&compiled.text).filter(|_| !scope.dialect.locks_rows()) {
        scope.error(
            &text.span,
            format!("`{clause}`: {} has no row locks", scope.dialect.product()),
            Some(format!(
                "give the statement a text of its own: `sql: {{{}: …, default: …}}`",
                scope.dialect.name()
            )),
        );
        return None;
    }
    let facts = match locks::analyse(&compiled.text, scope.dialect) {
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
