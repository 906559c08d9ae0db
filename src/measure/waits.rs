//! Lock waits as they were sampled: who waited for whom, how long, how many behind one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{
    hot_places::{Place, Places},
    transaction_results::{WaitPair, WaitResults},
};

/// One waiting session in one sample.
#[derive(Debug, Clone)]
pub struct WaitSeen {
    pub waiting: i32,
    pub blocking: Vec<i32>,
    pub waited_ms: f64,
    /// Tells one wait of a session from its next one.
    pub since: String,
    pub table: Option<String>,
    /// The row of it, where the server tells.
    pub row: Option<String>,
    pub waiter: Waiter,
    /// The first session that it waits for.
    pub blocker: Waiter,
}

/// Whose session it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiter {
    /// A worker's, in this operation.
    Operation(usize),
    /// The application's, with this name.
    Application(String),
    #[default]
    Outside,
}

impl Waiter {
    fn name(&self, operations: &[String]) -> String {
        match self {
            Self::Operation(index) => {
                operations.get(*index).cloned().unwrap_or_else(|| "outside".to_owned())
            }
            Self::Application(name) if name.is_empty() => "application".to_owned(),
            Self::Application(name) => name.clone(),
            Self::Outside => "outside".to_owned(),
        }
    }
}

#[derive(Debug)]
struct Wait {
    waited_ms: f64,
    waiter: Waiter,
    blocker: Waiter,
    table: Option<String>,
}

/// Collects samples.
#[derive(Debug, Default)]
pub struct WaitRecorder {
    waits: HashMap<(i32, String), Wait>,
    samples: u64,
    sample_time: Duration,
    pauses: Duration,
    deepest_queue: u64,
    most_waiting: u64,
    places: Places,
    seconds: Vec<WaitSecond>,
}

/// What was seen of waits in one second.
#[derive(Debug, Default, Clone)]
pub struct WaitSecond {
    /// Most sessions seen waiting at once.
    pub waiting: u64,
    /// Time that they lost in it.
    pub waited_ms: f64,
}

/// Seconds kept one by one; a longer run puts the rest into the last one.
const MOST_SECONDS: usize = 100_000;
/// Waits told apart; more aren't kept, so that memory stays bounded.
const MOST_WAITS: usize = 200_000;

impl WaitRecorder {
    /// Adds a sample that was taken `at` this time into the load, took `cost`, and came after a pause of
    /// `pause`.
    pub fn add(&mut self, sample: Vec<WaitSeen>, at: Duration, cost: Duration, pause: Duration) {
        self.samples += 1;
        self.sample_time += cost;
        self.pauses += pause;
        self.most_waiting = self.most_waiting.max(sample.len() as u64);
        self.deepest_queue = self.deepest_queue.max(deepest_queue(&sample));
        self.places.add_queues(sample.iter().map(|seen| (seen.table.as_deref(), seen.row.as_deref())));
        let most = sample.len() as u64;
        let mut lost = 0.0;
        for seen in sample {
            let WaitSeen { waiting, waited_ms, since, table, row, waiter, blocker, .. } = seen;
            let key = (waiting, since);
            if self.waits.len() >= MOST_WAITS && !self.waits.contains_key(&key) {
                continue;
            }
            let is_new = !self.waits.contains_key(&key);
            let wait =
                self.waits.entry(key).or_insert(Wait { waited_ms: 0.0, waiter, blocker, table: None });
            let more = (waited_ms - wait.waited_ms).max(0.0);
            wait.waited_ms += more;
            lost += more;
            if let Some(table) = &table {
                self.places.add(Place { table: table.clone(), row }, is_new, more);
            }
            wait.table = table.or(wait.table.take());
        }
        self.add_second(at, most, lost);
    }

    fn add_second(&mut self, at: Duration, waiting: u64, lost: f64) {
        let index = usize::try_from(at.as_secs()).unwrap_or(MOST_SECONDS).min(MOST_SECONDS - 1);
        if waiting == 0 {
            return;
        }
        if index >= self.seconds.len() {
            self.seconds.resize(index + 1, WaitSecond::default());
        }
        let second = &mut self.seconds[index];
        second.waiting = second.waiting.max(waiting);
        second.waited_ms += lost;
    }

    /// Second by second, from the start of the measured load to the last one in which somebody waited.
    pub fn seconds(&self) -> &[WaitSecond] {
        &self.seconds
    }

