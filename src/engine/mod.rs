//! Carries out a plan: workers, their operations, transactions, retries, and the checks beside.
//!
//! A plan and an endpoint come in, records of what happened go out. The engine never prints,
//! formats or judges; a failure of the system under test is data, `Err` means that deadheat
//! itself could not go on.

mod answered;
mod barrier;
mod changes;
mod check;
mod deadlock;
mod delivery;
mod effects;
mod gate;
mod judge;
mod levels;
mod load;
mod probe;
mod race;
mod request;
mod sampling;
#[cfg(test)]
mod scripted_tests;
mod shard;
mod shared;
mod side;
mod step;
mod transaction;
mod turns;
mod watch;
mod worker;

pub use check::{InvariantState, check_invariants};
pub use effects::EffectState;
pub use load::{Beside, LoadError, LoadOutcome, run_load};
pub use probe::{ProbeError, ProbeLists, ProbeSettings, Probed, run_probe};
pub use race::{RaceError, RaceSettings, RaceShard, Reset, run_race};
pub use shared::{EngineSettings, InsertObserver, StatementSamples, StopSignal};
pub use side::SideSession;
