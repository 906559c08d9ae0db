//! What will run: every name resolved to a slot, every text compiled, every default decided.
//!
//! `compile` makes it from a scenario file. Absent on purpose: drivers, clocks and connections.

use std::{path::PathBuf, sync::Arc, time::Duration};

use indexmap::IndexMap;

use super::{
    arrivals::Arrivals,
    demands::{Grade, Invariant, Threshold},
    effect::{Account, Effect},
    locks::Facts,
    race::Race,
    request::{Gate, Request, RequestIndex, Service},
    retry::{Retried, RetryPolicy},
    variant::{Compared, Control},
};
use crate::{
    dialect::{Begin, Dialect},
    expression::{DataRows, Expression, Names, Payloads, Template, Value},
    outcome::Isolation,
};

/// Slots that every frame has, before the scenario's own names.
pub mod slots {
    /// `run.id`.
    pub const RUN: usize = 0;
    /// The worker's number, from 0.
    pub const WORKER: usize = 1;
    /// The worker's operation, from 0.
    pub const ITERATION: usize = 2;
    /// Their names, in this order.
    pub const NAMES: [&str; 3] = ["run", "worker", "iteration"];
}

/// Index into [`Plan::statements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementIndex(pub usize);

/// A scenario, compiled.
#[derive(Debug)]
pub struct Plan {
    pub name: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    /// The profile that was chosen.
    pub profile: Option<String>,
    /// The profiles that can be.
    pub profiles: Vec<String>,
    /// The file as it was named by the user.
    pub file: PathBuf,
    /// Names that every frame has: [`slots`], variables, `secrets`, fixtures.
    pub globals: Arc<Names>,
    /// Values of the globals that are known now: variables, `concurrency`, `secrets`.
    pub constants: Vec<(usize, Value)>,
    /// Texts that must never appear in an output.
    pub secrets: Vec<String>,
    pub payloads: Arc<Payloads>,
    /// `None`: requests only.
    pub database: Option<Database>,
    pub services: Vec<Service>,
    pub data: Vec<DataFile>,
    pub fixtures: Vec<Fixture>,
    pub statements: Vec<Statement>,
    pub requests: Vec<Request>,
    pub operations: Vec<Operation>,
    /// What operations say they change.
    pub accounts: Vec<Account>,
    pub barriers: Vec<Barrier>,
    /// Of nothing, when there are no operations.
    pub load: Load,
    pub invariants: Vec<Invariant>,
    pub thresholds: Vec<Threshold>,
    /// Without these a run proves nothing.
    pub requirements: Vec<Threshold>,
    pub grades: Vec<Grade>,
    pub races: Vec<Race>,
    /// SQL before fixtures are made: the change of a control.
    pub setup: Vec<Setup>,
    pub control: Option<Control>,
    /// Empty, or two and more.
    pub compared: Vec<Compared>,
    /// What couldn't be checked whatever happens, and why: the verdict can't be `pass`.
    pub unchecked: Option<String>,
    /// For people, before the run.
    pub notes: Vec<String>,
    /// What the scenario demands and its database can't have, with the reason.
    pub does_not_apply: IndexMap<String, String>,
    /// Races at levels that don't apply.
    pub not_driven: Vec<super::race::NotDriven>,
}

/// SQL that a control runs before its fixtures are made.
#[derive(Debug, Clone)]
pub struct Setup {
    pub text: String,
    /// Where it stands in the file.
    pub span: std::ops::Range<usize>,
}

/// The database that a scenario works on.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name among the targets.
    pub target: String,
    pub location: Location,
    /// Folder of the migrations for this kind of database.
    pub migrations: Option<PathBuf>,
    /// Level of transactions that don't name one; the server's default when `None`.
    pub isolation: Option<Isolation>,
    /// How transactions that don't say begin on SQLite.
    pub begin: Begin,
    /// Tables, as the server folds their names, in the order in which they may be locked.
    pub lock_order: Vec<String>,
    pub statement_timeout: Option<Duration>,
    pub lock_timeout: Option<Duration>,
    /// Longest wait for an answer; the driver's default when `None`.
    pub longest_answer: Option<Duration>,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A throw-away server of this kind with these settings.
    Embedded { dialect: Dialect, settings: Vec<(String, String)> },
    /// A server of the user's.
    Server { dialect: Dialect, url: String },
    /// A SQLite database; `None`: a temporary one.
    Sqlite { path: Option<PathBuf> },
}

impl Location {
    /// The kind of database.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Embedded { dialect, .. } | Self::Server { dialect, .. } => *dialect,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }
}

/// A data file, read.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// As the scenario names the file.
    pub file: String,
    pub rows: Arc<DataRows>,
}

/// Rows to make before the run.
#[derive(Debug)]
pub struct Fixture {
    pub name: String,
    /// Where its rows are found in a frame.
    pub slot: usize,
    /// The table as it may stand in a statement.
    pub table: String,
    /// How many rows, or how many for each row of `per`.
    pub rows: u64,
    /// Index of an earlier fixture.
    pub per: Option<usize>,
    /// The rows that its rows are made of.
    pub data: Option<Arc<DataRows>>,
    pub columns: Vec<(String, Template)>,
    /// Names in `columns`: the globals, `n`, `parent` and `row`.
    pub names: Arc<Names>,
}

