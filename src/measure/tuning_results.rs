//! What to tune, with the numbers that led to it.

use serde::{Deserialize, Serialize};

/// Advice that was chosen by measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TuningResults {
    /// How many connections would have carried this load.
    pub pool: Option<PoolAdvice>,
    /// Tables whose locks cost most, as far as they cost enough to look at.
    pub locks: Vec<LockAdvice>,
    /// Statements that read a table whole to find some rows; only when plans were asked for.
    pub scans: Vec<ScanAdvice>,
    /// Statements whose plan was looked at.
    pub explained: u64,
    /// Statements whose plan wasn't told, and why.
    pub unexplained: Vec<String>,
}

impl TuningResults {
    /// True when there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// By Little's law: sessions at work are what arrives per second times how long each takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolAdvice {
    /// Connections that the run had.
    pub connections: u64,
    /// Mean number of them in a transaction or a statement.
    pub busy: f64,
    /// Of these, the mean number that waited for a lock.
    pub waiting: f64,
    /// Attempts per second.
    pub attempts_per_s: f64,
    /// Mean time that an attempt worked, lock waits left out.
    pub work_ms: f64,
    /// Those at work and a quarter more.
    pub suggested: u64,
}

/// A table whose locks cost time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LockAdvice {
    pub table: String,
    pub waits: u64,
    pub total_ms: f64,
    /// Share of the time of all attempts.
    pub share: f64,
    pub longest_queue: u64,
    /// The operation that waited longest for it, and the one that it waited for.
    pub waiting: Option<String>,
    pub blocking: Option<String>,
}

/// A statement that lacks an index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanAdvice {
    pub operation: String,
    pub step: String,
    pub table: String,
    /// Rows that were read to find some of them.
    pub rows: u64,
    /// What the plan says: `Seq Scan`, `type=ALL`, `SCAN`.
    pub plan: String,
}
