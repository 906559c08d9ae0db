//! What happened, as plain data: recorders while the run goes on, [`RunResults`] after it.

mod anomaly;
mod application;
mod circle;
mod coarse;
mod collect;
mod deadlocks;
mod distribution;
mod effect_results;
mod effects;
mod hot_places;
mod incident;
mod live;
mod live_counts;
mod live_race;
mod logged_deadlock;
mod meeting_results;
mod operation_results;
mod probe;
mod race;
mod recorder;
mod records;
mod results;
mod statement_log;
mod statement_log_results;
mod statement_shape;
mod statement_texts;
mod trail;
mod transaction_results;
mod tuning_results;
mod variant;
mod waits;

pub use anomaly::{End, Touch, TouchKind, anomaly};
pub use application::{ApplicationFindings, ApplicationRecorder, ApplicationRules};
pub use coarse::CoarseRecording;
pub use collect::{Collected, collect};
pub use deadlocks::{
    CycleParty, DeadlockCycle, DeadlockParty, DeadlockRecorder, DeadlockResults, HeldLock, LockTaken,
    ServerDeadlocks, WantedLock, Whose,
};
pub use distribution::{Distribution, Recording};
pub use effect_results::{BrokenKeys, DifferenceKind, EffectDifference, EffectResults};
pub use effects::{Certainty, EffectRecord, Key, Quantities, compare};
pub use incident::{Incident, Suspects};
pub use live::{InTransaction, LiveBoard, LiveCounters, LiveSnapshot, LiveTotals};
pub use live_counts::OutcomeCounts;
pub use live_race::{RaceBoard, RaceTotals};
pub use meeting_results::*;
pub use operation_results::*;
pub use probe::{AnomalyResults, ProbeResults};
pub use race::*;
pub use recorder::{Ended, FailureKey, Met, Recorder, Release};
pub use records::{GateRecord, OperationRecord, RequestRecord, RetryRecord, SecondRecord};
pub use results::*;
pub use statement_log::{StatementLogFindings, StatementLogRecorder};
pub use statement_log_results::StatementLogResults;
pub use trail::Tread;
pub use transaction_results::*;
pub use tuning_results::*;
pub use variant::{ComparedRun, ControlOutcome, ControlResults};
pub use waits::{WaitRecorder, WaitSecond, WaitSeen, Waiter};
