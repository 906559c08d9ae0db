//! Compiles the sessions of a race: named steps, or those of another session or an operation.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    super::{model::Step, operation, scope::Scope},
    model::{RaceAction, RaceSession, RaceStep},
    steps,
};
use crate::{
    dialect::Begin,
    expression::{Names, Template},
    scenario::{self, Literal, Named, SessionParts, Spanned},
};

/// What a session's steps are made from.
pub(super) enum Written<'a> {
    Begin(Range<usize>),
    Commit(Range<usize>),
    Step(&'a Spanned<scenario::Step>),
    Race(&'a Spanned<scenario::RaceStep>),
}

/// Compiles one session; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    race: &scenario::Race,
    name: &Spanned<String>,
    parts: &SessionParts,
    begin: Begin,
) -> Option<RaceSession> {
    let Followed { name: followed, parts: from, replaced } = followed(scope, race, name, parts)?;
    let mut names = scope.globals.clone();
    let bindings;
    let mut written = Vec::new();
    let origin = match (&from.operation, &from.steps) {
        (Some(operation), None) => {
            let file = &scope.loaded.file;
            let Some(found) = file.operations.get(operation.value.as_str()) else {
                unknown(scope, operation, "operation", file.operations.keys());
                return None;
            };
            if let Some(name) = from.bindings.keys().chain(parts.bindings.keys()).next() {
                scope.error(
                    &name.span,
                    "a session of an `operation` has the operation's `let`",
                    Some("replace a value of it under `with`".into()),
                );
                return None;
            }
            bindings = with(scope, "operation", &found.bindings, &from.with, &mut names)?;
            flatten(scope, &found.steps, &mut written)?;
            operation.value.clone()
        }
        (None, Some(steps)) => {
            bindings = with(scope, "other session", &from.bindings, &replaced, &mut names)?;
            written.extend(steps.iter().map(Written::Race));
            name.value.clone()
        }
        (Some(operation), Some(_)) => {
            scope.error(
                &operation.span,
                "a session has `steps` or an `operation`, not both",
                Some("make two sessions of it".into()),
            );
            return None;
        }
        (None, None) => {
            scope.error(
                &name.span,
                format!("session `{name}` has no steps"),
                Some("give it a list of steps, `like: SESSION` or `operation: NAME`".into()),
            );
            return None;
        }
    };
    if let (Some(name), None) = (from.with.keys().next(), &from.operation) {
        scope.error(&name.span, "`with` goes with `operation`", None);
    }
    let steps = steps::compile(scope, &written, &mut names, &origin, begin)?;
    if steps.is_empty() {
        scope.error(&name.span, format!("session `{name}` has no steps"), None);
    }
    if race.partial != Some(true) {
        check_transactions(scope, name, &steps);
    }
    let scripts = |own: &Option<scenario::OneOrMany<Spanned<String>>>,
                   followed: &Option<scenario::OneOrMany<Spanned<String>>>| {
        own.as_ref().or(followed.as_ref()).into_iter().flatten().map(|one| one.value.clone()).collect()
    };
    Some(RaceSession {
        name: name.value.clone(),
        counts_as: from
            .operation
            .as_ref()
            .map_or(followed, |operation| operation.value.as_str())
            .to_owned(),
        setup: scripts(&parts.setup, &from.setup),
        teardown: scripts(&parts.teardown, &from.teardown),
        names: Arc::new(names),
        bindings,
        steps,
    })
}

/// The session that a session is like, or itself.
struct Followed<'a> {
    name: &'a str,
    parts: &'a SessionParts,
    /// What sessions on the way to it put in the place of its `let`.
    replaced: Named<Literal>,
}

fn followed<'a>(
    scope: &mut Scope<'_>,
    race: &'a scenario::Race,
    name: &'a Spanned<String>,
    parts: &'a SessionParts,
) -> Option<Followed<'a>> {
    let mut seen = BTreeSet::from([name.value.as_str()]);
    let (mut called, mut from) = (name.value.as_str(), parts);
    let mut replaced = Named::default();
    while let Some(like) = &from.like {
        if from.steps.is_some() || from.operation.is_some() {
            scope.error(&like.span, "a session is `like` another one or has steps of its own", None);
            return None;
        }
        let Some((known, next)) = race.sessions.get_key_value(like.value.as_str()) else {
            unknown(scope, like, "session", race.sessions.keys());
            return None;
        };
        if !seen.insert(known.value.as_str()) {
            scope.error(&like.span, "sessions that are like each other in a circle", None);
            return None;
        }
        for (name, literal) in &from.bindings {
            replaced.entry(name.clone()).or_insert_with(|| literal.clone());
        }
        (called, from) = (known.value.as_str(), &next.0);
    }
    Some(Followed { name: called, parts: from, replaced })
}

