//! The judgement: everything that was found, and the strongest level consistent with it.

use std::collections::BTreeMap;

use super::{
    anomaly::{Anomaly, Level},
    cycles, direct,
    history::History,
    versions::Versions,
};

/// What a history shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The strongest level consistent with what was seen; `None`: not even the weakest is.
    pub level: Option<Level>,
    /// From the worst.
    pub found: Vec<Found>,
}

/// An anomaly of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub anomaly: Anomaly,
    /// How often: for cycles, each by the dependency that closes it.
    pub count: u64,
    /// Of the shortest example, as indices into the history.
    pub transactions: Vec<usize>,
    /// The example in sentences.
    pub explanation: Vec<String>,
}

impl Found {
    pub(super) fn one(anomaly: Anomaly, transactions: Vec<usize>, explanation: Vec<String>) -> Self {
        Self { anomaly, count: 1, transactions, explanation }
    }
}

/// What was found so far, by kind.
#[derive(Debug, Default)]
pub(super) struct Collected(BTreeMap<Anomaly, Found>);

impl Collected {
    /// Counts one, and keeps the shortest example of its kind; of equal ones the first.
    pub fn add(&mut self, found: Found) {
        let Some(kept) = self.0.get_mut(&found.anomaly) else {
            self.0.insert(found.anomaly, found);
            return;
        };
        let count = kept.count + found.count;
        let length = |found: &Found| {
            (found.transactions.len(), found.explanation.iter().map(String::len).sum::<usize>())
        };
        if length(&found) < length(kept) {
            *kept = found;
        }
        kept.count = count;
    }

    /// True when no snapshots can explain the history any more.
    pub fn rule_out_snapshots(&self) -> bool {
        self.0.keys().any(|anomaly| anomaly.rules_out() <= Level::SnapshotIsolation)
    }
}

/// Judges a history. `real_time`: the moments at which transactions began and ended count too.
pub fn judge(history: &History, real_time: bool) -> Judgement {
    let versions = Versions::of(history);
    let mut collected = Collected::default();
    direct::look(&versions, &mut collected);
    let lost = direct::lost_updates(&versions, &mut collected);
    cycles::find(&versions, &lost, real_time, &mut collected);
    let level = Level::strongest(collected.0.keys().copied());
    let most = if real_time { Level::StrictSerializable } else { Level::Serializable };
    Judgement { level: level.map(|level| level.min(most)), found: collected.0.into_values().collect() }
}
