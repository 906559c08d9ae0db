//! How far the schedules of a race are, for others to look at while it goes on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one race, over all its levels. Schedules take milliseconds, so that one is enough for all
/// shards.
#[derive(Debug, Default)]
pub struct RaceBoard {
    done: AtomicU64,
    broken: AtomicU64,
    errors: AtomicU64,
    /// 0 while it isn't known.
    planned: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RaceTotals {
    /// Schedules carried out.
    pub done: u64,
    /// Of these, those that broke something.
    pub broken: u64,
    /// Of these, those that ended in an error.
    pub errors: u64,
    /// How many there are in all, when that is known.
    pub planned: Option<u64>,
}

impl RaceBoard {
    /// There are so many schedules in all; 0 when that isn't known.
    pub fn plan(&self, schedules: u64) {
        self.planned.store(schedules, Relaxed);
    }

    /// A schedule was carried out.
    pub fn carried_out(&self, broken: bool, error: bool) {
        self.done.fetch_add(1, Relaxed);
        self.broken.fetch_add(u64::from(broken), Relaxed);
        self.errors.fetch_add(u64::from(error), Relaxed);
    }

    /// The counters.
    pub fn totals(&self) -> RaceTotals {
        RaceTotals {
            done: self.done.load(Relaxed),
            broken: self.broken.load(Relaxed),
            errors: self.errors.load(Relaxed),
            planned: Some(self.planned.load(Relaxed)).filter(|planned| *planned > 0),
        }
    }
}
