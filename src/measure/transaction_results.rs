//! What transactions did in the database, deadheat's own and the application's: isolation levels, the
//! order of locks, lock waits.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::statement_log_results::StatementLogResults;
use crate::outcome::Isolation;

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
    /// What the server's log tells, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_log: Option<StatementLogResults>,
    /// Deadlocks that the database counted in the run.
    pub deadlocks: Option<u64>,
    /// What can't be known, and why.
    pub unknown: Vec<String>,
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
    /// The statement that locked that one, where the server's log tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_step: Option<String>,
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
    /// The tables that most time was lost on.
    #[serde(default)]
    pub tables: Vec<HotPlace>,
    /// The rows that most time was lost on, where the server tells them.
    #[serde(default)]
    pub rows: Vec<HotPlace>,
}

/// A table or a row that sessions waited for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HotPlace {
    pub table: String,
    /// `None` for a table. On PostgreSQL the place of a row's version, which changes with each update; on
    /// MySQL and MariaDB index and key.
    pub row: Option<String>,
    pub waits: u64,
    pub total_ms: f64,
    /// Most sessions seen waiting for it at once.
    pub longest_queue: u64,
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
