//! What a run measured, as plain data: the input of `verdict` and `report`.
//!
//! Recorders and the sampler go in, once, at the end of a run; the result document comes out of
//! it. Absent on purpose: judgement. Milliseconds are `f64`, rates are shares of one.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{
    deadlocks::DeadlockResults,
    effect_results::EffectResults,
    incident::Incident,
    meeting_results::{ArrivalResults, GateResults, Overlap, ReleaseResults},
    operation_results::{OperationResults, RetryResults},
    probe::ProbeResults,
    race::RaceResults,
    transaction_results::{ApplicationResults, IsolationResults, LockOrderResults, WaitResults},
    tuning_results::TuningResults,
    variant::{ComparedRun, ControlResults},
};
use crate::outcome::Cause;

/// Everything that a run measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResults {
    /// The scenario's name.
    pub scenario: String,
    /// Its description.
    pub description: Option<String>,
    /// The file as it was given on the command line.
    pub file: String,
    /// Its text, secrets masked; `None` in older documents.
    #[serde(default)]
    pub file_text: Option<String>,
    /// Variables that the command line replaced (`--var`).
    #[serde(default)]
    pub vars: IndexMap<String, String>,
    /// The profile that the command line chose (`--profile`).
    #[serde(default)]
    pub profile: Option<String>,
    /// Unique to the run; prefix of every row and schema that it made.
    pub run_id: String,
    /// Everything random came from this.
    pub seed: u64,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Length of the measured part of the run, without set-up, warm-up and cleanup.
    pub duration_ms: f64,
    /// True when the run was ended by a signal before its load was done.
    pub interrupted: bool,
    /// Why the scenario itself ended the run (`abort_on`).
    pub aborted: Option<String>,
    /// What couldn't be checked whatever happened, and why.
    pub unchecked: Option<String>,
    /// Where it ran.
    pub environment: Environment,
    /// All operations together.
    pub totals: OperationResults,
    /// Each operation, in the order of the file.
    pub operations: IndexMap<String, OperationResults>,
    /// What was tried again and what it brought.
    pub retries: RetryResults,
    /// The level declared and those in force.
    pub isolation: IsolationResults,
    /// Locks taken against the declared order.
    pub lock_order: LockOrderResults,
    /// The deadlocks that operations met, as cycles.
    pub deadlocks: DeadlockResults,
    /// Who waited for whom, as sampled from the server.
    pub waits: WaitResults,
    /// Whether operations really met.
    pub overlap: Overlap,
    /// Of an open load: how many operations were to start, and how many did.
    pub arrivals: Option<ArrivalResults>,
    /// How far apart parties that are let go together really started.
    pub releases: Vec<ReleaseResults>,
    /// What became of lock gates.
    pub gates: Vec<GateResults>,
    /// What the database shows of the application under test.
    pub application: Option<ApplicationResults>,
    /// The invariants and what they found.
    pub invariants: Vec<InvariantResult>,
    /// What operations said they changed, compared with what the database shows.
    pub effects: Vec<EffectResults>,
    /// What the scenario demands and its database can't have, with the reason: `isolation`,
    /// `lock_order`, `lock_waits`, `deadlocks`, or `invariant NAME`.
    pub does_not_apply: IndexMap<String, String>,
    /// Rows made and rows left.
    pub fixtures: FixtureResults,
    /// What to tune, with the numbers that led to it.
    pub tuning: TuningResults,
    /// One entry for each second of the run.
    pub timeline: Vec<TimelineEntry>,
    /// The first message of each kind of failure, most frequent first.
    pub errors: Vec<ErrorSample>,
    /// What the run broke, and the operations that may be to blame.
    pub incidents: Vec<Incident>,
    /// A run that had to fail, when there is one and the scenario itself didn't fail.
    pub control: Option<ControlResults>,
    /// The same with other retry policies.
    pub compared: Vec<ComparedRun>,
    /// Races by level, when races were driven and no load.
    pub races: Vec<RaceResults>,
    /// Probes of isolation by level, when that was probed and no load was run.
    pub probes: Vec<ProbeResults>,
}

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of deadheat.
    pub deadheat: String,
    /// `linux x86_64`.
    pub platform: String,
    /// The processor's model, as far as the system tells it; `None` in older documents too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Processors that deadheat could use.
    pub processors: usize,
    /// Workers.
    pub concurrency: u32,
    /// The targets by name.
    pub targets: IndexMap<String, TargetInfo>,
}

/// One target of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// `PostgreSQL`.
    pub kind: String,
    /// The server's version: `15.18`.
    pub version: String,
    /// `embedded`, or host and database without any password.
    pub location: String,
    /// The schema that the run made for itself, when it did.
    pub schema: Option<String>,
}

/// One invariant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InvariantResult {
    pub name: String,
    pub description: Option<String>,
    /// `after`, `before, every 500ms`, …
    pub when: String,
    /// What was expected: `no_rows` or the expression.
    pub expect: String,
    /// Times it was evaluated.
    pub checked: u64,
    /// Times it didn't hold.
    pub violated: u64,
    /// Moment of the first violation, from the start of the load; `None` for one before or after.
    pub first_violation_ms: Option<f64>,
    /// In which phase the first violation was seen: `before`, `during`, `after`, `eventually`.
    pub phase: Option<String>,
    /// The scenario's own message about the violation.
    pub message: Option<String>,
    /// Columns of the failing rows.
    pub columns: Vec<String>,
    /// The first failing rows, as text.
    pub rows: Vec<Vec<String>>,
    /// How many rows failed.
    pub failing_rows: u64,
    /// Why it couldn't be evaluated.
    pub error: Option<String>,
}

/// What was made for the run, and what is left of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FixtureResults {
    /// Fixture rows made.
    pub created: u64,
    /// Rows of the run, fixtures and those of its operations, found after cleanup.
    pub remaining: u64,
    /// False when cleanup was skipped (`--keep`) or failed; `note` says why.
    pub cleaned: bool,
    pub note: Option<String>,
    /// By table.
    pub tables: IndexMap<String, TableRows>,
}

/// Rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableRows {
    pub created: u64,
    pub remaining: u64,
}

/// One second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// Seconds since the load began.
    pub second: u32,
    /// Operations that ended in this second.
    pub ended: u64,
    /// Of these, ok or recovered.
    pub committed: u64,
    pub retries: u64,
    pub deadlocks: u64,
    pub latency_mean_ms: f64,
    pub latency_max_ms: f64,
    /// Percentiles within 7 %; `None` when nothing ended, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p50_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p95_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p99_ms: Option<f64>,
    /// Most sessions seen waiting for a lock at once; `None` when nobody was, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// Time that they lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_wait_ms: Option<f64>,
}

/// The first of a kind of failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorSample {
    pub operation: String,
    pub step: String,
    /// `None` for a failed assertion.
    pub cause: Option<Cause>,
    pub count: u64,
    pub message: String,
}
