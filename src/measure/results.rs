//! What a run measured, as plain data: the input of `verdict` and `report`.
//!
//! Recorders and the sampler go in, once, at the end of a run; the result document comes out of
//! it. Absent on purpose: judgement. Milliseconds are `f64`, rates are shares of one.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{distribution::Distribution, incident::Incident, race::RaceResults};
use crate::outcome::{Cause, Isolation};

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
    /// What the scenario demands and its database can't have, with the reason: `isolation`,
    /// `lock_order`, `lock_waits`, `deadlocks`, or `invariant NAME`.
    pub does_not_apply: IndexMap<String, String>,
    /// Rows made and rows left.
    pub fixtures: FixtureResults,
    /// One entry for each second of the run.
    pub timeline: Vec<TimelineEntry>,
    /// The first message of each kind of failure, most frequent first.
    pub errors: Vec<ErrorSample>,
    /// What the run broke, and the operations that may be to blame.
    pub incidents: Vec<Incident>,
    /// Races by level, when races were driven and no load.
    pub races: Vec<RaceResults>,
}

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of deadheat.
    pub deadheat: String,
    /// `linux x86_64`.
    pub platform: String,
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

/// What became of operations. The outcomes add up to `started`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationResults {
    pub started: u64,
    /// Ok at the first attempt.
    pub ok: u64,
    /// Ok after at least one retry.
    pub recovered: u64,
    /// Every allowed attempt failed.
    pub exhausted: u64,
    /// Failed with a cause that isn't retried.
    pub failed: u64,
    /// An assertion of the scenario didn't hold.
    pub assertion: u64,
    /// A time limit of the scenario ran out.
    pub timeout: u64,
    /// The answer to a commit never came.
    pub unknown: u64,
    /// Not carried out because the run was ending.
    pub skipped: u64,
    /// Failures (exhausted or failed) by cause.
    pub causes: IndexMap<String, u64>,
    /// Operations that met at least one deadlock, recovered or not.
    pub met_deadlock: u64,
    /// Operations that met at least one serialization failure, recovered or not.
    pub met_serialization: u64,
    /// Operations that were retried at least once.
    pub retried: u64,
    /// Attempts that ended in a deadlock.
    pub deadlocks: u64,
    /// Retries made.
    pub retries: u64,
    /// Start to end, retries and backoff included, of every operation that wasn't skipped.
    pub latency_ms: Distribution,
    /// Each attempt alone.
    pub attempt_ms: Distribution,
    /// Time spent between attempts, per operation that was retried.
    pub backoff_ms: Distribution,
    /// Time that sampled sessions spent waiting for locks in this operation.
    pub lock_wait_ms: f64,
    /// Operations that ended ok or recovered, per second of the run.
    pub throughput_per_s: f64,
    /// Requests and their answers.
    #[serde(default)]
    pub requests: RequestResults,
    /// Operations that had drawn a fixture row.
    #[serde(default)]
    pub trials: u64,
    /// Of these, those that were on it at the same time as another one.
    #[serde(default)]
    pub overlapped: u64,
}

/// Requests and their answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestResults {
    /// Requests sent, resent ones included.
    pub sent: u64,
    /// Sent again after a failure.
    pub resent: u64,
    /// Answers by status.
    pub statuses: IndexMap<String, u64>,
    /// Answers that the scenario takes for a deadlock.
    pub deadlock_answers: u64,
    /// Retries that the service said it made itself.
    pub service_retries: u64,
    /// The scenario says where the service tells them.
    #[serde(default)]
    pub retries_told: bool,
    /// Acknowledged requests whose change was looked for.
    pub changes: u64,
    /// Of these, those whose change came too late.
    pub late_changes: u64,
    /// Of these, those whose change never came.
    pub missing_changes: u64,
}

impl RequestResults {
    /// Answers with a status from `first` to 99 above it.
    pub fn answers(&self, first: u16) -> u64 {
        let within = |status: &String| {
            status.parse::<u16>().is_ok_and(|status| (first..first + 100).contains(&status))
        };
        self.statuses.iter().filter(|(status, _)| within(status)).map(|(_, count)| count).sum()
    }
}

/// Starts of an open load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArrivalResults {
    /// Operations that the schedule has.
    pub planned: u64,
    /// Those that were started.
    pub started: u64,
    /// Those that started more than 10ms late, because all workers were busy. Their latency counts from
    /// the moment at which they should have started.
    pub late: u64,
    /// Those that were never started.
    pub dropped: u64,
}

/// How far from the moment of a release its parties were let go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseResults {
    /// `start of the load`, `barrier NAME`, `copies of a delivery`.
    pub what: String,
    pub skew_ms: Distribution,
}

/// What became of a gate's holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GateResults {
    pub operation: String,
    pub step: String,
    /// Holds that ended because enough sessions waited.
    pub opened: u64,
    /// Holds that ended because too few came in time.
    pub timed_out: u64,
    pub held_ms: Distribution,
}

