//! What a single read shows to be wrong, without any cycle.

use std::collections::HashSet;

use super::{
    anomaly::Anomaly,
    explain::{list_in_words, name},
    history::{Operation, Status},
    judge::{Collected, Found},
    versions::Versions,
};

/// Looks at every read of every committed transaction.
pub(super) fn look(versions: &Versions<'_>, collected: &mut Collected) {
    for (index, transaction) in versions.history.transactions.iter().enumerate() {
        if transaction.status != Status::Ok {
            continue;
        }
        let mut appended: Vec<(u32, u64)> = Vec::new();
        for operation in &transaction.operations {
            match operation {
                Operation::Append { key, value } => appended.push((*key, *value)),
                Operation::Read { key, values: Some(values) } => {
                    let own: Vec<u64> =
                        appended.iter().filter(|(of, _)| of == key).map(|(_, value)| *value).collect();
                    Read { versions, reader: index, key: *key, values }.check(&own, collected);
                }
                Operation::Read { values: None, .. } => {}
            }
        }
    }
}

/// Two committed transactions that read the same version of a list and both appended to it. Returns their
/// pairs.
pub(super) fn lost_updates(versions: &Versions<'_>, collected: &mut Collected) -> HashSet<(usize, usize)> {
    let mut groups: std::collections::BTreeMap<(u32, Option<u64>), Vec<usize>> =
        std::collections::BTreeMap::new();
    for (index, transaction) in versions.history.transactions.iter().enumerate() {
        if !versions.is_committed(index) {
            continue;
        }
        for (key, values) in transaction.plain_reads() {
            let group = (key, values.last().copied());
            if transaction.appended(key).next().is_some() {
                let group = groups.entry(group).or_default();
                if group.last() != Some(&index) {
                    group.push(index);
                }
            }
        }
    }
    let mut pairs = HashSet::new();
    for ((key, last), group) in groups {
        for pair in group.windows(2) {
            let version = match last {
                Some(value) => format!("list {key} up to {value}"),
                None => format!("list {key} empty"),
            };
            let explanation = vec![format!(
                "{} and {} both read {version}, and both appended to it",
                name(pair[0]),
                name(pair[1])
            )];
            collected.add(Found::one(Anomaly::LostUpdate, pair.to_vec(), explanation));
        }
        for (place, one) in group.iter().enumerate() {
            for other in &group[place + 1..] {
                pairs.insert((*one, *other));
                pairs.insert((*other, *one));
            }
        }
    }
    pairs
}

struct Read<'a, 'b> {
    versions: &'a Versions<'b>,
    reader: usize,
    key: u32,
    values: &'a [u64],
}

impl Read<'_, '_> {
    /// `own` is what the reader had appended to the list before.
    fn check(&self, own: &[u64], collected: &mut Collected) {
        self.check_values(own, collected);
        self.check_end(own, collected);
        let list = &self.versions.lists[&self.key];
        if !list.order.starts_with(self.values) {
            let other = format!("and {} read {}", name(list.read_by), list_in_words(list.order));
            let transactions = vec![self.reader, list.read_by];
            let explanation = vec![self.read_in_words(), other];
            collected.add(Found::one(Anomaly::IncompatibleOrder, transactions, explanation));
        }
    }

    fn check_values(&self, own: &[u64], collected: &mut Collected) {
        let mut seen = HashSet::new();
        for value in self.values {
            if !seen.insert(*value) {
                self.found(Anomaly::Duplicate, &[], format!("{value} is in it twice"), collected);
                continue;
            }
            let Some(write) = self.versions.write(self.key, *value) else {
                let words = format!("nobody appended {value}");
                self.found(Anomaly::Unwritten, &[], words, collected);
                continue;
            };
            let writer = write.transaction;
            if writer == self.reader && !own.contains(value) {
                let words = format!("it appended {value} only later");
                self.found(Anomaly::FutureRead, &[], words, collected);
            } else if self.versions.history.transactions[writer].status == Status::Fail {
                let words = format!("{}, which appended {value}, was rolled back", name(writer));
                self.found(Anomaly::G1a, &[writer], words, collected);
            }
        }
    }

    fn check_end(&self, own: &[u64], collected: &mut Collected) {
        let others = match self.values.strip_suffix(own) {
            Some(others) => others,
            None => {
                let words =
                    format!("it had appended {} itself, which should be the end", list_in_words(own));
                self.found(Anomaly::Internal, &[], words, collected);
                return;
            }
        };
        let last = others.last().and_then(|value| Some((value, self.versions.write(self.key, *value)?)));
        if let Some((value, write)) = last
            && !write.is_final
            && write.transaction != self.reader
        {
            let words =
                format!("{}, which appended {value}, went on to append more", name(write.transaction));
            self.found(Anomaly::G1b, &[write.transaction], words, collected);
        }
    }

    fn found(&self, anomaly: Anomaly, others: &[usize], words: String, collected: &mut Collected) {
        let transactions = std::iter::once(self.reader).chain(others.iter().copied()).collect();
        collected.add(Found::one(anomaly, transactions, vec![self.read_in_words(), words]));
    }

    fn read_in_words(&self) -> String {
        format!("{} read list {} as {}", name(self.reader), self.key, list_in_words(self.values))
    }
}
