//! The latest statements of each worker, for whoever has to tell later what a session was waiting with.
//!
//! A worker writes, anybody may read while it does: each entry is one word, so that none is ever torn.
//! The ring holds the last [`ENTRIES`]; what is older is forgotten.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Entries of one worker.
const ENTRIES: usize = 32;
const MOMENT_BITS: u32 = 47;
const STATEMENT_BITS: u32 = 16;
/// Statements that are told apart; later ones of a plan are left out.
const MOST_STATEMENTS: usize = (1 << STATEMENT_BITS) - 1;

/// A statement that a worker has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tread {
    /// Index into the plan's statements.
    pub statement: usize,
    /// Microseconds on the board's clock.
    pub begun: u64,
}

/// The ring of one worker.
#[derive(Debug, Default)]
pub(super) struct Trail([AtomicU64; ENTRIES]);

impl Trail {
    /// Writes down that the worker's `count`-th statement begins; with `first`, it is the first one of its
    /// transaction. An entry is never 0, which stands for none.
    pub(super) fn add(&self, count: usize, statement: usize, first: bool, moment: u64) {
        if statement >= MOST_STATEMENTS {
            return;
        }
        let moment = moment & ((1 << MOMENT_BITS) - 1);
        let code = u64::from(first) << (MOMENT_BITS + STATEMENT_BITS)
            | (statement as u64 + 1) << MOMENT_BITS
            | moment;
        self.0[count % ENTRIES].store(code, Relaxed);
    }

    /// The statements of the transaction that was under way at `moment`, in their order, and those that the
    /// same transaction began later.
    pub(super) fn at(&self, moment: u64) -> Vec<Tread> {
        let mut entries: Vec<(Tread, bool)> =
            self.0.iter().filter_map(|entry| read(entry.load(Relaxed))).collect();
        entries.sort_by_key(|(tread, _)| tread.begun);
        let Some(last) = entries.iter().rposition(|(tread, _)| tread.begun <= moment) else {
            return Vec::new();
        };
        let from = entries[..=last].iter().rposition(|(_, first)| *first).unwrap_or(0);
        let until = entries[last + 1..].iter().position(|(_, first)| *first);
        let until = until.map_or(entries.len(), |next| last + 1 + next);
        entries[from..until].iter().map(|(tread, _)| *tread).collect()
    }
}

fn read(code: u64) -> Option<(Tread, bool)> {
    let statement = (code >> MOMENT_BITS & ((1 << STATEMENT_BITS) - 1)) as usize;
    let begun = code & ((1 << MOMENT_BITS) - 1);
    let first = code >> (MOMENT_BITS + STATEMENT_BITS) & 1 == 1;
    Some((Tread { statement: statement.checked_sub(1)?, begun }, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(trail: &Trail, moment: u64) -> Vec<usize> {
        trail.at(moment).iter().map(|tread| tread.statement).collect()
    }

    #[test]
    fn a_transaction_is_told_from_those_around_it() {
        let trail = Trail::default();
        assert_eq!(trail.at(5), []);
        for (count, (statement, first)) in
            [(0, true), (1, false), (7, true), (8, false), (9, false), (0, true)].into_iter().enumerate()
        {
            trail.add(count, statement, first, 10 * count as u64 + 10);
        }
        assert_eq!(statements(&trail, 9), [0; 0], "before the first");
        assert_eq!(statements(&trail, 20), [0, 1]);
        assert_eq!(statements(&trail, 35), [7, 8, 9], "those that it began later too");
        assert_eq!(statements(&trail, 99), [0]);
    }

    #[test]
    fn a_ring_that_is_full_forgets_the_oldest() {
        let trail = Trail::default();
        for count in 0..100 {
            trail.add(count, count, count == 0, count as u64);
        }
        assert_eq!(statements(&trail, 99).len(), ENTRIES);
        assert_eq!(statements(&trail, 50), [0; 0]);
        trail.add(100, MOST_STATEMENTS, true, 100);
        assert_eq!(statements(&trail, 100).last(), Some(&99), "one too many is left out");
    }
}