/// What the database shows of the application under test. Everything but the deadlocks is sampled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationResults {
    /// Samples taken.
    #[serde(default)]
    pub samples: u64,
    /// Mean time from one sample to the next.
    #[serde(default)]
    pub interval_ms: f64,
    /// Mean time that a sample took.
    #[serde(default)]
    pub sample_ms: f64,
    /// Sessions that weren't deadheat's.
    pub sessions: u64,
    /// Their application names.
    pub names: Vec<String>,
    /// Transactions seen.
    pub transactions: u64,
    /// Of these, those whose isolation level could be told.
    pub levels_told: u64,
    /// Of these, those that locked at least two tables of the declared order, and in an order that could
    /// be told.
    pub orders_told: u64,
    /// The longest transaction seen.
    pub longest_transaction_ms: f64,
    /// Of that time, the longest spent idle within a transaction.
    pub longest_idle_ms: f64,
    /// Deadlocks that the database counted in the run.
    pub deadlocks: Option<u64>,
    /// What can't be known, and why.
    pub unknown: Vec<String>,
}

impl OperationResults {
    /// Acknowledged: ok or recovered.
    pub fn committed(&self) -> u64 {
        self.ok + self.recovered
    }

    /// Share of the operations started; `None` when none was (skipped ones don't count).
    pub fn share(&self, count: u64) -> Option<f64> {
        let started = self.started - self.skipped;
        (started > 0).then(|| count as f64 / started as f64)
    }
}

/// Retries by attempt, and what they brought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryResults {
    /// The policy in words: `deadlock, serialization: at most 3 retries after 10ms, 20ms, 40ms`.
    pub policy: Option<String>,
    /// First retry, second retry, …
    pub attempts: Vec<RetryAttempt>,
    /// Operations that gave up, by the cause of their last attempt.
    pub exhausted: IndexMap<String, u64>,
}

/// The n-th retries of all operations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryAttempt {
    /// 1 for the first retry.
    pub retry: u32,
    /// How often it was made.
    pub count: u64,
    /// What made it necessary, by cause.
    pub causes: IndexMap<String, u64>,
    /// Operations that succeeded with it.
    pub recovered: u64,
    /// The delay before it that the policy declares, before jitter.
    pub declared_ms: f64,
    /// The delay that was measured.
    pub measured_ms: Distribution,
}

/// Isolation levels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IsolationResults {
    /// How the level in force was read: `inside every transaction`.
    pub read: String,
    /// Transactions that there were; `observed` has those whose level was read.
    #[serde(default)]
    pub transactions: u64,
    /// Transactions by (operation, declared level, level in force).
    pub observed: Vec<IsolationObservation>,
}

/// Transactions of one operation and level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationObservation {
    pub operation: String,
    pub declared: Isolation,
    pub in_force: Isolation,
    pub transactions: u64,
}

/// Lock order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LockOrderResults {
    /// Declared order by target.
    pub declared: IndexMap<String, Vec<String>>,
    /// Transaction attempts that were checked.
    pub transactions: u64,
    pub violations: Vec<LockOrderViolation>,
}

/// A step that locked a table after one that comes later in the declared order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockOrderViolation {
    pub operation: String,
    pub step: String,
    /// The table locked too late.
    pub table: String,
    /// The table locked before it.
    pub after: String,
    /// Transaction attempts in which it happened.
    pub count: u64,
}

/// Lock waits, sampled by the control session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitResults {
    /// Samples taken; 0 when the target couldn't be sampled.
    pub samples: u64,
    /// Mean pause between samples.
    pub interval_ms: f64,
    /// Mean time that a sample took: the cost of watching.
    pub sample_ms: f64,
    /// Distinct waits seen.
    pub waits: u64,
    /// Sum of the lengths of the waits seen.
    pub total_ms: f64,
    /// The longest wait seen.
    pub longest_ms: f64,
    /// Most sessions seen waiting behind one session.
    pub deepest_queue: u64,
    /// Most sessions seen waiting at once.
    pub most_waiting: u64,
    /// Who waited for whom, longest in total first.
    pub pairs: Vec<WaitPair>,
}

/// One operation waiting for another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitPair {
    pub waiting: String,
    /// The operation that held the lock; the name of a session of the application; else `outside`.
    pub blocking: String,
    /// The table, where the server tells.
    pub table: Option<String>,
    pub waits: u64,
    pub total_ms: f64,
}

/// Evidence that operations met.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// Most operations under way at once.
    pub most_in_flight: u64,
    /// Operations that had drawn a fixture row that another operation under way had drawn too.
    pub shared_rows: u64,
    /// Most operations under way on one fixture row.
    pub most_on_one_row: u64,
    /// Attempts that ended in a deadlock, serialization failure or lock time-out.
    pub conflicts: u64,
    /// Operations that had drawn a fixture row.
    #[serde(default)]
    pub trials: u64,
    /// Of these, those that were on it at the same time as another one, whoever came first.
    #[serde(default)]
    pub overlapped: u64,
    /// Which operations met on a row, most often first.
    #[serde(default)]
    pub pairs: Vec<OverlapPair>,
}

/// Two operations that were on one fixture row at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverlapPair {
    pub one: String,
    pub other: String,
    pub meetings: u64,
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
