//! Judges histories of transactions that append to lists and read them: which isolation level is
//! consistent with what was seen?
//!
//! A [`History`] goes in, a [`Judgement`] comes out. A list tells the order of its versions, so that the
//! dependencies between transactions can be read off it, and anomalies are cycles of dependencies (Adya,
//! Liskov and O'Neil, "Generalized Isolation Level Definitions", 2000; Kingsbury and Alvaro, "Elle", 2020).
//! 1. `versions` finds the order of every list's versions from the longest read of it.
//! 2. `direct` finds what a single read shows to be wrong.
//! 3. `graph` builds the dependencies, and `cycles` finds the cycles of each kind.
//! 4. `explain` says in words what one of them is.
//!
//! Absent on purpose: databases, clocks, and any idea of which level was asked for.

mod anomaly;
mod cycles;
mod direct;
mod explain;
mod export;
mod graph;
mod history;
mod judge;
mod search;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod tests;
mod versions;

pub use anomaly::{Anomaly, Level};
pub use export::write_json_lines;
pub use history::{History, Operation, Status, Transaction};
pub use judge::{Found, Judgement, judge};
