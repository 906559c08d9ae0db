//! Deadlocks as cycles: who waited with which step for which lock of whom.
//!
//! Cycles come in as they are met, counted by their parties, so that memory is bounded by the kinds of
//! cycles and not by their number. [`DeadlockResults`] go out. What the cycle means, and what to do about
//! it, is the report's to say.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// Kinds of cycles that are told apart; deadlocks of others are only counted.
const MOST_CYCLES: usize = 200;
/// Kinds of cycles that results have.
const MOST_SHOWN: usize = 20;

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// A worker's, in this operation.
    Operation(usize),
    /// Somebody else's, by the name that it has.
    Other(String),
}

/// A table and a lock on it or on rows of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockTaken {
    pub table: String,
    /// As the server calls it, or else what the statement asks for; empty when neither is known.
    pub mode: String,
    /// The statement's step, when the lock is held.
    pub step: String,
    pub shared: bool,
}

/// One session of a cycle: it waits for the next one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CycleParty {
    pub whose: Whose,
    /// The step that it waited with.
    pub step: String,
    /// What it waited for.
    pub wanted: Option<LockTaken>,
    /// What the one before it waited for.
    pub held: Option<LockTaken>,
}

/// Counts cycles.
#[derive(Debug, Default, Clone)]
pub struct DeadlockRecorder {
    /// By the parties, beginning with the smallest; for each how often it was the victim.
    cycles: HashMap<Vec<CycleParty>, Vec<u64>>,
    /// Deadlocks whose cycle isn't known, or is of a kind beyond those told apart.
    unexplained: u64,
    /// Deadlocks that operations met, warm-up included.
    met: u64,
}

impl DeadlockRecorder {
    /// Counts a cycle whose first party was the victim.
    pub fn add(&mut self, mut parties: Vec<CycleParty>) {
        let smallest = parties.iter().enumerate().min_by_key(|(_, party)| *party).map(|(index, _)| index);
        let Some(first) = smallest.filter(|_| parties.len() > 1) else {
            self.unexplained += 1;
            return;
        };
        parties.rotate_left(first);
        let victim = (parties.len() - first) % parties.len();
        if self.cycles.len() >= MOST_CYCLES && !self.cycles.contains_key(&parties) {
            self.unexplained += 1;
            return;
        }
        let victims = vec![0; parties.len()];
        self.cycles.entry(parties).or_insert(victims)[victim] += 1;
    }

    /// Counts a deadlock whose cycle isn't known.
    pub fn unexplained(&mut self) {
        self.unexplained += 1;
    }

    /// Counts what an operation met, in the warm-up too.
    pub fn met(&mut self, deadlocks: u32) {
        self.met += u64::from(deadlocks);
    }

    /// The server's count beside that of the operations.
    pub fn beside(
        &self,
        before: Option<u64>,
        after: Option<u64>,
        unknown: Option<String>,
    ) -> ServerDeadlocks {
        ServerDeadlocks { before, after, met: self.met, unknown }
    }

    /// Takes over what another one counted.
    pub fn merge(&mut self, other: Self) {
        let Self { cycles, unexplained, met } = other;
        self.unexplained += unexplained;
        self.met += met;
        for (parties, victims) in cycles {
            let room = self.cycles.len() < MOST_CYCLES;
            match self.cycles.get_mut(&parties) {
                Some(mine) => mine.iter_mut().zip(victims).for_each(|(mine, theirs)| *mine += theirs),
                None if room => {
                    self.cycles.insert(parties, victims);
                }
                None => self.unexplained += victims.iter().sum::<u64>(),
            }
        }
    }

    /// The results: most frequent first.
    pub fn results(&self, plan: &Plan) -> DeadlockResults {
        let order =
            plan.database.as_ref().map(|database| database.lock_order.as_slice()).unwrap_or_default();
        let names: Vec<&str> = plan.operations.iter().map(|one| one.name.as_str()).collect();
        self.results_in(&names, order)
    }

    /// The results for operations of these names and a declared order.
    pub(super) fn results_in(&self, names: &[&str], order: &[String]) -> DeadlockResults {
        let mut cycles: Vec<DeadlockCycle> = self
            .cycles
            .iter()
            .map(|(parties, victims)| DeadlockCycle {
                count: victims.iter().sum(),
                parties: parties
                    .iter()
                    .zip(victims)
                    .map(|(party, victims)| shown(names, order, party, *victims))
                    .collect(),
            })
            .collect();
        cycles.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.names().cmp(&b.names())));
        let explained = cycles.iter().map(|cycle| cycle.count).sum();
        let more = cycles.iter().skip(MOST_SHOWN).map(|cycle| cycle.count).sum();
        cycles.truncate(MOST_SHOWN);
        DeadlockResults { explained, unexplained: self.unexplained, more, cycles, server: None }
    }
}