fn unknown<'a>(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    what: &str,
    known: impl Iterator<Item = &'a Spanned<String>> + Clone,
) {
    if !scope.is_broken(&name.value) {
        let hint = scenario::did_you_mean(&name.value, known.map(|known| known.value.as_str()));
        scope.error(&name.span, format!("there is no {what} `{name}`"), hint);
    }
}

/// The `let` of an operation or of another session, with other values for some of its names.
fn with(
    scope: &mut Scope<'_>,
    whose: &str,
    bindings: &Named<Literal>,
    with: &Named<Literal>,
    names: &mut Names,
) -> Option<Vec<(usize, Template)>> {
    for name in with.keys().filter(|name| !bindings.contains_key(name.value.as_str())) {
        let hint = scenario::did_you_mean(&name.value, bindings.keys().map(|known| known.value.as_str()));
        scope.error(&name.span, format!("the {whose}'s `let` has no `{name}`"), hint);
    }
    let mut compiled = Some(Vec::new());
    for (name, literal) in bindings {
        let literal = with.get(name.value.as_str()).unwrap_or(literal);
        let template = scope.template(literal, names);
        let slot = operation::declare(scope, name, names);
        match (compiled.as_mut(), template) {
            (Some(list), Some(template)) => list.push((slot, template)),
            _ => compiled = None,
        }
    }
    compiled
}

/// An operation's steps, with `begin` and `commit` for its transactions.
fn flatten<'a>(
    scope: &mut Scope<'_>,
    steps: &'a [Spanned<scenario::Step>],
    into: &mut Vec<Written<'a>>,
) -> Option<()> {
    for step in steps {
        match &step.value.transaction {
            Some(transaction) => {
                if let Some(rollback) = transaction
                    .steps
                    .iter()
                    .find(|step| step.value.rollback.is_some() && transaction.steps.last() != Some(step))
                {
                    scope.error(&rollback.span, "a race can't follow a `rollback` in the middle", None);
                    return None;
                }
                into.push(Written::Begin(step.span.clone()));
                into.extend(transaction.steps.iter().map(Written::Step));
                if transaction.steps.last().is_none_or(|step| step.value.rollback.is_none()) {
                    into.push(Written::Commit(step.span.clone()));
                }
            }
            None => into.push(Written::Step(step)),
        }
    }
    Some(())
}

/// A transaction that is never ended holds its locks to the end of the schedule.
fn check_transactions(scope: &mut Scope<'_>, name: &Spanned<String>, steps: &[RaceStep]) {
    let mut open: Option<&RaceStep> = None;
    for step in steps {
        match &step.action {
            RaceAction::Begin if open.is_some() => {
                scope.error(
                    &step.span,
                    "a transaction inside a transaction",
                    Some("end the first one with `commit` or `rollback`".into()),
                );
            }
            RaceAction::Begin => open = Some(step),
            RaceAction::Commit | RaceAction::Rollback if open.is_none() && !controls(scope, steps) => {
                scope.error(&step.span, format!("`{}` without a `begin` before it", step.name), None);
            }
            RaceAction::Commit | RaceAction::Rollback => open = None,
            RaceAction::Do(_) => {}
        }
    }
    if let Some(begin) = open
        && !controls(scope, steps)
    {
        scope.error(
            &begin.span,
            format!("session `{name}` begins a transaction and doesn't end it"),
            Some("add `commit` or `rollback` as its last step".into()),
        );
    }
}

/// True when a statement of a session begins or ends a transaction itself.
fn controls(scope: &Scope<'_>, steps: &[RaceStep]) -> bool {
    steps.iter().any(|step| match &step.action {
        RaceAction::Do(Step::Sql(sql)) => {
            scope.statements[sql.statement.0].facts.as_ref().is_none_or(|facts| facts.controls_transaction)
        }
        _ => false,
    })
}
