//! Races: what their sessions do, and the interleavings of their steps.
//!
//! A race of the scenario comes in, a [`Race`] goes out: a small plan of its own with sessions of
//! named steps. [`Interleavings`] enumerates orders of steps, and a [`Reduction`] tells which of them
//! can't differ. Absent on purpose: the database, which has the last word on what blocks.

mod compile;
mod describe;
mod footprint;
mod interleaving;
mod levels;
mod model;
mod reduction;
mod sample;
mod schedule;
mod session;
mod steps;
#[cfg(test)]
mod tests;
mod touch;

pub use crate::scenario::{Blocked, OnError};
pub(super) use compile::compile;
pub(super) use describe::describe;
pub use footprint::{Access, Footprint};
pub use interleaving::{Independence, Interleavings, count};
pub use model::{
    Marker, NotDriven, Race, RaceAction, RaceSession, RaceStep, Schedule, Scheduled, Schedules, StepRef,
};
pub use reduction::{Reduction, TableLinks, reduction};
pub use sample::sample;
pub use schedule::{ScheduleError, ScheduleNames, parse_schedule};
pub use touch::{Operand, PatternKind, TouchPattern};