fn shown(names: &[&str], order: &[String], party: &CycleParty, victims: u64) -> DeadlockParty {
    let CycleParty { whose, step, wanted, held } = party;
    let rank = |lock: &Option<LockTaken>| {
        lock.as_ref().and_then(|lock| order.iter().position(|table| *table == lock.table))
    };
    DeadlockParty {
        operation: match whose {
            Whose::Operation(index) => names.get(*index).copied().unwrap_or("outside").to_owned(),
            Whose::Other(name) => name.clone(),
        },
        step: step.clone(),
        wanted: wanted
            .as_ref()
            .map(|lock| WantedLock { table: lock.table.clone(), mode: lock.mode.clone() }),
        held: held.as_ref().map(|lock| HeldLock {
            table: lock.table.clone(),
            mode: lock.mode.clone(),
            step: lock.step.clone(),
            shared: lock.shared,
        }),
        against_order: rank(wanted).zip(rank(held)).map(|(wanted, held)| wanted < held),
        victims,
    }
}

/// Deadlocks that operations met, explained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeadlockResults {
    /// Deadlocks whose cycle is known.
    pub explained: u64,
    /// Deadlocks that were met and whose cycle isn't known.
    pub unexplained: u64,
    /// Deadlocks of cycles that aren't listed.
    pub more: u64,
    /// By their parties, most frequent first.
    pub cycles: Vec<DeadlockCycle>,
    /// The server's own count; `None` when it has none, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerDeadlocks>,
}

/// Deadlocks as the server counts them: PostgreSQL for the database, MySQL and MariaDB for the whole server,
/// whoever met them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerDeadlocks {
    /// Its count before the load; `None` when it couldn't be read.
    pub before: Option<u64>,
    /// Its count after the load.
    pub after: Option<u64>,
    /// How many the operations met meanwhile, warm-up included.
    pub met: u64,
    /// Why the count isn't known, or not the whole.
    pub unknown: Option<String>,
}

impl ServerDeadlocks {
    /// How many it counted during the load; `None` when that isn't known, or when it began anew.
    pub fn counted(&self) -> Option<u64> {
        self.after?.checked_sub(self.before?)
    }
}

/// Deadlocks of the same parties.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeadlockCycle {
    pub count: u64,
    /// Each waits for the next one, and the last one for the first.
    pub parties: Vec<DeadlockParty>,
}

impl DeadlockCycle {
    fn names(&self) -> Vec<(&str, &str)> {
        self.parties.iter().map(|party| (party.operation.as_str(), party.step.as_str())).collect()
    }
}

/// One session of a cycle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeadlockParty {
    /// The operation, or how a session that isn't deadheat's is called.
    pub operation: String,
    /// The step that waited.
    pub step: String,
    /// What it waited for, as far as that is known.
    pub wanted: Option<WantedLock>,
    /// What it held and the one before it waited for.
    pub held: Option<HeldLock>,
    /// True when the declared order has the table that it wanted before the one that it held; `None` when
    /// the order doesn't decide it.
    pub against_order: Option<bool>,
    /// How often it was the one that was rolled back.
    pub victims: u64,
}

/// A lock that was waited for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WantedLock {
    pub table: String,
    /// As the server calls it.
    pub mode: String,
}

/// A lock that was held.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldLock {
    pub table: String,
    /// What the statement asks for.
    pub mode: String,
    /// The step that took it.
    pub step: String,
    /// True for a lock that others may share.
    pub shared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(operation: usize, step: &str) -> CycleParty {
        CycleParty { whose: Whose::Operation(operation), step: step.to_owned(), wanted: None, held: None }
    }

    #[test]
    fn a_cycle_is_the_same_wherever_it_begins() {
        let mut recorder = DeadlockRecorder::default();
        recorder.add(vec![party(0, "a"), party(1, "b")]);
        recorder.add(vec![party(1, "b"), party(0, "a")]);
        recorder.add(vec![party(1, "b"), party(0, "a")]);
        recorder.add(vec![party(1, "b")]);
        assert_eq!(recorder.cycles.len(), 1);
        assert_eq!(recorder.cycles[&vec![party(0, "a"), party(1, "b")]], [1, 2]);
        let mut other = recorder.clone();
        other.merge(recorder);
        assert_eq!(other.cycles[&vec![party(0, "a"), party(1, "b")]], [2, 4]);
        assert_eq!(other.unexplained, 2);
    }

    #[test]
    fn kinds_are_bounded_and_nothing_is_lost_from_the_count() {
        let mut recorder = DeadlockRecorder::default();
        for step in 0..MOST_CYCLES + 50 {
            recorder.add(vec![party(0, "a"), party(1, &step.to_string())]);
        }
        assert_eq!((recorder.cycles.len(), recorder.unexplained), (MOST_CYCLES, 50));
        let mut other = DeadlockRecorder::default();
        other.add(vec![party(5, "x"), party(6, "y")]);
        recorder.merge(other);
        assert_eq!((recorder.cycles.len(), recorder.unexplained), (MOST_CYCLES, 51));
    }
}
