//! What a shard of workers records while it runs.
//!
//! A recorder belongs to one runtime thread, so that nothing is locked. What was recorded is
//! handed over once, at the end. Operations that begin in the warm-up aren't measured; what they
//! committed is counted all the same, because the database doesn't forget it either.

use std::{collections::HashMap, time::Duration};

use super::{
    deadlocks::DeadlockRecorder,
    distribution::Recording,
    effects::EffectRecord,
    records::{GateRecord, OperationRecord, RetryRecord, SecondRecord, add_all},
};
use crate::outcome::{Cause, Isolation, Outcome};

/// How one operation went.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// Start to end, without think time.
    pub latency: Duration,
    /// Time spent between attempts.
    pub backoff: Duration,
    pub retries: u32,
    /// Attempts that ended in a deadlock.
    pub deadlocks: u32,
    /// Attempts that ended in a serialization failure.
    pub serializations: u32,
    /// Attempts that ended in any conflict.
    pub conflicts: u32,
    /// A request was sent whose answer never came: it may have been carried out.
    pub unanswered: bool,
    /// Whom it met on the fixture rows that it drew.
    pub crowd: Met,
    /// Moment of the end, from the start of the load.
    pub at: Duration,
}

/// Whom an operation met on the fixture rows that it drew.
#[derive(Debug, Clone, Default)]
pub struct Met {
    /// Most operations on one of the rows, this one included; 0 when it drew none.
    pub most: u32,
    /// True when another operation was on one of them at the same time.
    pub any: bool,
    /// The operations that were there when it came, by index; one may stand in it twice.
    pub operations: Vec<usize>,
}

/// What was let go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// All workers, at the start of the load.
    Start,
    /// Those at a barrier, by its index.
    Barrier(usize),
    /// The copies of one delivery.
    Copies,
}

/// Key of a failure: operation, step, cause (`None` for an assertion).
pub type FailureKey = (usize, String, Option<Cause>);

/// Everything that a shard recorded.
#[derive(Debug, Default)]
pub struct Recorder {
    pub operations: Vec<OperationRecord>,
    /// Index 0: first retries.
    pub retries: Vec<RetryRecord>,
    /// By operation, declared level (`None`: the server's default) and level in force.
    pub isolation: HashMap<(usize, Option<Isolation>, Isolation), u64>,
    /// By statement, rank of the table and rank of the table before it.
    pub violations: HashMap<(usize, usize, usize), u64>,
    /// Transaction attempts whose locks were followed.
    pub transactions: u64,
    pub seconds: Vec<SecondRecord>,
    /// Count and first message.
    pub failures: HashMap<FailureKey, (u64, String)>,
    pub shared_rows: u64,
    pub most_on_one_row: u32,
    pub conflicts: u64,
    /// Meetings on a fixture row, by the two operations, the smaller index first.
    pub pairs: HashMap<(usize, usize), u64>,
    /// How far from the moment of the release each party was let go.
    pub skew: HashMap<Release, Recording>,
    /// By the gate's statement.
    pub gates: HashMap<usize, GateRecord>,
    /// Operations of an open load that started late.
    pub late_starts: u64,
    /// What operations said they changed, by account, warm-up included.
    pub effects: Vec<EffectRecord>,
    /// Why the scenario ended the run.
    pub aborted: Option<String>,
    /// Cycles of the deadlocks that operations met.
    pub deadlocks: DeadlockRecorder,
    /// Operations that ended after the warm-up: begin of the first, end of the last.
    pub window: Option<(Duration, Duration)>,
}

/// Seconds kept one by one; a longer run puts the rest into the last one.
const MOST_SECONDS: usize = 100_000;

impl Recorder {
    /// A recorder for this many operations.
    pub fn new(operations: usize) -> Self {
        Self { operations: vec![OperationRecord::default(); operations], ..Self::default() }
    }

    /// Counts an operation that ended. `measured` is false in the warm-up.
    pub fn ended(&mut self, operation: usize, ended: &Ended, measured: bool) {
        let record = &mut self.operations[operation];
        record.acknowledged += u64::from(ended.outcome.is_committed());
        record.unacknowledged += u64::from(ended.outcome == Outcome::Unknown || ended.unanswered);
        self.deadlocks.met(ended.deadlocks);
        if !measured {
            return;
        }
        match &ended.outcome {
            Outcome::Ok => record.ok += 1,
            Outcome::Recovered(_) => record.recovered += 1,
            Outcome::Exhausted(cause) => {
                record.exhausted += 1;
                *record.causes.entry(cause.clone()).or_default() += 1;
                *record.exhausted_causes.entry(cause.clone()).or_default() += 1;
            }
            Outcome::Failed(cause) => {
                record.failed += 1;
                *record.causes.entry(cause.clone()).or_default() += 1;
            }
            Outcome::Assertion => record.assertion += 1,
            Outcome::Timeout => record.timeout += 1,
            Outcome::Unknown => record.unknown += 1,
            Outcome::Skipped => {
                record.skipped += 1;
                return;
            }
        }
        record.latency.record(ended.latency);
        record.met_deadlock += u64::from(ended.deadlocks > 0);
        record.met_serialization += u64::from(ended.serializations > 0);
        record.deadlocks += u64::from(ended.deadlocks);
        record.retries += u64::from(ended.retries);
        if ended.retries > 0 {
            record.retried += 1;
            record.backoff.record(ended.backoff);
        }
        self.conflicts += u64::from(ended.conflicts);
        record.trials += u64::from(ended.crowd.most > 0);
        record.met += u64::from(ended.crowd.any);
        self.shared_rows += u64::from(ended.crowd.most > 1);
        self.most_on_one_row = self.most_on_one_row.max(ended.crowd.most);
        for other in &ended.crowd.operations {
            let pair = (operation.min(*other), operation.max(*other));
            *self.pairs.entry(pair).or_default() += 1;
        }
        self.count_second(ended);
    }

