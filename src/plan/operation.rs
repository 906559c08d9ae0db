//! Compiles operations: their names, their policy, and what surrounds their steps.

use std::sync::Arc;

use super::{
    effect,
    model::Operation,
    retry::{self, RetryPolicy},
    scope::Scope,
    step::steps,
};
use crate::{
    dialect::Begin,
    expression::{Names, Template, Value},
    outcome::Isolation,
    scenario::{self, Named, Retry, Spanned},
};

/// What surrounds a step.
#[derive(Clone)]
pub(super) struct Around<'a> {
    pub operation: &'a str,
    pub retry: Retry,
    pub in_transaction: bool,
    /// In a race, where the schedule says who waits for whom.
    pub in_race: bool,
    pub isolation: Option<Isolation>,
    pub begin: Begin,
    pub depth: usize,
}

impl<'a> Around<'a> {
    /// Of a race's steps: without retries, and with transactions that are steps themselves.
    pub fn race(session: &'a str) -> Self {
        Self {
            operation: session,
            retry: never(),
            in_transaction: true,
            in_race: true,
            isolation: None,
            begin: Begin::Deferred,
            depth: 0,
        }
    }
}

/// Compiles one operation; `None` when it is disabled or after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Operation,
    isolation: Option<Isolation>,
    begin: Begin,
) -> Option<Operation> {
    let weight = written.weight.as_ref().map_or(1.0, |weight| weight.value);
    if !(weight.is_finite() && weight >= 0.0) {
        let span = written.weight.as_ref().map_or(&name.span, |weight| &weight.span);
        scope.error(
            span,
            format!("a weight of {weight} makes no sense"),
            Some("write a number of at least 0".into()),
        );
    }
    let mut names = scope.globals.clone();
    let bindings = bindings(scope, &written.bindings, &mut names);
    let general = scope.loaded.file.retry.clone().unwrap_or_else(never);
    let retry = match &written.retry {
        Some(specific) => retry::overlay(&general, specific),
        None => general,
    };
    if written.steps.is_empty() {
        scope.error(&name.span, format!("operation `{name}` has no steps"), None);
    }
    let around = Around {
        operation: &name.value,
        retry,
        in_transaction: false,
        in_race: false,
        isolation,
        begin,
        depth: 0,
    };
    let mut numbers = Numbers::default();
    let steps = steps(scope, &written.steps, &mut names, &around, &mut numbers);
    let effects = effect::compile(scope, &written.effects, &names);
    Some(Operation {
        name: name.value.clone(),
        description: written.description.clone(),
        weight,
        names: Arc::new(names),
        bindings: bindings?,
        steps: steps?,
        effects: effects?,
    })
}

/// Without a `retry` in the scenario nothing is tried again.
fn never() -> Retry {
    Retry { max_retries: Some(Spanned { value: 0, span: 0..0 }), ..Retry::default() }
}

/// Counts steps of a kind, to name those without a name.
#[derive(Default)]
pub(super) struct Numbers {
    pub sql: u32,
    pub http: u32,
    pub gate: u32,
    pub check: u32,
}

pub(super) fn bindings(
    scope: &mut Scope<'_>,
    written: &Named<scenario::Literal>,
    names: &mut Names,
) -> Option<Vec<(usize, Template)>> {
    let mut compiled = Some(Vec::new());
    for (name, literal) in written {
        let template = scope.template(literal, names);
        let slot = match columns(scope, literal) {
            Some(columns) if template.is_some() => {
                declare(scope, name, names);
                names.declare_row(&name.value, columns)
            }
            _ => declare(scope, name, names),
        };
        match (compiled.as_mut(), template) {
            (Some(list), Some(template)) => list.push((slot, template)),
            _ => compiled = None,
        }
    }
    compiled
}

/// The columns of what a literal gives, when it is `next` or `pick` of a data file and nothing else.
fn columns(scope: &Scope<'_>, literal: &scenario::Literal) -> Option<Arc<[Box<str>]>> {
    let call = literal.as_text()?.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let argument = call.strip_prefix("next(").or_else(|| call.strip_prefix("pick("))?.strip_suffix(')')?;
    scope.data.get(argument.trim()).map(|data| Arc::clone(data.columns()))
}

/// Declares a name of the scenario; one that hides a global or a function is a mistake.
pub(super) fn declare(scope: &mut Scope<'_>, name: &Spanned<String>, names: &mut Names) -> usize {
    if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
        scope.error(
            &name.span,
            format!("`{name}` already stands for something else"),
            Some("choose a name that is no variable, fixture or function".into()),
        );
    }
    names.declare(&name.value)
}

pub(super) fn policy(scope: &mut Scope<'_>, written: &Retry) -> Option<RetryPolicy> {
    match retry::compile(written) {
        Ok(policy) => Some(policy),
        Err((error, span)) => {
            scope.error(&span, error.to_string(), Some(error.hint()));
            None
        }
    }
}

/// The slot values that a frame starts with.
pub(super) fn constant(scope: &mut Scope<'_>, name: &str, value: Value) -> usize {
    let slot = scope.globals.declare(name);
    scope.constants.push((slot, value));
    slot
}
