//! Counts what schedules did, and keeps the first ones that matter.

use std::{collections::BTreeMap, time::Duration};

use indexmap::IndexMap;

use super::schedule::Carried;
use crate::{measure::ScheduleRecord, outcome::RaceOutcome};

/// What the schedules of one level did. Those of several shards are put together at the end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub holds: u64,
    pub violated: u64,
    pub errors: u64,
    pub pruned: u64,
    pub waited: u64,
    pub busy: Duration,
    /// From the first schedule to the last one, on this shard.
    pub span: Duration,
    pub causes: BTreeMap<String, u64>,
    pub anomalies: BTreeMap<String, u64>,
    pub mistake: Option<(usize, String)>,
    pub counter_example: Option<(usize, ScheduleRecord)>,
    pub first_error: Option<(usize, ScheduleRecord)>,
    /// By their number; empty unless a transcript is wanted.
    pub records: BTreeMap<usize, ScheduleRecord>,
}

impl Tally {
    /// Counts a schedule.
    pub(super) fn add(&mut self, number: usize, carried: Carried, keep: bool) {
        let Carried { record, waited, mistake, time } = carried;
        self.busy += time;
        self.waited += u64::from(waited);
        for failure in record.events.iter().filter_map(|event| event.error.as_ref()) {
            *self.causes.entry(failure.cause.clone()).or_default() += 1;
        }
        if let Some(anomaly) = &record.anomaly {
            *self.anomalies.entry(anomaly.clone()).or_default() += 1;
        }
        match record.outcome {
            None => self.pruned += 1,
            Some(RaceOutcome::Holds) => self.holds += 1,
            Some(RaceOutcome::Violated) => {
                self.violated += 1;
                earliest(&mut self.counter_example, number, || record.clone());
            }
            Some(RaceOutcome::Error) => {
                self.errors += 1;
                earliest(&mut self.first_error, number, || record.clone());
            }
        }
        if let Some(mistake) = mistake {
            earliest(&mut self.mistake, number, || mistake);
        }
        if keep {
            self.records.insert(number, record);
        }
    }

    /// Puts another shard's beside it.
    pub(super) fn merge(&mut self, other: Self) {
        // Without `..`, so that no field is forgotten.
        let Self {
            holds,
            violated,
            errors,
            pruned,
            waited,
            busy,
            span,
            causes,
            anomalies,
            mistake,
            counter_example,
            first_error,
            records,
        } = other;
        self.holds += holds;
        self.violated += violated;
        self.errors += errors;
        self.pruned += pruned;
        self.waited += waited;
        self.busy += busy;
        self.span = self.span.max(span);
        for (into, from) in [(&mut self.causes, causes), (&mut self.anomalies, anomalies)] {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
        for (into, from) in
            [(&mut self.counter_example, counter_example), (&mut self.first_error, first_error)]
        {
            if let Some((number, record)) = from {
                earliest(into, number, || record);
            }
        }
        if let Some((number, text)) = mistake {
            earliest(&mut self.mistake, number, || text);
        }
        self.records.extend(records);
    }

    /// What the level did; `None` when no schedule could be executed.
    pub(super) fn outcome(&self) -> Option<RaceOutcome> {
        match (self.violated, self.errors, self.holds) {
            (1.., _, _) => Some(RaceOutcome::Violated),
            (0, 1.., _) => Some(RaceOutcome::Error),
            (0, 0, 1..) => Some(RaceOutcome::Holds),
            (0, 0, 0) => None,
        }
    }
}

/// Keeps what has the lowest number, so that it doesn't matter which shard was faster.
fn earliest<T>(kept: &mut Option<(usize, T)>, number: usize, value: impl FnOnce() -> T) {
    if kept.as_ref().is_none_or(|(known, _)| number < *known) {
        *kept = Some((number, value()));
    }
}

/// Counts in the order of their names.
pub(super) fn counts(counts: BTreeMap<String, u64>) -> IndexMap<String, u64> {
    counts.into_iter().collect()
}
