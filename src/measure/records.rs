//! The counts that a recorder keeps: of an operation, its requests, its retries, a gate and a second.
//!
//! Each is merged with its like by destructuring, so that no field is forgotten.

use std::{collections::HashMap, time::Duration};

use super::{coarse::CoarseRecording, distribution::Recording};
use crate::outcome::Cause;

/// What became of requests.
#[derive(Debug, Default, Clone)]
pub struct RequestRecord {
    /// Requests sent, resent ones included.
    pub sent: u64,
    /// Sent again after a failure.
    pub resent: u64,
    /// Answers by status.
    pub statuses: HashMap<u16, u64>,
    /// Answers that were classified as a deadlock.
    pub deadlock_answers: u64,
    /// Retries that the service said it made.
    pub service_retries: u64,
    /// Acknowledged requests whose change was looked for.
    pub changes: u64,
    /// Of these, those whose change came too late.
    pub late_changes: u64,
    /// Of these, those whose change never came.
    pub missing_changes: u64,
}

impl RequestRecord {
    fn merge(&mut self, other: Self) {
        let Self {
            sent,
            resent,
            statuses,
            deadlock_answers,
            service_retries,
            changes,
            late_changes,
            missing_changes,
        } = other;
        self.sent += sent;
        self.resent += resent;
        add_all(&mut self.statuses, statuses);
        self.deadlock_answers += deadlock_answers;
        self.service_retries += service_retries;
        self.changes += changes;
        self.late_changes += late_changes;
        self.missing_changes += missing_changes;
    }
}

/// What became of a gate's holds.
#[derive(Debug, Default, Clone)]
pub struct GateRecord {
    /// Holds that ended because enough sessions waited.
    pub opened: u64,
    /// Holds that ended because too few came in time.
    pub timed_out: u64,
    /// How long the lock was held.
    pub held: Recording,
}

/// Counts of one operation.
#[derive(Debug, Default, Clone)]
pub struct OperationRecord {
    pub ok: u64,
    pub recovered: u64,
    pub exhausted: u64,
    pub failed: u64,
    pub assertion: u64,
    pub timeout: u64,
    pub unknown: u64,
    pub skipped: u64,
    pub causes: HashMap<Cause, u64>,
    pub exhausted_causes: HashMap<Cause, u64>,
    pub met_deadlock: u64,
    pub met_serialization: u64,
    pub retried: u64,
    pub deadlocks: u64,
    pub retries: u64,
    pub latency: Recording,
    pub attempt: Recording,
    pub backoff: Recording,
    /// Acknowledged since the very beginning, warm-up included.
    pub acknowledged: u64,
    /// Unknown since the very beginning, warm-up included.
    pub unacknowledged: u64,
    pub requests: RequestRecord,
    /// Operations that had drawn a fixture row.
    pub trials: u64,
    /// Of these, those that were on it at the same time as another one.
    pub met: u64,
}

/// The n-th retries.
#[derive(Debug, Default, Clone)]
pub struct RetryRecord {
    pub count: u64,
    pub causes: HashMap<Cause, u64>,
    pub recovered: u64,
    /// What made the retry necessary that succeeded.
    pub recovered_causes: HashMap<Cause, u64>,
    /// Transactions and requests that gave up after it.
    pub exhausted: u64,
    pub declared: Duration,
    pub measured: Recording,
}

/// One second.
#[derive(Debug, Default, Clone)]
pub struct SecondRecord {
    pub ended: u64,
    pub committed: u64,
    pub retries: u64,
    pub deadlocks: u64,
    pub latency_sum: Duration,
    pub latency_max: Duration,
    pub latency: CoarseRecording,
}

/// Adds counts to counts.
pub(super) fn add_all<K: Eq + std::hash::Hash>(into: &mut HashMap<K, u64>, from: HashMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}

impl OperationRecord {
    /// Operations that ended, in whatever way.
    pub fn started(&self) -> u64 {
        self.ok
            + self.recovered
            + self.exhausted
            + self.failed
            + self.assertion
            + self.timeout
            + self.unknown
            + self.skipped
    }

    /// Adds all of another record.
    pub fn merge(&mut self, other: Self) {
        let Self {
            ok,
            recovered,
            exhausted,
            failed,
            assertion,
            timeout,
            unknown,
            skipped,
            causes,
            exhausted_causes,
            met_deadlock,
            met_serialization,
            retried,
            deadlocks,
            retries,
            latency,
            attempt,
            backoff,
            acknowledged,
            unacknowledged,
            requests,
            trials,
            met,
        } = other;
        self.ok += ok;
        self.recovered += recovered;
        self.exhausted += exhausted;
        self.failed += failed;
        self.assertion += assertion;
        self.timeout += timeout;
        self.unknown += unknown;
        self.skipped += skipped;
        add_all(&mut self.causes, causes);
        add_all(&mut self.exhausted_causes, exhausted_causes);
        self.met_deadlock += met_deadlock;
        self.met_serialization += met_serialization;
        self.retried += retried;
        self.deadlocks += deadlocks;
        self.retries += retries;
        self.latency.merge(&latency);
        self.attempt.merge(&attempt);
        self.backoff.merge(&backoff);
        self.acknowledged += acknowledged;
        self.unacknowledged += unacknowledged;
        self.requests.merge(requests);
        self.trials += trials;
        self.met += met;
    }
}

impl RetryRecord {
    pub(super) fn merge(&mut self, other: Self) {
        let Self { count, causes, recovered, recovered_causes, exhausted, declared, measured } = other;
        self.count += count;
        add_all(&mut self.causes, causes);
        self.recovered += recovered;
        add_all(&mut self.recovered_causes, recovered_causes);
        self.exhausted += exhausted;
        self.declared = self.declared.max(declared);
        self.measured.merge(&measured);
    }
}

impl SecondRecord {
    pub(super) fn merge(&mut self, other: Self) {
        let Self { ended, committed, retries, deadlocks, latency_sum, latency_max, latency } = other;
        self.ended += ended;
        self.committed += committed;
        self.retries += retries;
        self.deadlocks += deadlocks;
        self.latency_sum += latency_sum;
        self.latency_max = self.latency_max.max(latency_max);
        self.latency.merge(&latency);
    }
}
