//! What the server's log told of the application's transactions.

use serde::{Deserialize, Serialize};

/// Of each transaction every statement was read, so that these are counts and not samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementLogResults {
    /// The application's statements that were read.
    pub statements: u64,
    /// Its transactions that lock a table of the declared order, or may.
    pub transactions: u64,
    /// Of these, those of which every statement was understood.
    pub judged: u64,
    /// Of these, those that lock against the declared order.
    pub violating: u64,
    /// Statements that weren't understood, by their shape; each makes its transaction one that isn't judged.
    pub not_understood: Vec<String>,
    /// Places in the log where something is missing.
    pub gaps: u64,
    /// Deadlocks in the log whose victim was the application.
    pub deadlocks: u64,
}
