//! Takes the verdict: pure, from what was measured and what the scenario demands.
//!
//! [`judge`] would judge a result document written yesterday just the same. Absent on purpose:
//! clocks, files and the database.

mod advice;
mod against;
mod conclude;
mod difference;
mod effects;
mod grades;
mod incidents;
mod metrics;
mod probes;
mod races;
mod tuning;

pub use conclude::{Baseline, judge};
pub use difference::{Comparison, ComparisonSide, Difference, Finding, OperationPair, compare};
pub use effects::{difference, effect_failure};
pub use incidents::incidents;
pub use metrics::{Observed, observe};
pub use probes::{judge_probe, judge_probes};
pub use races::{judge_race, judge_races, reproduced};
pub use tuning::tuning;

use serde::{Deserialize, Serialize};

/// The verdict of a run, with everything that it was taken from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub verdict: Conclusion,
    /// Why, most important first.
    pub reasons: Vec<String>,
    /// The worst grade, or `failed` when the run failed; `None` without grades.
    pub grade: Option<String>,
    pub thresholds: Vec<ThresholdResult>,
    /// Conditions without which the run proves nothing.
    #[serde(default)]
    pub requirements: Vec<ThresholdResult>,
    pub grades: Vec<GradeResult>,
    /// What differs from the baseline, when one was given.
    #[serde(default)]
    pub comparison: Option<Comparison>,
}

/// Pass, fail, or neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    Pass,
    Fail,
    /// Nothing failed, but the run doesn't prove anything.
    #[default]
    Inconclusive,
}

impl Conclusion {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A threshold and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The metric as the scenario names it.
    pub metric: String,
    /// `p(95) < 2s`.
    pub condition: String,
    /// What was measured, with its unit; `None` without samples, which is a failure.
    pub observed: Option<String>,
    pub holds: bool,
    /// Why it has no meaning on this kind of database; it counts neither as held nor as broken.
    #[serde(default)]
    pub does_not_apply: Option<String>,
    /// Why it can't be told whether it holds: there is no baseline, or the runs' own noise is larger. It is
    /// a doubt then, and no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
}

/// The grade of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradeResult {
    pub metric: String,
    /// What was measured, with its unit; `None` without samples.
    pub observed: Option<String>,
    pub grade: String,
    /// The band's place: 0 is the best.
    pub band: usize,
    /// What to do about it.
    pub advice: Vec<String>,
}
