//! Toy stores that run the same transactions at known levels, for tests.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{History, Operation, Status, Transaction};

/// What a toy store guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Serial,
    Snapshot,
    ReadCommitted,
}

type Lists = HashMap<u32, Vec<u64>>;

/// A transaction under way.
struct Open {
    transaction: usize,
    wanted: Vec<Operation>,
    snapshot: Lists,
    appended: Vec<(u32, u64)>,
}

/// Runs `count` transactions of `processes` interleaved sessions on lists of which each takes about
/// `per_list` appends.
pub(super) fn run(store: Store, seed: u64, count: usize, processes: usize, per_list: u64) -> History {
    let mut toy = Toy {
        store,
        random: ChaCha8Rng::seed_from_u64(seed),
        lists: Lists::new(),
        locks: HashMap::new(),
        history: History::default(),
        next: 0,
        per_list,
        clock: 0,
    };
    let mut open: Vec<Option<Open>> = (0..processes).map(|_| None).collect();
    while toy.history.transactions.len() < count || open.iter().any(Option::is_some) {
        let process = toy.random.random_range(0..processes);
        match open[process].take() {
            None if toy.history.transactions.len() < count => open[process] = Some(toy.begin(process)),
            None => {}
            Some(one) => open[process] = toy.go_on(one),
        }
    }
    toy.history
}

struct Toy {
    store: Store,
    random: ChaCha8Rng,
    lists: Lists,
    locks: HashMap<u32, usize>,
    history: History,
    next: u64,
    per_list: u64,
    clock: u64,
}

impl Toy {
    fn begin(&mut self, process: usize) -> Open {
        let mut wanted = Vec::new();
        for _ in 0..self.random.random_range(1..=4) {
            let key = (self.next / self.per_list) as u32 * 3 + self.random.random_range(0..3);
            wanted.push(if self.random.random_bool(0.5) {
                self.next += 1;
                Operation::Append { key, value: self.next }
            } else {
                Operation::Read { key, values: None }
            });
        }
        self.clock += 1;
        let transaction = self.history.transactions.len();
        self.history.transactions.push(Transaction {
            process: process as u32,
            status: Status::Info,
            begun: self.clock,
            ended: 0,
            operations: Vec::new(),
        });
        wanted.reverse();
        let keys: Vec<u32> = wanted.iter().map(Operation::key).collect();
        let snapshot = keys.iter().filter_map(|key| Some((*key, self.lists.get(key)?.clone()))).collect();
        Open { transaction, wanted, snapshot, appended: Vec::new() }
    }

    /// One operation, all of them when serial, or the end.
    fn go_on(&mut self, mut open: Open) -> Option<Open> {
        self.clock += 1;
        loop {
            let Some(operation) = open.wanted.pop() else {
                self.end(&open, Status::Ok);
                return None;
            };
            let done = match operation {
                Operation::Append { key, value } => {
                    if !self.may_append(&open, key) {
                        self.end(&open, Status::Fail);
                        return None;
                    }
                    open.appended.push((key, value));
                    Operation::Append { key, value }
                }
                Operation::Read { key, .. } => Operation::Read { key, values: Some(self.read(&open, key)) },
            };
            self.history.transactions[open.transaction].operations.push(done);
            if self.store != Store::Serial {
                return Some(open);
            }
        }
    }

    fn read(&self, open: &Open, key: u32) -> Vec<u64> {
        let lists = if self.store == Store::Snapshot { &open.snapshot } else { &self.lists };
        let own = open.appended.iter().filter(|(of, _)| *of == key).map(|(_, value)| *value);
        lists.get(&key).into_iter().flatten().copied().chain(own).collect()
    }

    /// Nobody waits for a lock: who can't have it is rolled back.
    fn may_append(&mut self, open: &Open, key: u32) -> bool {
        if *self.locks.entry(key).or_insert(open.transaction) != open.transaction {
            return false;
        }
        self.store != Store::Snapshot || self.lists.get(&key) == open.snapshot.get(&key)
    }

    fn end(&mut self, open: &Open, status: Status) {
        self.locks.retain(|_, holder| *holder != open.transaction);
        if status == Status::Ok {
            for (key, value) in &open.appended {
                self.lists.entry(*key).or_default().push(*value);
            }
        }
        let transaction = &mut self.history.transactions[open.transaction];
        transaction.status = status;
        transaction.ended = self.clock;
    }
}