    fn count_second(&mut self, ended: &Ended) {
        let index = usize::try_from(ended.at.as_secs()).unwrap_or(MOST_SECONDS).min(MOST_SECONDS - 1);
        if index >= self.seconds.len() {
            self.seconds.resize(index + 1, SecondRecord::default());
        }
        let second = &mut self.seconds[index];
        second.ended += 1;
        second.committed += u64::from(ended.outcome.is_committed());
        second.retries += u64::from(ended.retries);
        second.deadlocks += u64::from(ended.deadlocks);
        second.latency_sum += ended.latency;
        second.latency_max = second.latency_max.max(ended.latency);
        second.latency.record(ended.latency);
        let began = ended.at.saturating_sub(ended.latency);
        self.window = Some(match self.window {
            None => (began, ended.at),
            Some((first, last)) => (first.min(began), last.max(ended.at)),
        });
    }

    /// Records how far from the release one of its parties was let go.
    pub fn released(&mut self, release: Release, skew: Duration) {
        self.skew.entry(release).or_default().record(skew);
    }

    /// Counts a retry: the n-th (from 1) of its transaction.
    pub fn retried(&mut self, n: u32, cause: &Cause, declared: Duration, measured: Duration) {
        let record = self.retry(n);
        record.count += 1;
        *record.causes.entry(cause.clone()).or_default() += 1;
        record.declared = declared;
        record.measured.record(measured);
    }

    /// Counts a transaction that succeeded with its n-th retry, which this cause made necessary.
    pub fn recovered_with(&mut self, n: u32, cause: &Cause) {
        let record = self.retry(n);
        record.recovered += 1;
        *record.recovered_causes.entry(cause.clone()).or_default() += 1;
    }

    /// Counts a transaction that gave up after its n-th retry.
    pub fn exhausted_after(&mut self, n: u32) {
        self.retry(n).exhausted += 1;
    }

    fn retry(&mut self, n: u32) -> &mut RetryRecord {
        let index = (n as usize).saturating_sub(1);
        if index >= self.retries.len() {
            self.retries.resize(index + 1, RetryRecord::default());
        }
        &mut self.retries[index]
    }

    /// Counts a failure and keeps the first message of its kind.
    pub fn failure(&mut self, key: FailureKey, message: impl FnOnce() -> String) {
        self.failures.entry(key).or_insert_with(|| (0, message())).0 += 1;
    }

    /// What operations said of an account.
    pub fn effect(&mut self, account: usize) -> &mut EffectRecord {
        if account >= self.effects.len() {
            self.effects.resize(account + 1, EffectRecord::default());
        }
        &mut self.effects[account]
    }

    /// Takes over all that another shard recorded.
    pub fn merge(&mut self, other: Self) {
        let Self {
            operations,
            retries,
            isolation,
            violations,
            transactions,
            seconds,
            failures,
            shared_rows,
            most_on_one_row,
            conflicts,
            pairs,
            skew,
            gates,
            late_starts,
            effects,
            aborted,
            deadlocks,
            window,
        } = other;
        for (account, theirs) in effects.into_iter().enumerate() {
            self.effect(account).merge(theirs);
        }
        for (mine, theirs) in self.operations.iter_mut().zip(operations) {
            mine.merge(theirs);
        }
        for (index, theirs) in retries.into_iter().enumerate() {
            self.retry(u32::try_from(index + 1).unwrap_or(u32::MAX)).merge(theirs);
        }
        add_all(&mut self.isolation, isolation);
        add_all(&mut self.violations, violations);
        self.transactions += transactions;
        if self.seconds.len() < seconds.len() {
            self.seconds.resize(seconds.len(), SecondRecord::default());
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(seconds) {
            mine.merge(theirs);
        }
        for (key, (count, message)) in failures {
            self.failures.entry(key).or_insert((0, message)).0 += count;
        }
        self.shared_rows += shared_rows;
        self.most_on_one_row = self.most_on_one_row.max(most_on_one_row);
        self.conflicts += conflicts;
        add_all(&mut self.pairs, pairs);
        for (release, theirs) in skew {
            self.skew.entry(release).or_default().merge(&theirs);
        }
        for (statement, GateRecord { opened, timed_out, held }) in gates {
            let mine = self.gates.entry(statement).or_default();
            mine.opened += opened;
            mine.timed_out += timed_out;
            mine.held.merge(&held);
        }
        self.late_starts += late_starts;
        self.aborted = self.aborted.take().or(aborted);
        self.deadlocks.merge(deadlocks);
        self.window = match (self.window, window) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}
