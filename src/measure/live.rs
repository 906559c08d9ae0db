//! Counters that others may look at while the run goes on.
//!
//! Each shard adds to its own, so that no two threads write to one cache line; whoever shows
//! progress sums them up. The board tells the sampler which worker does what.

use std::{
    sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    coarse::CoarseRecording,
    live_counts::{LiveCounts, OutcomeCounts},
    trail::{Trail, Tread},
};
use crate::outcome::{Isolation, Outcome};

/// Counters of one shard.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct LiveCounters {
    pub started: AtomicU64,
    pub ended: AtomicU64,
    pub committed: AtomicU64,
    pub retries: AtomicU64,
    pub deadlocks: AtomicU64,
}

/// The sums of all shards at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveTotals {
    pub started: u64,
    pub ended: u64,
    pub committed: u64,
    pub retries: u64,
    pub deadlocks: u64,
    pub in_flight: u32,
    /// Sessions seen waiting for a lock in the last sample.
    pub waiting: u32,
}

/// What is shown of a run while it goes on.
#[derive(Debug, Clone, Default)]
pub struct LiveSnapshot {
    pub totals: LiveTotals,
    /// By operation.
    pub operations: Vec<OutcomeCounts>,
    /// Latencies of all operations that ended.
    pub latency: CoarseRecording,
}

/// A transaction that a worker is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTransaction {
    /// Tells it from the worker's others; above 0.
    pub number: u32,
    /// The worker's session.
    pub process: i32,
    pub operation: usize,
    pub declared: Option<Isolation>,
}

impl InTransaction {
    /// Number, operation and level in one word. An operation beyond the 65,535th isn't told apart.
    fn code(number: u32, operation: usize, declared: Option<Isolation>) -> u64 {
        let level = declared.map_or(0, |level| level as u64 + 1);
        let operation = u64::try_from(operation).unwrap_or(u64::MAX).min(0xffff);
        u64::from(number) << 32 | operation << 8 | level
    }

    fn of(code: u64, process: i32) -> Option<Self> {
        let level = [
            None,
            Some(Isolation::ReadUncommitted),
            Some(Isolation::ReadCommitted),
            Some(Isolation::RepeatableRead),
            Some(Isolation::Serializable),
        ];
        let number = u32::try_from(code >> 32).ok().filter(|number| *number > 0)?;
        let declared = *level.get((code & 0xff) as usize)?;
        Some(Self { number, process, operation: (code >> 8 & 0xffff) as usize, declared })
    }
}

/// What all threads of a run can see.
#[derive(Debug)]
pub struct LiveBoard {
    pub shards: Vec<LiveCounters>,
    /// For each shard what it tells of its operations.
    counts: Vec<LiveCounts>,
    /// For each worker the index of its latest operation plus 1; 0 before the first.
    operations: Vec<AtomicU32>,
    /// For each worker its server process.
    processes: Vec<AtomicI32>,
    /// For each worker the transaction that it is in, as [`InTransaction::code`]; 0 outside one.
    transactions: Vec<AtomicU64>,
    /// For each worker its latest statements.
    trails: Vec<Trail>,
    /// From here the moments of the trails are counted.
    made: Instant,
    /// When a worker last asked the server about a deadlock, in microseconds.
    asked: AtomicU64,
    in_flight: AtomicU32,
    most_in_flight: AtomicU32,
    waiting: AtomicU32,
}

impl LiveBoard {
    /// A board for this many shards and workers.
    pub fn new(shards: usize, workers: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| LiveCounters::default()).collect(),
            counts: Vec::new(),
            operations: (0..workers).map(|_| AtomicU32::new(0)).collect(),
            processes: (0..workers).map(|_| AtomicI32::new(0)).collect(),
            transactions: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            trails: (0..workers).map(|_| Trail::default()).collect(),
            made: Instant::now(),
            asked: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            most_in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// The same for a load that somebody looks at, with this many operations.
    #[must_use]
    pub fn with_operations(mut self, operations: usize) -> Self {
        self.counts = self.shards.iter().map(|_| LiveCounts::new(operations)).collect();
        self
    }

    /// A worker has this server process now.
    pub fn connected(&self, worker: u32, process: i32) {
        self.processes[worker as usize].store(process, Relaxed);
    }

