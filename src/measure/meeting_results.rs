//! Whether operations started and met as they were meant to: arrivals, releases, gates, overlap.

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

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
    /// The upper bound of violations at which the load was to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_bound: Option<f64>,
    /// Which operations met on a row, most often first.
    #[serde(default)]
    pub pairs: Vec<OverlapPair>,
}

impl Overlap {
    /// When none of the overlapped trials showed a violation, fewer than this share do, at 95 % (the rule of
    /// three).
    pub fn upper_bound(&self) -> Option<f64> {
        (self.overlapped > 0).then(|| (3.0 / self.overlapped as f64).min(1.0))
    }
}

/// Two operations that were on one fixture row at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverlapPair {
    pub one: String,
    pub other: String,
    pub meetings: u64,
}
