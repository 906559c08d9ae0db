//! What a probe of isolation showed.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Distribution;
use crate::{
    isolation::{Anomaly, Level},
    outcome::Isolation,
};

/// A probe at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeResults {
    /// The level declared; the server's default when `None`.
    pub isolation: Option<Isolation>,
    /// Transactions by the level that the server said was in force, as far as it told.
    pub in_force: IndexMap<Isolation, u64>,
    /// What the level promises, as a property of histories.
    pub promised: Level,
    /// The strongest level consistent with what was seen; `None`: not even the weakest.
    pub consistent_with: Option<Level>,
    /// Attempts, retries among them.
    pub transactions: u64,
    pub committed: u64,
    /// On purpose, and after failures.
    pub rolled_back: u64,
    /// The answer to the commit never came.
    pub unknown: u64,
    /// Transactions that were under way together with one that used the same list.
    pub overlapped: u64,
    /// Failed attempts by cause.
    pub causes: IndexMap<String, u64>,
    /// From the worst.
    pub anomalies: Vec<AnomalyResults>,
    /// From the first lock of a committed transaction until its commit was answered.
    pub locks_held: Distribution,
    pub duration_ms: f64,
    /// True when it was ended before its transactions were done.
    pub interrupted: bool,
}

/// An anomaly that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyResults {
    pub kind: Anomaly,
    pub count: u64,
    /// The shortest example, in sentences.
    pub explanation: Vec<String>,
}

impl ProbeResults {
    /// The level declared, for people.
    pub fn name(&self) -> &'static str {
        self.isolation.map_or("the server's default", Isolation::name)
    }
}
