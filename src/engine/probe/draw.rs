//! What a probe's transactions do: drawn from the seed, by worker and iteration.

use rand::{Rng, RngExt};

/// The lists of a probe, of which a few are in use at a time, so that transactions meet; the next ones
/// follow when those have got long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLists {
    /// How many there are; after the last the first is used again.
    pub count: u32,
}

/// Lists in use at a time.
const ACTIVE: u64 = 4;
/// Appends to a list before the next one is used, about.
const LENGTH: u64 = 24;
/// Operations of a transaction.
const MOST_OPERATIONS: u32 = 5;
/// Transactions that are rolled back on purpose: what they wrote must never be read.
const ROLLED_BACK: f64 = 0.08;

impl ProbeLists {
    /// Enough for so many transactions, though never more than a table of moderate size holds.
    pub fn for_transactions(transactions: u64) -> Self {
        let groups = (transactions * u64::from(MOST_OPERATIONS) / (ACTIVE * LENGTH)).clamp(1, 2_000);
        Self { count: u32::try_from(groups * ACTIVE).unwrap_or(u32::MAX) }
    }

    /// One of the lists in use after so many appends in all.
    fn draw(self, appends: u64, random: &mut impl Rng) -> u32 {
        let groups = u64::from(self.count) / ACTIVE;
        let group = appends / (ACTIVE * LENGTH) % groups.max(1);
        let list = group * ACTIVE + random.random_range(0..ACTIVE);
        u32::try_from(list).unwrap_or_default() % self.count.max(1)
    }
}

/// What a transaction is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The list, and whether it is appended to or read.
    pub operations: Vec<(u32, bool)>,
    pub commit: bool,
}

impl Wanted {
    pub fn draw(lists: ProbeLists, appends: u64, random: &mut impl Rng) -> Self {
        let count = random.random_range(1..=MOST_OPERATIONS);
        let operations =
            (0..count).map(|_| (lists.draw(appends, random), random.random_bool(0.5))).collect();
        Self { operations, commit: !random.random_bool(ROLLED_BACK) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::RandomStream;

    #[test]
    fn lists_are_few_at_a_time_and_used_again_after_the_last() {
        let lists = ProbeLists::for_transactions(100);
        let random = |iteration| RandomStream { seed: 1, worker: 0, iteration }.generator();
        for appends in 0..10_000 {
            let wanted = Wanted::draw(lists, appends, &mut random(appends as u32));
            assert_eq!(wanted, Wanted::draw(lists, appends, &mut random(appends as u32)), "drawn by seed");
            let group = wanted.operations[0].0 / ACTIVE as u32;
            assert!(wanted.operations.iter().all(|(list, _)| *list < lists.count));
            assert!(wanted.operations.iter().all(|(list, _)| list / ACTIVE as u32 == group));
        }
    }
}
