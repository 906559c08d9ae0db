//! What the sessions of the application under test are doing, asked of the server.
//!
//! A sampler is prepared once for the declared lock order; each sample is what could be told at one moment.
//! Everything is read from outside, from `pg_stat_activity` and `pg_locks`: nothing is added to the
//! application's statements and no setting of its sessions is touched. Absent on purpose: what several
//! samples of one transaction tell together, which `measure` decides.

mod locks;
mod sampler;

pub use sampler::PostgresApplicationSampler;
pub(in crate::target) use sampler::{application_sessions, count_deadlocks, own_sessions};
