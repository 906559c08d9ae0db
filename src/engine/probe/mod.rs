//! Probes isolation: sessions append to lists and read them, and write down what they saw.
//!
//! Settings come in, a [`crate::isolation::History`] and measurements go out. Transactions are begun,
//! retried and ended as a load's are. Absent on purpose: the judgement.

mod draw;
mod run;
mod worker;

pub use draw::ProbeLists;
pub use run::{ProbeError, ProbeSettings, Probed, run_probe};
