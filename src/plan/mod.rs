//! What will run: a scenario with every name resolved, every text compiled and nothing optional
//! left without a meaning.
//!
//! [`compile`] makes the [`Plan`] and returns all problems at once. Absent on purpose: drivers,
//! clocks and connections.

mod compile;
mod criteria;
mod explain;
mod invariant;
mod locks;
mod model;
mod operation;
mod order;
mod retry;
mod scope;
mod sql;
mod statement;

pub use compile::{Compiled, compile};
pub use explain::explain;
pub use locks::{Facts, LockStrength, TableLock};
pub use model::*;
pub use order::LocksHeld;
pub use retry::{Jitter, RetryPolicy};
pub use sql::quote_identifier;
