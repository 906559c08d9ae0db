//! What a run broke, and the operations that may be to blame for it.

use serde::{Deserialize, Serialize};

/// Something that a run broke.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The broken invariant; `None`: there were deadlocks.
    pub invariant: Option<String>,
    /// Pairs of operations, the likeliest first.
    pub suspects: Vec<Suspects>,
}

impl Incident {
    /// What the command line calls it.
    pub const DEADLOCK: &'static str = "deadlock";

    /// The invariant's name, or `deadlock`.
    pub fn name(&self) -> &str {
        self.invariant.as_deref().unwrap_or(Self::DEADLOCK)
    }

    /// In words.
    pub fn what(&self) -> String {
        self.invariant.as_ref().map_or_else(|| "deadlocks".to_owned(), |name| format!("invariant {name}"))
    }
}

/// Two operations that met, or an operation that met itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Suspects {
    pub one: String,
    pub other: String,
    /// Times that both were on one fixture row.
    pub meetings: u64,
    /// Times that one was seen waiting for the other.
    pub waits: u64,
    /// Tables that both lock, as far as their statements tell.
    pub tables: Vec<String>,
}
