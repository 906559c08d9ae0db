//! Compiles the sessions of a race: named steps, or those of another session or an operation.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    super::{
        model::{SqlStep, Step},
        operation::{self, Around, Numbers},
        scope::Scope,
        step,
    },
    footprint::Footprint,
    model::{RaceAction, RaceSession, RaceStep},
    touch,
};
use crate::{
    expression::{Names, Template},
    scenario::{self, Literal, Named, SessionParts, Spanned},
};

/// What a session's steps are made from.
enum Written<'a> {
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
    let steps = steps(scope, &written, &mut names, &origin)?;
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

fn steps(
    scope: &mut Scope<'_>,
    written: &[Written<'_>],
    names: &mut Names,
    origin: &str,
) -> Option<Vec<RaceStep>> {
    let mut compiled = Some(Vec::new());
    let mut taken = Taken { names: BTreeSet::new(), given: given_names(written) };
    let mut numbers = Numbers::default();
    for one in written {
        let step = match one {
            Written::Begin(span) => Some(word_step(RaceAction::Begin, taken.free("begin"), span.clone())),
            Written::Commit(span) => {
                Some(word_step(RaceAction::Commit, taken.free("commit"), span.clone()))
            }
            Written::Step(step) => {
                plain(scope, None, &step.value, &step.span, names, origin, &mut taken, &mut numbers)
            }
            Written::Race(step) => race_step(scope, step, names, origin, &mut taken, &mut numbers),
        };
        match (compiled.as_mut(), step) {
            (Some(list), Some(step)) => list.push(step),
            _ => compiled = None,
        }
    }
    compiled
}

/// Names of a session's steps: those in use, and those that the file gives.
struct Taken {
    names: BTreeSet<String>,
    given: BTreeSet<String>,
}

impl Taken {
    /// `begin`, `begin2`, …
    fn free(&mut self, stem: &str) -> String {
        let candidates = std::iter::once(stem.to_owned()).chain((2..).map(|n| format!("{stem}{n}")));
        self.first_of(candidates)
    }

    /// `sql1`, `sql2`, …
    fn numbered(&mut self, stem: &str) -> String {
        self.first_of((1..).map(|n| format!("{stem}{n}")))
    }

    fn first_of(&mut self, mut candidates: impl Iterator<Item = String>) -> String {
        let free = candidates.find(|name| !self.names.contains(name) && !self.given.contains(name));
        let free = free.expect("there are more candidates than steps");
        self.names.insert(free.clone());
        free
    }

    fn claim(&mut self, scope: &mut Scope<'_>, name: &Spanned<String>) -> String {
        let unfit = |c: char| c.is_whitespace() && c != ' ' || "\"(),".contains(c);
        if name.value.trim() != name.value || name.value.is_empty() || name.value.contains(unfit) {
            scope.error(&name.span, format!("`{name}` is no name for a step"), None);
        } else if !self.names.insert(name.value.clone()) {
            scope.error(
                &name.span,
                format!("two steps of one session are called `{name}`"),
                Some("schedules tell steps apart by their names".into()),
            );
        }
        name.value.clone()
    }
}

fn given_names(written: &[Written<'_>]) -> BTreeSet<String> {
    let name = |one: &Written<'_>| match one {
        Written::Begin(_) | Written::Commit(_) => None,
        Written::Step(step) => step.value.name.as_ref().map(|name| name.value.clone()),
        Written::Race(step) => {
            let inner = match &step.value.action {
                scenario::RaceAction::Step(step) => step.name.as_ref(),
                scenario::RaceAction::Word(_) => None,
            };
            step.value.name.as_ref().or(inner).map(|name| name.value.clone())
        }
    };
    written.iter().filter_map(name).collect()
}

fn word_step(action: RaceAction, name: String, span: Range<usize>) -> RaceStep {
    let (shown, footprint) = match action {
        RaceAction::Begin => ("BEGIN;", Footprint::Begin),
        RaceAction::Commit => ("COMMIT;", Footprint::End),
        RaceAction::Rollback | RaceAction::Do(_) => ("ROLLBACK;", Footprint::End),
    };
    RaceStep { name, action, shown: shown.to_owned(), footprint, touches: None, asserts: false, span }
}

fn race_step(
    scope: &mut Scope<'_>,
    written: &Spanned<scenario::RaceStep>,
    names: &mut Names,
    origin: &str,
    taken: &mut Taken,
    numbers: &mut Numbers,
) -> Option<RaceStep> {
    let given = written.value.name.as_ref();
    let word = match &written.value.action {
        scenario::RaceAction::Step(step) => {
            if let (Some(_), Some(again)) = (given, &step.name) {
                scope.error(&again.span, "the step has a name already", Some("leave `name` out".into()));
            }
            return plain(scope, given, step, &written.span, names, origin, taken, numbers);
        }
        scenario::RaceAction::Word(word) => word,
    };
    let action = match word.value.as_str() {
        "begin" => RaceAction::Begin,
        "commit" => RaceAction::Commit,
        "rollback" => RaceAction::Rollback,
        other => {
            let nearest = scenario::nearest(other, ["begin", "commit", "rollback"]);
            let hint = nearest.map_or_else(
                || {
                    "write `begin`, `commit`, `rollback`, or a step like `{read: {sql: SELECT …}}`"
                        .to_owned()
                },
                |nearest| format!("did you mean `{nearest}`?"),
            );
            scope.error(&word.span, format!("`{other}` is no step"), Some(hint));
            return None;
        }
    };
    let name = match given {
        Some(name) => taken.claim(scope, name),
        None => taken.free(&word.value),
    };
    Some(word_step(action, name, written.span.clone()))
}

#[expect(clippy::too_many_arguments, reason = "the compiler's state, and what it is applied to")]
fn plain(
    scope: &mut Scope<'_>,
    given: Option<&Spanned<String>>,
    step: &scenario::Step,
    span: &Range<usize>,
    names: &mut Names,
    origin: &str,
    taken: &mut Taken,
    numbers: &mut Numbers,
) -> Option<RaceStep> {
    let name = match given.or(step.name.as_ref()) {
        Some(name) => taken.claim(scope, name),
        None if step.rollback.is_some() => taken.free("rollback"),
        None => taken.numbered(kind(step)),
    };
    if step.rollback.as_ref().is_some_and(|rollback| rollback.value) {
        return Some(word_step(RaceAction::Rollback, name, span.clone()));
    }
    let own = scope.globals.len();
    let called = Spanned::new(name.clone(), span.clone());
    let renamed = Spanned::new(scenario::Step { name: Some(called), ..step.clone() }, span.clone());
    let compiled = step::step(scope, &renamed, names, &Around::race(origin), numbers)?;
    let footprint = Footprint::of(&compiled, &scope.statements);
    let asserts = may_stop(scope, &compiled, names, own);
    let shown = match (&step.sql, &step.http) {
        (Some(sql), _) => sql.of(scope.dialect).map(|text| text.value.clone()).unwrap_or_default(),
        (None, Some(line)) => line.value.clone(),
        (None, None) => shown(scope, &compiled, &name),
    };
    let touches = match &compiled {
        Step::Sql(sql) => touch::pattern(&scope.statements[sql.statement.0].text),
        _ => None,
    };
    let action = RaceAction::Do(compiled);
    Some(RaceStep { name, action, shown, footprint, touches, asserts, span: span.clone() })
}

fn shown(scope: &Scope<'_>, step: &Step, name: &str) -> String {
    match step {
        Step::Sql(sql) => scope.statements[sql.statement.0].text.clone(),
        Step::Check { condition, .. } => format!("check {}", condition.source()),
        _ => name.to_owned(),
    }
}

fn kind(step: &scenario::Step) -> &'static str {
    let kinds = [
        (step.sql.is_some(), "sql"),
        (step.http.is_some(), "http"),
        (step.bindings.is_some(), "let"),
        (step.check.is_some(), "check"),
        (step.condition.is_some(), "if"),
        (step.repeat.is_some(), "repeat"),
        (step.sleep.is_some() || step.think_time.is_some(), "sleep"),
        (step.savepoint.is_some(), "savepoint"),
        (step.rollback_to.is_some(), "rollback_to"),
    ];
    kinds.iter().find(|(is, _)| *is).map_or("step", |(_, name)| name)
}

/// True for a step that may end its session without the database: by an assertion, or by an expression
/// over what the session has read.
fn may_stop(scope: &Scope<'_>, step: &Step, names: &Names, own: usize) -> bool {
    match step {
        Step::Sql(SqlStep { statement, assertions, .. }) => {
            let own_names: Vec<&str> = (own..names.len()).filter_map(|slot| names.name(slot)).collect();
            let parameters = &scope.statements[statement.0].parameters;
            !assertions.is_empty()
                || parameters.iter().any(|one| own_names.iter().any(|name| one.mentions(name)))
        }
        Step::Sleep(_) | Step::Think(_) => false,
        _ => true,
    }
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
