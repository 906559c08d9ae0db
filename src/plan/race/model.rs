//! A race, compiled.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    super::model::{Plan, Step},
    footprint::Footprint,
    touch::TouchPattern,
};
use crate::{
    dialect::{Begin, Dialect},
    expression::{Names, Template},
    outcome::{Isolation, RaceOutcome},
    scenario::{Blocked, OnError},
};

/// Sessions whose steps are driven through interleavings.
#[derive(Debug)]
pub struct Race {
    pub name: String,
    pub description: Option<String>,
    /// What its steps are made of: statements, requests, the scenario's fixtures and its own, invariants.
    /// Without operations.
    pub plan: Arc<Plan>,
    /// Those that the database has; `None`: the server's default.
    pub levels: Vec<Option<Isolation>>,
    /// For each level.
    pub expect: Vec<Option<RaceOutcome>>,
    /// How `begin` begins on SQLite.
    pub begin: Begin,
    /// Scripts before and after every schedule.
    pub setup: Vec<String>,
    pub teardown: Vec<String>,
    /// It says itself what comes before a schedule, even if that is nothing.
    pub has_setup: bool,
    pub sessions: Vec<RaceSession>,
    pub schedules: Schedules,
    /// Most interleavings of `all`.
    pub limit: u64,
    /// Schedules may leave steps out and repeat them.
    pub partial: bool,
    pub blocked: Blocked,
    pub on_error: OnError,
    /// Where its name stands in the file.
    pub span: Range<usize>,
}

/// A race at a level that it can't be driven at, or isn't meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDriven {
    pub race: String,
    pub description: Option<String>,
    pub isolation: Isolation,
    pub why: String,
    /// Races of the plan that stand before it in the file.
    pub before: usize,
}

/// A session of a race.
#[derive(Debug)]
pub struct RaceSession {
    pub name: String,
    /// The operation that it is made from; else the session that it is like, or itself. Invariants count
    /// it under this name.
    pub counts_as: String,
    /// Scripts at the start and at the end of every schedule.
    pub setup: Vec<String>,
    pub teardown: Vec<String>,
    /// The race's names, then the session's own.
    pub names: Arc<Names>,
    pub bindings: Vec<(usize, Template)>,
    pub steps: Vec<RaceStep>,
}

/// A step of a session.
#[derive(Debug)]
pub struct RaceStep {
    pub name: String,
    pub action: RaceAction,
    /// As a transcript shows it.
    pub shown: String,
    pub footprint: Footprint,
    /// Which rows it touches, where its text tells.
    pub touches: Option<TouchPattern>,
    /// A failed assertion or check may end the session here.
    pub asserts: bool,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// What a step does.
#[derive(Debug)]
pub enum RaceAction {
    /// At the level under test.
    Begin,
    Commit,
    Rollback,
    Do(Step),
}

/// A step, by the places of its session and of itself in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    pub session: usize,
    pub step: usize,
}

/// Which interleavings are driven.
#[derive(Debug)]
pub enum Schedules {
    All,
    Listed(Vec<Schedule>),
    /// So many, none twice.
    Sample(u64),
}

/// One order of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(pub Vec<Scheduled>);

/// A step's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    pub step: StepRef,
    pub markers: Vec<Marker>,
}

/// What a schedule demands of a step's completion, as PostgreSQL's isolation tester knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// `(*)`: it is said to wait at once, whether or not it does.
    Waits,
    /// `(other)`: its completion isn't told before the other step's.
    After(StepRef),
    /// `(other notices n)`: nor before the other step's session has told so many notices.
    Notices { step: StepRef, count: u32 },
}

impl From<StepRef> for Scheduled {
    fn from(step: StepRef) -> Self {
        Self { step, markers: Vec::new() }
    }
}

impl RaceSession {
    /// Its name, and those of its steps.
    pub(super) fn names_of_steps(&self) -> (&str, Vec<&str>) {
        (&self.name, self.steps.iter().map(|step| step.name.as_str()).collect())
    }
}

impl Race {
    /// The step that a reference means.
    pub fn step(&self, at: StepRef) -> &RaceStep {
        &self.sessions[at.session].steps[at.step]
    }

    /// The kind of database that it is driven on.
    pub fn dialect(&self) -> Dialect {
        let database = self.plan.database.as_ref();
        database.map_or(Dialect::Postgres, |database| database.location.dialect())
    }

    /// The tables that its sessions write or lock rows of; `None` when that isn't known.
    pub fn written_tables(&self) -> Option<BTreeSet<String>> {
        let mut written = BTreeSet::new();
        for step in self.sessions.iter().flat_map(|session| &session.steps) {
            match &step.footprint {
                Footprint::Begin | Footprint::End => {}
                Footprint::Tables(access) => written.extend(access.writes.iter().cloned()),
                Footprint::Unknown => return None,
            }
        }
        let scripts =
            self.sessions.iter().flat_map(|session| session.setup.iter().chain(&session.teardown));
        (self.setup.is_empty() && self.teardown.is_empty() && scripts.count() == 0).then_some(written)
    }

    /// After an error a session's next step is executed all the same.
    pub fn continues_after_errors(&self) -> bool {
        self.on_error == OnError::Continue
    }

    /// True when its sessions only send SQL that needs no values and whose rows nobody uses, and go on after
    /// errors: what PostgreSQL's isolation tester does.
    pub fn is_scripts(&self) -> bool {
        let mut steps = self.sessions.iter().flat_map(|session| &session.steps);
        self.continues_after_errors()
            && self.plan.statements.iter().all(|statement| statement.is_script)
            && steps.all(|step| match &step.action {
                RaceAction::Begin | RaceAction::Commit | RaceAction::Rollback => true,
                RaceAction::Do(Step::Sql(sql)) => !sql.needs_rows(),
                RaceAction::Do(_) => false,
            })
    }

    /// How many steps each session has.
    pub fn lengths(&self) -> Vec<usize> {
        self.sessions.iter().map(|session| session.steps.len()).collect()
    }

    /// The shortest word for a step that `--schedule` reads back: its name, or with its session's.
    pub fn token(&self, at: StepRef) -> String {
        let name = &self.step(at).name;
        let same = self.sessions.iter().flat_map(|session| &session.steps).filter(|one| one.name == *name);
        let unique = same.count() == 1 && self.sessions.iter().all(|session| session.name != *name);
        let session = &self.sessions[at.session].name;
        let text = if unique { name.clone() } else { format!("{session}.{name}") };
        let plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        if text.chars().all(plain) { text } else { format!("\"{text}\"") }
    }

    /// The names of a schedule's steps, with their sessions' where several have one of the name.
    pub fn names_of(&self, schedule: &Schedule) -> Vec<String> {
        let name = |at: StepRef| {
            let (session, name) = (&self.sessions[at.session].name, &self.step(at).name);
            let same =
                self.sessions.iter().flat_map(|session| &session.steps).filter(|one| one.name == *name);
            if same.count() > 1 { format!("{session}.{name}") } else { name.clone() }
        };
        schedule.0.iter().map(|one| name(one.step)).collect()
    }

    /// A schedule as `--schedule` reads it back.
    pub fn schedule_text(&self, schedule: &Schedule) -> String {
        let words: Vec<String> = schedule.0.iter().map(|one| self.token(one.step)).collect();
        words.join(" ")
    }
}
