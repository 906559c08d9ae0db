//! What runs beside a scenario came to: its control, and the same with other retry policies.

use serde::{Deserialize, Serialize};

use super::{OperationResults, RunResults};

/// A run with a change that must break the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlResults {
    /// What was changed, in words.
    pub patches: Vec<String>,
    /// `fail`, or the name of what must be broken.
    pub expected: String,
    pub outcome: ControlOutcome,
    /// Why, as a verdict gives its reasons.
    pub reasons: Vec<String>,
    /// Operations started.
    pub started: u64,
    /// Of those that had drawn a fixture row, those that met another one on it.
    pub overlapped: u64,
    pub duration_ms: f64,
}

/// What became of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlOutcome {
    /// It failed, as it must.
    Failed,
    /// It failed, but not by what was expected to be broken.
    FailedOtherwise,
    /// It didn't fail: the scenario can't tell right from wrong.
    Passed,
    /// It couldn't be run.
    CouldNotRun,
}

impl ControlOutcome {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed, as it must",
            Self::FailedOtherwise => "failed for another reason",
            Self::Passed => "did not fail",
            Self::CouldNotRun => "could not be run",
        }
    }
}

/// The scenario with other retry policies, beside what it came to as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// `none`, `default`, or the policy in words.
    pub retry: String,
    pub started: u64,
    /// Ok or recovered.
    pub committed: u64,
    pub recovered: u64,
    pub exhausted: u64,
    pub failed: u64,
    pub retries: u64,
    pub deadlocks: u64,
    pub latency_mean_ms: f64,
    pub latency_p95_ms: f64,
    pub latency_p99_ms: f64,
    pub throughput_per_s: f64,
    /// Why it couldn't be run.
    pub error: Option<String>,
}

impl ComparedRun {
    /// What is shown of a run.
    pub fn of(retry: String, results: &RunResults) -> Self {
        let OperationResults {
            started,
            skipped,
            recovered,
            exhausted,
            failed,
            retries,
            deadlocks,
            latency_ms,
            throughput_per_s,
            ..
        } = &results.totals;
        Self {
            retry,
            started: started - skipped,
            committed: results.totals.committed(),
            recovered: *recovered,
            exhausted: *exhausted,
            failed: *failed,
            retries: *retries,
            deadlocks: *deadlocks,
            latency_mean_ms: latency_ms.mean,
            latency_p95_ms: latency_ms.p95,
            latency_p99_ms: latency_ms.p99,
            throughput_per_s: *throughput_per_s,
            error: None,
        }
    }

    /// One that couldn't be run.
    pub fn could_not_run(retry: String, why: String) -> Self {
        Self { error: Some(why), ..Self::of(retry, &RunResults::default()) }
    }
}
