//! Two runs of a scenario side by side: what differs, how sure that is, and what keeps them from being
//! compared.

mod alike;
mod compare;
mod interval;

pub use compare::compare;

use serde::{Deserialize, Serialize};

/// A run and the one that it is compared with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the other run was called: the name of a baseline, a run, or a file.
    pub baseline: String,
    pub baseline_run: ComparisonSide,
    pub run: ComparisonSide,
    /// Why nothing can be told at all; then there are no differences.
    pub incomparable: Vec<String>,
    /// What else is different, so that it may be the reason. Thresholds can't be held against such a
    /// baseline.
    pub unlike: Vec<String>,
    /// What is different and seldom matters.
    pub notes: Vec<String>,
    pub differences: Vec<Difference>,
    /// Mean rate and times of each operation that both runs have. Seconds aren't kept by operation, so that
    /// nothing is concluded from them.
    pub operations: Vec<OperationPair>,
}

/// One side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparisonSide {
    pub run_id: String,
    pub started_at: String,
    pub seed: u64,
    /// Whole seconds that were looked at.
    pub seconds: u64,
}

/// A measure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// `throughput`, `latency.p(95)`, `retries per operation`, …
    pub metric: String,
    /// With its unit; `None` without samples.
    pub before: Option<String>,
    pub after: Option<String>,
    /// From before to after: the relative change, or of a share the change itself.
    pub change: Option<f64>,
    /// 99 % interval of the change.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// The change is relative.
    pub relative: bool,
    pub finding: Finding,
    /// Why there is no interval.
    pub why: Option<String>,
}

/// What a difference shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    Better,
    Worse,
    /// The interval holds "no change".
    NotShown,
    /// There is no interval.
    Unknown,
}

impl Finding {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotShown => "not shown",
            Self::Unknown => "can't tell",
        }
    }
}

/// An operation in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationPair {
    pub operation: String,
    pub throughput_before: f64,
    pub throughput_after: f64,
    pub latency_mean_before_ms: f64,
    pub latency_mean_after_ms: f64,
    pub latency_p95_before_ms: Option<f64>,
    pub latency_p95_after_ms: Option<f64>,
}
