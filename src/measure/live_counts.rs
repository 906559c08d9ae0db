//! What a shard tells of its operations while it works: outcomes by operation, and latencies.
//!
//! One thread writes, others read: a counter is loaded and stored, which needs no lock of the memory
//! bus. Who reads sees each counter as of some moment just past.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::coarse::{BUCKETS, CoarseRecording, bucket_of};
use crate::outcome::Outcome;

/// Outcomes of one operation in one shard.
#[derive(Debug, Default)]
struct LiveOperation {
    ok: AtomicU64,
    recovered: AtomicU64,
    failed: AtomicU64,
}

/// Outcomes of one operation so far; operations that were skipped aren't among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Ok at the first attempt.
    pub ok: u64,
    /// Ok after a retry.
    pub recovered: u64,
    /// Everything else.
    pub failed: u64,
}

impl OutcomeCounts {
    /// All of them.
    pub fn ended(&self) -> u64 {
        self.ok + self.recovered + self.failed
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        let Self { ok, recovered, failed } = other;
        self.ok += ok;
        self.recovered += recovered;
        self.failed += failed;
    }
}

/// One shard's.
#[derive(Debug)]
pub struct LiveCounts {
    operations: Vec<LiveOperation>,
    latencies: Box<[AtomicU32]>,
}

impl LiveCounts {
    /// For this many operations.
    pub(super) fn new(operations: usize) -> Self {
        Self {
            operations: (0..operations).map(|_| LiveOperation::default()).collect(),
            latencies: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Counts an operation that ended; only the shard's own thread may.
    pub(super) fn count(&self, operation: usize, outcome: &Outcome, latency: Duration) {
        let Some(counts) = self.operations.get(operation) else { return };
        let counter = match outcome {
            Outcome::Ok => &counts.ok,
            Outcome::Recovered(_) => &counts.recovered,
            Outcome::Skipped => return,
            _ => &counts.failed,
        };
        counter.store(counter.load(Relaxed) + 1, Relaxed);
        let bucket = &self.latencies[bucket_of(latency)];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Adds what was counted so far.
    pub(super) fn add_to(&self, operations: &mut [OutcomeCounts], latency: &mut CoarseRecording) {
        for (sum, counts) in operations.iter_mut().zip(&self.operations) {
            sum.add(&OutcomeCounts {
                ok: counts.ok.load(Relaxed),
                recovered: counts.recovered.load(Relaxed),
                failed: counts.failed.load(Relaxed),
            });
        }
        latency
            .merge(&CoarseRecording::of(self.latencies.iter().map(|count| count.load(Relaxed)).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;

    #[test]
    fn what_a_shard_counts_is_read_from_outside() {
        let counts = LiveCounts::new(2);
        counts.count(0, &Outcome::Ok, Duration::from_millis(1));
        counts.count(1, &Outcome::Recovered(1), Duration::from_millis(2));
        counts.count(1, &Outcome::Failed(Cause::Deadlock), Duration::from_millis(3));
        counts.count(1, &Outcome::Skipped, Duration::from_secs(9));
        counts.count(7, &Outcome::Ok, Duration::from_secs(9));
        let mut operations = [OutcomeCounts::default(); 2];
        let mut latency = CoarseRecording::default();
        counts.add_to(&mut operations, &mut latency);
        assert_eq!(operations[0], OutcomeCounts { ok: 1, ..OutcomeCounts::default() });
        assert_eq!(operations[1], OutcomeCounts { ok: 0, recovered: 1, failed: 1 });
        assert_eq!(operations[1].ended(), 2);
        let slowest = latency.percentile(100.0).expect("there are some").as_secs_f64();
        assert!((slowest - 0.003).abs() < 0.003 * 0.07, "{slowest}");
    }
}