    /// The results, and the time that each operation waited, by its index.
    pub fn finish(&self, operations: &[String]) -> (WaitResults, BTreeMap<usize, f64>) {
        let mut by_operation = BTreeMap::new();
        let mut pairs: HashMap<(String, String, Option<String>), (u64, f64)> = HashMap::new();
        let mut results = WaitResults {
            samples: self.samples,
            waits: self.waits.len() as u64,
            deepest_queue: self.deepest_queue,
            most_waiting: self.most_waiting,
            tables: self.places.tables(),
            rows: self.places.rows(),
            ..WaitResults::default()
        };
        if self.samples > 0 {
            results.interval_ms = self.pauses.as_secs_f64() * 1e3 / self.samples as f64;
            results.sample_ms = self.sample_time.as_secs_f64() * 1e3 / self.samples as f64;
        }
        for wait in self.waits.values() {
            results.total_ms += wait.waited_ms;
            results.longest_ms = results.longest_ms.max(wait.waited_ms);
            if let Waiter::Operation(operation) = wait.waiter {
                *by_operation.entry(operation).or_default() += wait.waited_ms;
            }
            let key = (wait.waiter.name(operations), wait.blocker.name(operations), wait.table.clone());
            let pair = pairs.entry(key).or_default();
            pair.0 += 1;
            pair.1 += wait.waited_ms;
        }
        results.pairs = pairs
            .into_iter()
            .map(|((waiting, blocking, table), (waits, total_ms))| WaitPair {
                waiting,
                blocking,
                table,
                waits,
                total_ms,
            })
            .collect();
        results.pairs.sort_by(|a, b| {
            b.total_ms
                .total_cmp(&a.total_ms)
                .then_with(|| (&a.waiting, &a.blocking, &a.table).cmp(&(&b.waiting, &b.blocking, &b.table)))
        });
        (results, by_operation)
    }
}

/// Most sessions that wait, directly or behind others, for one session that doesn't wait.
fn deepest_queue(sample: &[WaitSeen]) -> u64 {
    let waits: HashMap<i32, &[i32]> =
        sample.iter().map(|seen| (seen.waiting, seen.blocking.as_slice())).collect();
    let mut behind: HashMap<i32, u64> = HashMap::new();
    for seen in sample {
        let mut reached = HashSet::from([seen.waiting]);
        let mut open = vec![seen.waiting];
        while let Some(pid) = open.pop() {
            match waits.get(&pid) {
                Some(blocking) => open.extend(blocking.iter().copied().filter(|pid| reached.insert(*pid))),
                None => *behind.entry(pid).or_default() += 1,
            }
        }
    }
    behind.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(waiting: i32, blocking: &[i32], since: &str, waited_ms: f64) -> WaitSeen {
        WaitSeen {
            waiting,
            blocking: blocking.to_vec(),
            waited_ms,
            since: since.to_owned(),
            table: Some("orders".to_owned()),
            row: Some("(0,1)".to_owned()),
            waiter: Waiter::Operation(0),
            blocker: Waiter::Operation(1),
        }
    }

    #[test]
    fn a_wait_seen_twice_counts_once_at_its_longest() {
        let mut recorder = WaitRecorder::default();
        recorder.add(
            vec![seen(1, &[9], "a", 5.0), seen(2, &[1], "b", 2.0)],
            Duration::from_millis(100),
            Duration::from_millis(1),
            Duration::ZERO,
        );
        recorder.add(
            vec![seen(1, &[9], "a", 15.0), seen(1, &[9], "c", 1.0)],
            Duration::from_millis(1_200),
            Duration::from_millis(1),
            Duration::ZERO,
        );
        let (results, by_operation) = recorder.finish(&["pay".into(), "refund".into()]);
        assert_eq!((results.waits, results.total_ms, results.longest_ms), (3, 18.0, 15.0));
        assert_eq!(results.deepest_queue, 2);
        assert_eq!(by_operation[&0], 18.0);
        assert_eq!(results.pairs[0].blocking, "refund");
        let lost: Vec<(u64, f64)> =
            recorder.seconds().iter().map(|second| (second.waiting, second.waited_ms)).collect();
        assert_eq!(lost, [(2, 7.0), (2, 11.0)], "what was lost in a second counts in that second");
        let row = &results.rows[0];
        assert_eq!(
            (row.table.as_str(), row.waits, row.total_ms, row.longest_queue),
            ("orders", 3, 18.0, 2)
        );
    }

    #[test]
    fn sessions_that_are_not_ours_have_names_too() {
        let mut recorder = WaitRecorder::default();
        let shop = Waiter::Application("shop".to_owned());
        let wait = WaitSeen {
            waiter: shop,
            blocker: Waiter::Application(String::new()),
            ..seen(1, &[9], "a", 5.0)
        };
        recorder.add(vec![wait], Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (results, by_operation) = recorder.finish(&["pay".into()]);
        assert_eq!(
            (results.pairs[0].waiting.as_str(), results.pairs[0].blocking.as_str()),
            ("shop", "application")
        );
        assert!(by_operation.is_empty());
    }

    #[test]
    fn a_cycle_has_no_head_and_ends() {
        assert_eq!(deepest_queue(&[seen(1, &[2], "a", 1.0), seen(2, &[1], "b", 1.0)]), 0);
    }
}
