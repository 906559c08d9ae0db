//! Drives races: one schedule after the other, step by step, at every isolation level.
//!
//! A race of a plan and prepared places in the database come in, what every schedule did goes out.
//! Each shard is a thread with a control session and one session for each of the race's; a schedule's
//! steps are launched one by one, and whether a step that doesn't come back waits for another session
//! is asked of the server. Nothing here sleeps for a fixed time, and no wait is without an end.
//! Absent on purpose: judgement, and everything about making and removing tables.

mod act;
mod circle;
mod drive;
mod hear;
mod history;
mod lane;
mod launch;
mod run;
mod schedule;
mod settle;
mod shard;
mod source;
mod tally;
mod tell;

pub use run::{RaceError, RaceSettings, RaceShard, Reset, run_race};