/// A statement of an operation.
#[derive(Debug)]
pub struct Statement {
    /// With placeholders.
    pub text: String,
    pub parameters: Vec<Expression>,
    /// Where each placeholder stands in `text`.
    pub placeholders: Vec<usize>,
    /// What is known of it; `None` when the parser doesn't know the statement.
    pub facts: Option<Facts>,
    /// Tables that it locks, as positions in the declared lock order.
    pub lock_ranks: Vec<usize>,
    /// Taken by a gate, on a session of its own.
    pub is_gate: bool,
    /// Sent as it is: one or several statements without parameters, which aren't prepared.
    pub is_script: bool,
    /// Operation and step that it belongs to, for messages.
    pub operation: String,
    pub step: String,
    /// Where its text stands in the file.
    pub span: std::ops::Range<usize>,
}

impl Statement {
    /// As the scenario wrote it, without the comment that names the operation.
    pub fn shown(&self) -> &str {
        self.text.rsplit_once(" /*").map_or(self.text.as_str(), |(sql, _)| sql)
    }
}

/// A kind of work.
#[derive(Debug)]
pub struct Operation {
    pub name: String,
    pub description: Option<String>,
    /// Above 0.
    pub weight: f64,
    /// The globals, then the operation's own names.
    pub names: Arc<Names>,
    pub bindings: Vec<(usize, Template)>,
    pub steps: Vec<Step>,
    /// What it says that its commit changes.
    pub effects: Vec<Effect>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    Sql(SqlStep),
    /// Index into [`Plan::requests`].
    Http(RequestIndex),
    /// A lock, held while `steps` run.
    Gate {
        gate: Gate,
        steps: Vec<Step>,
    },
    Transaction(Transaction),
    /// Inside the latency.
    Sleep(Duration),
    /// Not part of the latency.
    Think(Duration),
    Let(Vec<(usize, Template)>),
    If {
        condition: Expression,
        then: Vec<Step>,
        otherwise: Vec<Step>,
    },
    /// `times` is evaluated once; the counter is in `slot`.
    Repeat {
        times: Template,
        slot: usize,
        steps: Vec<Step>,
    },
    /// Once for each element of `list`.
    ForEach {
        list: Template,
        slot: usize,
        steps: Vec<Step>,
    },
    Check {
        name: String,
        condition: Expression,
    },
    /// Index into [`Plan::barriers`].
    Barrier(usize),
    /// Ends the transaction around it without committing, on purpose.
    Rollback,
}

/// A statement and what becomes of its result.
#[derive(Debug)]
pub struct SqlStep {
    pub name: String,
    pub statement: StatementIndex,
    pub captures: Vec<(usize, CaptureKind)>,
    pub assertions: Vec<Expression>,
    /// Slots of `rows_affected`, `row_count` and `row`, when assertions use them.
    pub result: Option<ResultSlots>,
    /// Policy of a statement outside a transaction.
    pub retry: RetryPolicy,
}

impl SqlStep {
    /// True when the rows themselves are needed, not only how many they are.
    pub fn needs_rows(&self) -> bool {
        !self.captures.is_empty() || self.result.is_some()
    }
}

/// Where assertions find the result of a statement.
#[derive(Debug, Clone, Copy)]
pub struct ResultSlots {
    pub rows_affected: usize,
    pub row_count: usize,
    pub row: usize,
}

/// What a captured name holds of a statement's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// The first row; null when there is none.
    First,
    /// The list of all rows.
    All,
    /// The first column of the first row.
    Value,
}

/// Steps in one database transaction, retried as a whole.
#[derive(Debug)]
pub struct Transaction {
    /// `None`: the server's default.
    pub isolation: Option<Isolation>,
    /// On SQLite.
    pub begin: Begin,
    pub retry: RetryPolicy,
    pub steps: Vec<Step>,
}

/// A meeting point of workers.
#[derive(Debug, Clone)]
pub struct Barrier {
    pub name: String,
    pub parties: u32,
    pub timeout: Duration,
}

/// How much work.
#[derive(Debug, Clone)]
pub struct Load {
    pub concurrency: u32,
    pub work: Work,
    /// Operations for which there are rows of data that is used once.
    pub most_operations: Option<u64>,
    pub warmup: Duration,
    /// All workers leave one barrier.
    pub release_together: bool,
    /// Overlapped trials after which the load ends.
    pub enough: Option<Enough>,
    /// Causes that end the whole run.
    pub abort_on: Vec<Retried>,
}

/// When so much was seen that the load may end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enough {
    /// The share of trials that must be excluded, at 95 %.
    pub upper_bound: f64,
    /// Trials without a violation that exclude it.
    pub trials: u64,
}

/// When a run is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// After this many operations in all.
    Iterations(u64),
    /// No operation is started after this time.
    Duration(Duration),
    /// Operations start as the schedule says, whether or not earlier ones have ended.
    Arrivals(Arrivals),
}

impl Plan {
    /// Names of the operations, in the order of the file.
    pub fn operation_names(&self) -> Vec<String> {
        self.operations.iter().map(|operation| operation.name.clone()).collect()
    }

    /// Declared delays of the retry policies, by operation.
    pub fn retry_policies(&self) -> IndexMap<String, RetryPolicy> {
        self.operations
            .iter()
            .filter_map(|operation| {
                Some((operation.name.clone(), first_policy(&self.requests, &operation.steps)?))
            })
            .collect()
    }
}

fn first_policy(requests: &[Request], steps: &[Step]) -> Option<RetryPolicy> {
    steps.iter().find_map(|step| match step {
        Step::Transaction(transaction) => Some(transaction.retry.clone()),
        Step::Sql(sql) => Some(sql.retry.clone()),
        Step::If { then, otherwise, .. } => {
            first_policy(requests, then).or_else(|| first_policy(requests, otherwise))
        }
        Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
            first_policy(requests, steps)
        }
        Step::Http(index) => Some(requests[index.0].retry.clone()),
        _ => None,
    })
}
