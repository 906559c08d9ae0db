//! The order of every list's versions, from what was read of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{History, Operation, Status, Transaction};

/// Who appended a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    /// Index into the history.
    pub transaction: usize,
    /// False when the same transaction appended more to the same list later.
    pub is_final: bool,
}

/// What is known of one list.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    /// The longest read of it.
    pub order: &'a [u64],
    /// Who read that.
    pub read_by: usize,
    /// Committed transactions with appends that the longest read lacks: they come after it.
    pub unseen: Vec<usize>,
}

/// What is known of all lists.
pub(super) struct Versions<'a> {
    pub history: &'a History,
    pub lists: BTreeMap<u32, List<'a>>,
    writes: HashMap<(u32, u64), Write>,
    committed: Vec<bool>,
}

impl<'a> Versions<'a> {
    pub fn of(history: &'a History) -> Self {
        let mut versions =
            Self { history, lists: BTreeMap::new(), writes: writes(history), committed: Vec::new() };
        for (index, transaction) in history.transactions.iter().enumerate() {
            if transaction.status != Status::Ok {
                continue;
            }
            for (key, values) in reads(transaction) {
                let list = versions.lists.entry(key).or_default();
                if values.len() > list.order.len() {
                    *list = List { order: values, read_by: index, unseen: Vec::new() };
                }
            }
        }
        versions.committed = versions.find_committed();
        versions.find_unseen();
        versions
    }

    /// Who appended a value; `None` when nobody did.
    pub fn write(&self, key: u32, value: u64) -> Option<Write> {
        self.writes.get(&(key, value)).copied()
    }

    /// True for a transaction that committed, or whose appends were read by one that did.
    pub fn is_committed(&self, transaction: usize) -> bool {
        self.committed[transaction]
    }

    /// Committed writers from a place in a list's order on, in order.
    pub fn writers_from(&self, key: u32, place: usize) -> impl Iterator<Item = usize> {
        let order = self.lists.get(&key).map_or(&[] as &[u64], |list| list.order);
        order[place.min(order.len())..]
            .iter()
            .filter_map(move |value| self.write(key, *value))
            .map(|write| write.transaction)
            .filter(|transaction| self.is_committed(*transaction))
    }

    /// An unknown commit is known once a committed transaction has read what it appended.
    fn find_committed(&self) -> Vec<bool> {
        let mut committed: Vec<bool> =
            self.history.transactions.iter().map(|one| one.status == Status::Ok).collect();
        for (key, list) in &self.lists {
            for write in list.order.iter().filter_map(|value| self.write(*key, *value)) {
                committed[write.transaction] |=
                    self.history.transactions[write.transaction].status == Status::Info;
            }
        }
        committed
    }

    fn find_unseen(&mut self) {
        let mut seen: HashSet<(u32, u64)> = HashSet::new();
        for (key, list) in &self.lists {
            seen.extend(list.order.iter().map(|value| (*key, *value)));
        }
        for (index, transaction) in self.history.transactions.iter().enumerate() {
            if !self.committed[index] {
                continue;
            }
            for operation in &transaction.operations {
                let Operation::Append { key, value } = operation else { continue };
                let list = self.lists.entry(*key).or_default();
                if !seen.contains(&(*key, *value)) && list.unseen.last() != Some(&index) {
                    list.unseen.push(index);
                }
            }
        }
    }
}

fn writes(history: &History) -> HashMap<(u32, u64), Write> {
    let mut writes: HashMap<(u32, u64), Write> = HashMap::new();
    for (index, transaction) in history.transactions.iter().enumerate() {
        let mut last: Vec<(u32, u64)> = Vec::new();
        for operation in &transaction.operations {
            let Operation::Append { key, value } = operation else { continue };
            if let Some(place) = last.iter().position(|(of, _)| of == key) {
                let (_, earlier) = last.swap_remove(place);
                writes.insert((*key, earlier), Write { transaction: index, is_final: false });
            }
            last.push((*key, *value));
            writes.insert((*key, *value), Write { transaction: index, is_final: true });
        }
    }
    writes
}

/// All reads of a transaction that were answered.
pub(super) fn reads(transaction: &Transaction) -> impl Iterator<Item = (u32, &[u64])> {
    transaction.operations.iter().filter_map(|operation| match operation {
        Operation::Read { key, values: Some(values) } => Some((*key, values.as_slice())),
        _ => None,
    })
}