    /// A worker begins an operation.
    pub fn begin(&self, shard: usize, worker: u32, operation: usize) {
        self.shards[shard].started.fetch_add(1, Relaxed);
        self.operations[worker as usize].store(u32::try_from(operation + 1).unwrap_or(u32::MAX), Relaxed);
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Relaxed);
    }

    /// A worker's operation ended.
    pub fn end(&self, shard: usize, committed: bool, retries: u32, deadlocks: u32) {
        let counters = &self.shards[shard];
        counters.ended.fetch_add(1, Relaxed);
        counters.committed.fetch_add(u64::from(committed), Relaxed);
        if retries > 0 || deadlocks > 0 {
            counters.retries.fetch_add(u64::from(retries), Relaxed);
            counters.deadlocks.fetch_add(u64::from(deadlocks), Relaxed);
        }
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// How a shard's operation ended; only the shard's own thread may tell.
    pub fn tell(&self, shard: usize, operation: usize, outcome: &Outcome, latency: Duration) {
        if let Some(counts) = self.counts.get(shard) {
            counts.count(operation, outcome, latency);
        }
    }

    /// The operation that a server process works on, or worked on last; `None` when it isn't one
    /// of ours.
    pub fn operation_of(&self, process: i32) -> Option<usize> {
        let worker = self.worker_of(process)?;
        (self.operations[worker].load(Relaxed) as usize).checked_sub(1)
    }

    fn worker_of(&self, process: i32) -> Option<usize> {
        self.processes.iter().position(|known| known.load(Relaxed) == process)
    }

    /// A worker begins its `count`-th statement, the `first` one of a transaction or a later one.
    pub fn statement_begins(&self, worker: u32, count: usize, statement: usize, first: bool) {
        self.trails[worker as usize].add(count, statement, first, self.moment());
    }

    /// Microseconds on the clock of the trails.
    pub fn moment(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What a server process was carrying out in the transaction that it was in at `moment`; `None` when
    /// it isn't one of ours.
    pub fn trail_of(&self, process: i32, moment: u64) -> Option<Vec<Tread>> {
        Some(self.trails[self.worker_of(process)?].at(moment))
    }

    /// True when nobody has asked the server about a deadlock for `pause`; who is told so asks.
    pub fn may_ask(&self, pause: Duration) -> bool {
        let now = self.moment().max(1);
        let last = self.asked.load(Relaxed);
        let pause = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        (last == 0 || now.saturating_sub(last) >= pause)
            && self.asked.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// A worker begins its transaction of this number.
    pub fn transaction_begins(
        &self,
        worker: u32,
        number: u32,
        operation: usize,
        declared: Option<Isolation>,
    ) {
        let code = InTransaction::code(number, operation, declared);
        self.transactions[worker as usize].store(code, Relaxed);
    }

    /// A worker's transaction is about to end.
    pub fn transaction_ends(&self, worker: u32) {
        self.transactions[worker as usize].store(0, Relaxed);
    }

    /// The transaction that each worker is in.
    pub fn transactions(&self) -> Vec<Option<InTransaction>> {
        let codes = self.transactions.iter().zip(&self.processes);
        codes.map(|(code, process)| InTransaction::of(code.load(Relaxed), process.load(Relaxed))).collect()
    }

    /// Sets how many sessions wait.
    pub fn set_waiting(&self, waiting: usize) {
        self.waiting.store(u32::try_from(waiting).unwrap_or(u32::MAX), Relaxed);
    }

    /// Most operations under way at once.
    pub fn most_in_flight(&self) -> u32 {
        self.most_in_flight.load(Relaxed)
    }

    /// What all shards have told so far, of this many operations.
    pub fn snapshot(&self, operations: usize) -> LiveSnapshot {
        let mut snapshot = LiveSnapshot {
            totals: self.totals(),
            operations: vec![OutcomeCounts::default(); operations],
            latency: CoarseRecording::default(),
        };
        for counts in &self.counts {
            counts.add_to(&mut snapshot.operations, &mut snapshot.latency);
        }
        snapshot
    }

    /// The sums.
    pub fn totals(&self) -> LiveTotals {
        let mut totals = LiveTotals {
            in_flight: self.in_flight.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            ..LiveTotals::default()
        };
        for shard in &self.shards {
            totals.started += shard.started.load(Relaxed);
            totals.ended += shard.ended.load(Relaxed);
            totals.committed += shard.committed.load(Relaxed);
            totals.retries += shard.retries.load(Relaxed);
            totals.deadlocks += shard.deadlocks.load(Relaxed);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transaction_of_a_worker_is_told_back() {
        let board = LiveBoard::new(1, 2);
        board.connected(1, 77);
        board.transaction_begins(1, 5, 3, Some(Isolation::Serializable));
        let told =
            InTransaction { number: 5, process: 77, operation: 3, declared: Some(Isolation::Serializable) };
        assert_eq!(board.transactions(), [None, Some(told)]);
        board.transaction_begins(1, 6, 0, None);
        assert_eq!(board.transactions()[1].map(|one| (one.number, one.declared)), Some((6, None)));
        board.transaction_ends(1);
        assert_eq!(board.transactions(), [None, None]);
    }
}
