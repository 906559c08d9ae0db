//! What to tune: the size of a pool and the locks to look at, from what was measured.

use crate::measure::{LockAdvice, PoolAdvice, RunResults, TuningResults};

/// More than those at work, because arrivals aren't even.
const HEADROOM: f64 = 1.25;
/// A table's locks are worth a look when they took this share of the time of all attempts.
const LEAST_SHARE: f64 = 0.05;
/// Tables that are named.
const MOST_TABLES: usize = 3;
/// Attempts from which a mean is worth something.
const LEAST_ATTEMPTS: u64 = 100;

/// Pool and locks; what was asked of plans stays as it is.
pub fn tuning(results: &RunResults, explained: TuningResults) -> TuningResults {
    let attempts = &results.totals.attempt_ms;
    let busy_ms = attempts.mean * attempts.count as f64;
    // Requests have attempts too; how many connections a service needs isn't seen from here.
    if attempts.count < LEAST_ATTEMPTS || results.totals.requests.sent > 0 || results.duration_ms <= 0.0 {
        return explained;
    }
    let waiting_ms = results.waits.total_ms.min(busy_ms);
    let (busy, waiting) = (busy_ms / results.duration_ms, waiting_ms / results.duration_ms);
    let suggested = ((busy - waiting) * HEADROOM).ceil().max(1.0) as u64;
    let connections = u64::from(results.environment.concurrency);
    let pool = PoolAdvice {
        connections,
        busy,
        waiting,
        attempts_per_s: attempts.count as f64 / results.duration_ms * 1e3,
        work_ms: (busy_ms - waiting_ms) / attempts.count as f64,
        suggested: suggested.min(connections),
    };
    let tables = results.waits.tables.iter().filter(|place| place.total_ms >= LEAST_SHARE * busy_ms);
    let locks = tables.take(MOST_TABLES).map(|place| {
        let pair = results.waits.pairs.iter().find(|pair| pair.table.as_deref() == Some(&place.table));
        LockAdvice {
            table: place.table.clone(),
            waits: place.waits,
            total_ms: place.total_ms,
            share: (place.total_ms / busy_ms).min(1.0),
            longest_queue: place.longest_queue,
            waiting: pair.map(|pair| pair.waiting.clone()),
            blocking: pair.map(|pair| pair.blocking.clone()),
        }
    });
    TuningResults { pool: Some(pool), locks: locks.collect(), ..explained }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Distribution, HotPlace};

    fn results() -> RunResults {
        let mut results = RunResults { duration_ms: 10_000.0, ..RunResults::default() };
        results.environment.concurrency = 50;
        // 20 sessions busy on average, 12 of them waiting.
        results.totals.attempt_ms = Distribution { count: 4_000, mean: 50.0, ..Distribution::default() };
        results.waits.total_ms = 120_000.0;
        let place = |table: &str, total_ms| HotPlace {
            table: table.to_owned(),
            total_ms,
            longest_queue: 9,
            ..HotPlace::default()
        };
        results.waits.tables = vec![place("orders", 110_000.0), place("users", 900.0)];
        results
    }

    #[test]
    fn the_pool_is_sized_by_those_at_work() {
        let tuning = tuning(&results(), TuningResults::default());
        let pool = tuning.pool.expect("advice");
        assert_eq!((pool.busy, pool.waiting, pool.work_ms, pool.attempts_per_s), (20.0, 12.0, 20.0, 400.0));
        assert_eq!(pool.suggested, 10, "8 at work and a quarter more");
        let locks: Vec<(&str, f64)> =
            tuning.locks.iter().map(|lock| (lock.table.as_str(), lock.share)).collect();
        assert_eq!(locks, [("orders", 0.55)], "what cost less than a twentieth isn't named");
    }

    #[test]
    fn too_little_gives_no_advice() {
        let mut few = results();
        few.totals.attempt_ms.count = LEAST_ATTEMPTS - 1;
        assert!(tuning(&few, TuningResults::default()).is_empty());
        let mut service = results();
        service.totals.requests.sent = 5;
        assert!(tuning(&service, TuningResults::default()).is_empty());
    }
}
