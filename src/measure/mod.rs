//! What happened, as plain data: recorders while the run goes on, [`RunResults`] after it.

mod anomaly;
mod collect;
mod distribution;
mod live;
mod race;
mod recorder;
mod results;
mod waits;

pub use anomaly::{End, Touch, TouchKind, anomaly};
pub use collect::collect;
pub use distribution::{Distribution, Recording};
pub use live::{LiveBoard, LiveCounters, LiveTotals};
pub use race::*;
pub use recorder::{
    Ended, FailureKey, GateRecord, Met, OperationRecord, Recorder, Release, RequestRecord, RetryRecord,
    SecondRecord,
};
pub use results::*;
pub use waits::{WaitRecorder, WaitSeen};
