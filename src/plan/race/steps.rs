//! Compiles the steps of a race's session, each under a name that schedules can call it by.

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::{
        model::{SqlStep, Step},
        operation::{Around, Numbers},
        scope::Scope,
        step,
    },
    footprint::Footprint,
    model::{RaceAction, RaceStep},
    session::Written,
    touch,
};
use crate::{
    dialect::{Begin, Dialect},
    expression::Names,
    scenario::{self, Spanned},
};

/// Compiles the steps of a session; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    written: &[Written<'_>],
    names: &mut Names,
    origin: &str,
    begin: Begin,
) -> Option<Vec<RaceStep>> {
    let mut compiled = Some(Vec::new());
    let taken = Taken { names: BTreeSet::new(), given: given_names(written) };
    let mut session = Session { names, origin, begin, taken, numbers: Numbers::default() };
    for one in written {
        let step = match one {
            Written::Begin(span) => Some(session.word(scope, RaceAction::Begin, None, span)),
            Written::Commit(span) => Some(session.word(scope, RaceAction::Commit, None, span)),
            Written::Step(step) => session.plain(scope, None, &step.value, &step.span),
            Written::Race(step) => session.race_step(scope, step),
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

/// A session whose steps are being compiled.
struct Session<'a> {
    names: &'a mut Names,
    origin: &'a str,
    begin: Begin,
    taken: Taken,
    numbers: Numbers,
}

impl Session<'_> {
    /// `begin`, `commit` or `rollback`, under a name that is given or free.
    fn word(
        &mut self,
        scope: &Scope<'_>,
        action: RaceAction,
        name: Option<String>,
        span: &Range<usize>,
    ) -> RaceStep {
        let immediate = scope.dialect == Dialect::Sqlite && self.begin == Begin::Immediate;
        let (stem, shown, footprint) = match action {
            // It takes the lock for writing.
            RaceAction::Begin if immediate => ("begin", "BEGIN IMMEDIATE;", Footprint::Unknown),
            RaceAction::Begin => ("begin", "BEGIN;", Footprint::Begin),
            RaceAction::Commit => ("commit", "COMMIT;", Footprint::End),
            RaceAction::Rollback | RaceAction::Do(_) => ("rollback", "ROLLBACK;", Footprint::End),
        };
        let name = name.unwrap_or_else(|| self.taken.free(stem));
        let shown = shown.to_owned();
        RaceStep { name, action, shown, footprint, touches: None, asserts: false, span: span.clone() }
    }

    fn race_step(
        &mut self,
        scope: &mut Scope<'_>,
        written: &Spanned<scenario::RaceStep>,
    ) -> Option<RaceStep> {
        let given = written.value.name.as_ref();
        let word = match &written.value.action {
            scenario::RaceAction::Step(step) => {
                if let (Some(_), Some(again)) = (given, &step.name) {
                    scope.error(
                        &again.span,
                        "the step has a name already",
                        Some("leave `name` out".into()),
                    );
                }
                return self.plain(scope, given, step, &written.span);
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
        let name = given.map(|name| self.taken.claim(scope, name));
        Some(self.word(scope, action, name, &written.span))
    }

    fn plain(
        &mut self,
        scope: &mut Scope<'_>,
        given: Option<&Spanned<String>>,
        step: &scenario::Step,
        span: &Range<usize>,
    ) -> Option<RaceStep> {
        let name = match given.or(step.name.as_ref()) {
            Some(name) => self.taken.claim(scope, name),
            None if step.rollback.is_some() => self.taken.free("rollback"),
            None => self.taken.numbered(kind(step)),
        };
        if step.rollback.as_ref().is_some_and(|rollback| rollback.value) {
            return Some(self.word(scope, RaceAction::Rollback, Some(name), span));
        }
        let own = scope.globals.len();
        let called = Spanned::new(name.clone(), span.clone());
        let renamed = Spanned::new(scenario::Step { name: Some(called), ..step.clone() }, span.clone());
        let compiled =
            step::step(scope, &renamed, self.names, &Around::race(self.origin), &mut self.numbers)?;
        let footprint = Footprint::of(&compiled, &scope.statements, scope.dialect);
        let asserts = may_stop(scope, &compiled, self.names, own);
        let shown = match (&step.sql, &step.http) {
            (Some(sql), _) => sql.of(scope.dialect).map(|text| text.value.clone()).unwrap_or_default(),
            (None, Some(line)) => line.value.clone(),
            (None, None) => shown(scope, &compiled, &name),
        };
        let touches = match &compiled {
            Step::Sql(sql) => touch::pattern(&scope.statements[sql.statement.0].text, scope.dialect),
            _ => None,
        };
        let action = RaceAction::Do(compiled);
        Some(RaceStep { name, action, shown, footprint, touches, asserts, span: span.clone() })
    }
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
