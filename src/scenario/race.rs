//! Races as the user wrote them. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    model::{Fixture, Invariant, Literal, Named},
    per_database::PerDatabase,
    spanned::{OneOrMany, Spanned},
    step::Step,
};
use crate::{
    dialect::Begin,
    outcome::{Isolation, RaceOutcome},
};

/// Two or more sessions whose steps are driven through chosen interleavings.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Race {
    /// One or two sentences for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The levels that the race is judged at, for all kinds of databases or by kind; the target's `isolation`,
    /// else the server's default, when not given. One that the database hasn't doesn't apply.
    #[serde(default)]
    pub isolation: Option<PerDatabase<OneOrMany<Spanned<Isolation>>>>,
    /// On SQLite: what `begin` does, as at the target, whose is used when not given.
    #[serde(default)]
    pub begin: Option<Begin>,
    /// Rows of the race's own, beside the scenario's: every schedule begins with them.
    #[serde(default)]
    pub fixtures: Named<Fixture>,
    /// SQL before every schedule: a text or a list of texts, each sent as one message, which may hold
    /// several statements. `[]`: nothing, on purpose.
    #[serde(default)]
    pub setup: Option<OneOrMany<Spanned<String>>>,
    /// SQL after every schedule, like `setup`. A race with `setup` and without `teardown` gets an empty
    /// schema for every schedule, where the target has no `migrations`.
    #[serde(default)]
    pub teardown: Option<OneOrMany<Spanned<String>>>,
    /// The sessions by name, each with a connection of its own.
    pub sessions: Named<RaceSession>,
    /// The interleavings: `all` (when not given), a list of them, or `{sample: 200}`. One is a text like
    /// `alice.read bob.read alice bob`: a step's name, `session.step`, or a session for its next step.
    #[serde(default)]
    pub schedules: Option<Schedules>,
    /// `all` may be at most this many interleavings; 10000 when not given.
    #[serde(default)]
    pub limit: Option<Spanned<u64>>,
    /// What becomes of a schedule in which a step is due whose session waits for a lock: `defer` (when not
    /// given), `strict` or `wait`.
    #[serde(default)]
    pub blocked: Option<Blocked>,
    /// What a session does after an error: `abort` (when not given) or `continue`.
    #[serde(default)]
    pub on_error: Option<OnError>,
    /// `true`: listed schedules may leave steps out, repeat them and change their order.
    #[serde(default)]
    pub partial: Option<bool>,
    /// What must hold after every schedule. `when` isn't used here.
    #[serde(default)]
    pub invariants: Named<Invariant>,
    /// What is known of the race: `holds`, `violated`, `error` or `does_not_apply`, for all levels or by level,
    /// and either for all kinds of databases or by kind.
    #[serde(default)]
    pub expect: Option<PerDatabase<RaceExpect>>,
}

/// A session of a race: a list of steps, or a map.
#[derive(Debug, Clone, PartialEq)]
pub struct RaceSession(pub SessionParts);

/// The map form of a session.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionParts {
    /// SQL at the start of every schedule, in this session.
    #[serde(default)]
    pub setup: Option<OneOrMany<Spanned<String>>>,
    /// The steps, in their order.
    #[serde(default)]
    pub steps: Option<Vec<Spanned<RaceStep>>>,
    /// SQL at the end of every schedule, in this session.
    #[serde(default)]
    pub teardown: Option<OneOrMany<Spanned<String>>>,
    /// Another session of the race, whose steps are this one's too.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// An operation of this file: its `transaction` becomes `begin` to `commit`, and its steps interleave.
    #[serde(default)]
    pub operation: Option<Spanned<String>>,
    /// With `operation`: values that replace those of its `let`.
    #[serde(default)]
    pub with: Named<Literal>,
    /// With `steps`: values drawn once for each schedule, before its first step. With `like`: values that
    /// replace those of the other session.
    #[serde(default, rename = "let")]
    pub bindings: Named<Literal>,
}

/// One step of a session: `begin`, `commit`, `rollback`, a step, or either of them under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct RaceStep {
    /// What schedules call it.
    pub name: Option<Spanned<String>>,
    /// What it does.
    pub action: RaceAction,
}

/// What a step of a session does.
#[derive(Debug, Clone, PartialEq)]
pub enum RaceAction {
    /// `begin`, `commit` or `rollback`, or a word that is none of them.
    Word(Spanned<String>),
    /// A step as operations have them.
    Step(Box<Step>),
}

/// Which interleavings are driven.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedules {
    /// Every one that keeps each session's own order.
    All,
    /// Just these.
    Listed(Vec<Spanned<String>>),
    /// So many, drawn from the run's seed, none twice.
    Sample(Spanned<u64>),
}

/// What becomes of a schedule in which a step is due whose session waits for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// It can't be executed as written: it is ended and counted as pruned.
    Strict,
    /// The session's steps wait in line until it wakes, and the schedule goes on with the others'.
    Defer,
    /// The schedule waits for it, for 10 s at most, as PostgreSQL's isolation tester does: a time limit
    /// may end what it waits for. Then it is pruned.
    Wait,
}

/// What a session does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Its transaction is rolled back, and the rest of its steps are skipped.
    Abort,
    /// Its next step is executed, as PostgreSQL's isolation tester does.
    Continue,
}

/// What a race is known to do.
#[derive(Debug, Clone, PartialEq)]
pub enum RaceExpect {
    /// At every level.
    Every(Spanned<Expected>),
    /// By level.
    Each(Named<Spanned<Expected>>),
}

/// What a race is known to do at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// No schedule breaks anything.
    Holds,
    /// At least one does.
    Violated,
    /// None does, and in at least one a session fails.
    Error,
    /// It has no meaning on this kind of database and isn't driven.
    DoesNotApply,
}

impl Expected {
    /// The outcome; `None` for what doesn't apply.
    pub fn outcome(self) -> Option<RaceOutcome> {
        match self {
            Self::Holds => Some(RaceOutcome::Holds),
            Self::Violated => Some(RaceOutcome::Violated),
            Self::Error => Some(RaceOutcome::Error),
            Self::DoesNotApply => None,
        }
    }
}
