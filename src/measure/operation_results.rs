//! What became of operations, their requests and their retries.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

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
    /// Failures that a retry could have mended, of operations whose policy doesn't retry them.
    #[serde(default)]
    pub untried: Vec<UntriedFailure>,
}

/// Failures that weren't tried again although the operation has a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UntriedFailure {
    pub operation: String,
    pub cause: String,
    /// Operations that failed of it.
    pub failed: u64,
    /// The policy in words.
    pub policy: String,
    /// False when the policy never retried anything of this operation.
    pub fired: bool,
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
    /// What had made it necessary, of those that succeeded with it.
    #[serde(default)]
    pub recovered_causes: IndexMap<String, u64>,
    /// Those that gave up after it.
    #[serde(default)]
    pub exhausted: u64,
    /// The delay before it that the policy declares, before jitter.
    pub declared_ms: f64,
    /// The delay that was measured.
    pub measured_ms: Distribution,
}
