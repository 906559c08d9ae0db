//! What several samples of the application's transactions tell together: isolation levels, the order
//! of locks, and how long transactions last.
//!
//! Samples come in, [`ApplicationResults`] and what belongs into the other sections go out. Whatever
//! can't be told for sure isn't counted, and why is said in words.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use super::{
    statement_shape::{comment, shape},
    transaction_results::{ApplicationResults, IsolationObservation, LockOrderViolation},
};
use crate::{
    application::{ApplicationSession, ApplicationTransaction},
    outcome::{Isolation, LevelEvidence},
};

/// How a session without a name is called.
const UNNAMED: &str = "application";
/// How a statement is called that was carried out between two samples.
const UNSEEN: &str = "a statement not seen";
/// How what isn't known of the order of locks begins.
pub(super) const ORDER_UNKNOWN: &str = "the order of locks";
/// Sessions told apart; more aren't counted, so that memory stays bounded.
const MOST_SESSIONS: usize = 100_000;
/// Names that are kept.
const MOST_NAMES: usize = 20;

/// What is declared for the application's transactions.
#[derive(Debug, Clone, Default)]
pub struct ApplicationRules {
    pub isolation: Option<Isolation>,
    pub lock_order: Vec<String>,
}

/// A transaction that may be seen again.
#[derive(Debug, Default)]
struct Followed {
    begun: String,
    name: String,
    levels: Vec<LevelEvidence>,
    /// A cursor holds a snapshot at any level.
    cursor: bool,
    locked: BTreeSet<usize>,
    doubtful: BTreeSet<usize>,
    order_told: bool,
    /// Table, the table locked before it, and where.
    violations: BTreeSet<(usize, usize, String, String)>,
}

/// Collects samples.
#[derive(Debug, Default)]
pub struct ApplicationRecorder {
    rules: ApplicationRules,
    sampled: ApplicationResults,
    sample_time: Duration,
    pauses: Duration,
    processes: HashSet<i32>,
    names: BTreeSet<String>,
    followed: HashMap<i32, Followed>,
    levels: BTreeMap<(String, Isolation), u64>,
    /// Levels told from a snapshot alone.
    by_snapshot: u64,
    cursors: u64,
    violations: BTreeMap<(usize, usize, String, String), u64>,
    hidden: u64,
    untracked: u64,
}

/// What was found, in the terms of the sections that it belongs to.
#[derive(Debug)]
pub struct ApplicationFindings {
    pub results: ApplicationResults,
    pub isolation: Vec<IsolationObservation>,
    pub violations: Vec<LockOrderViolation>,
}

impl ApplicationRecorder {
    /// A recorder for what is declared.
    pub fn new(rules: ApplicationRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Adds a sample that took `cost` after a pause of `pause`.
    pub fn add(&mut self, sample: Vec<ApplicationSession>, cost: Duration, pause: Duration) {
        self.sampled.samples += 1;
        self.sample_time += cost;
        self.pauses += pause;
        for ApplicationSession { process, name, transaction } in sample {
            if self.processes.len() < MOST_SESSIONS {
                self.processes.insert(process);
            }
            if self.names.len() < MOST_NAMES && !self.names.contains(&name) {
                self.names.insert(name.clone());
            }
            match transaction {
                Some(transaction) => self.follow(process, name, transaction),
                None => self.ended(process),
            }
        }
    }

    /// Counts sessions whose activity can't be seen: the most at once.
    pub fn unseen(&mut self, hidden: u64, untracked: u64) {
        self.hidden = self.hidden.max(hidden);
        self.untracked = self.untracked.max(untracked);
    }

    fn follow(&mut self, process: i32, name: String, seen: ApplicationTransaction) {
        self.sampled.longest_transaction_ms = self.sampled.longest_transaction_ms.max(seen.age_ms);
        let idle = seen.idle_ms.unwrap_or_default();
        self.sampled.longest_idle_ms = self.sampled.longest_idle_ms.max(idle);
        if self.followed.get(&process).is_none_or(|followed| followed.begun != seen.begun) {
            self.ended(process);
            let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
            let followed = Followed { begun: seen.begun.clone(), name, ..Followed::default() };
            self.followed.insert(process, followed);
        }
        let followed = self.followed.get_mut(&process).expect("it was put there above, if it wasn't there");
        followed.add(seen, &self.rules.lock_order);
    }

    fn ended(&mut self, process: i32) {
        let Some(followed) = self.followed.remove(&process) else { return };
        self.sampled.transactions += 1;
        self.sampled.orders_told += u64::from(followed.order_told);
        let (level, by_snapshot) = followed.level(self.rules.isolation);
        self.by_snapshot += u64::from(by_snapshot);
        self.cursors += u64::from(followed.cursor && level.is_none());
        if let Some(level) = level {
            self.sampled.levels_told += 1;
            *self.levels.entry((followed.name.clone(), level)).or_default() += 1;
        }
        for violation in followed.violations {
            *self.violations.entry(violation).or_default() += 1;
        }
    }

    /// The results.
    pub fn finish(mut self) -> ApplicationFindings {
        let open: Vec<i32> = self.followed.keys().copied().collect();
        open.into_iter().for_each(|process| self.ended(process));
        let mut results = std::mem::take(&mut self.sampled);
        if results.samples > 0 {
            results.interval_ms = self.pauses.as_secs_f64() * 1e3 / results.samples as f64;
            results.sample_ms = self.sample_time.as_secs_f64() * 1e3 / results.samples as f64;
        }
        results.sessions = self.processes.len() as u64;
        results.unknown = self.unknown(&results);
        results.names = self.names.into_iter().filter(|name| !name.is_empty()).collect();
        let order = &self.rules.lock_order;
        let isolation = self.levels.into_iter().map(|((operation, in_force), transactions)| {
            let declared = self.rules.isolation.unwrap_or(in_force);
            IsolationObservation { operation, declared, in_force, transactions }
        });
        let violations = self.violations.into_iter().map(|((table, after, operation, step), count)| {
            let (table, after) = (order[table].clone(), order[after].clone());
            LockOrderViolation { operation, step, table, after, after_step: None, count }
        });
        ApplicationFindings { isolation: isolation.collect(), violations: violations.collect(), results }
    }

    /// What can't be known, and why.
    fn unknown(&self, results: &ApplicationResults) -> Vec<String> {
        let mut unknown = Vec::new();
        if results.samples == 0 {
            return unknown;
        }
        if results.sessions == 0 {
            unknown.push("everything: no session but deadheat's was seen in the database".to_owned());
            return unknown;
        }
        if self.hidden > 0 {
            unknown.push(format!(
                "what {} of its sessions do: the server shows it to members of pg_read_all_stats only",
                self.hidden
            ));
        }
        if self.untracked > 0 {
            unknown.push(format!(
                "what {} of its sessions do: track_activities is off for them",
                self.untracked
            ));
        }
        if self.rules.isolation.is_some() && results.transactions > 0 && results.levels_told == 0 {
            unknown.push(
                "isolation levels: no transaction was seen at a moment that tells its level".to_owned(),
            );
        }
        if self.cursors > 0 {
            unknown.push(format!(
                "the isolation level of {} transactions: a cursor holds a snapshot at any level",
                self.cursors
            ));
        }
        if self.by_snapshot > 0 {
            unknown.push(format!(
                "whether {} transactions held a snapshot for their level or for a cursor that the server \
                 doesn't show",
                self.by_snapshot
            ));
        }
        if !self.rules.lock_order.is_empty() && results.transactions > 0 && results.orders_told == 0 {
            unknown.push(format!(
                "{ORDER_UNKNOWN}: no transaction was seen to lock a second table of the declared order"
            ));
        }
        unknown
    }
}

impl Followed {
    fn add(&mut self, seen: ApplicationTransaction, order: &[String]) {
        let ApplicationTransaction {
            statement, level, locked, doubtful, locked_earlier, waits_for, ..
        } = seen;
        self.cursor |= is_about_cursors(&statement);
        self.levels.extend(level.filter(|level| !self.levels.contains(level)));
        // Seen first now: it came after everything that was seen before. What may have been there
        // already tells nothing.
        let known = |table: &&usize| !self.locked.contains(table) && !self.doubtful.contains(table);
        let fresh: Vec<usize> = locked.iter().filter(known).copied().collect();
        let mut found: Vec<(usize, usize)> = Vec::new();
        if let Some(latest) = self.locked.last() {
            self.order_told |= !fresh.is_empty();
            found.extend(fresh.iter().filter(|table| *table < latest).map(|table| (*table, *latest)));
        }
        if let Some(table) = waits_for.filter(|table| !self.locked.contains(table)) {
            let latest = locked_earlier.iter().copied().rfind(|earlier| *earlier != table);
            self.order_told |= latest.is_some();
            found.extend(latest.filter(|latest| *latest > table).map(|latest| (table, latest)));
        }
        for (table, after) in found {
            if self.violations.iter().all(|one| (one.0, one.1) != (table, after)) {
                // Between two samples there may have been other statements.
                let is_named = statement.to_lowercase().contains(&order[table].to_lowercase());
                let step = if is_named { shape(&statement) } else { UNSEEN.to_owned() };
                let operation = comment(&statement).unwrap_or_else(|| self.name.clone());
                self.violations.insert((table, after, operation, step));
            }
        }
        self.doubtful.extend(doubtful);
        self.locked.extend(locked);
        self.locked.extend(locked_earlier);
    }

    /// The level, and whether it was told from a snapshot alone. A snapshot that is held tells two
    /// levels from the third: that is enough to say that a declared one isn't in force, not that it is.
    fn level(&self, declared: Option<Isolation>) -> (Option<Isolation>, bool) {
        let told = self.levels.iter().find_map(|evidence| match evidence {
            LevelEvidence::Told(level) => Some(*level),
            _ => None,
        });
        if told.is_some() {
            return (told, false);
        }
        let has = |evidence| self.levels.contains(&evidence);
        if has(LevelEvidence::Serializable) {
            return (Some(Isolation::Serializable), false);
        }
        if has(LevelEvidence::ReadCommitted) {
            let alike = declared.filter(|level| *level == Isolation::ReadUncommitted);
            return (Some(alike.unwrap_or(Isolation::ReadCommitted)), false);
        }
        if self.cursor {
            return (None, false);
        }
        let low = matches!(declared, Some(Isolation::ReadCommitted | Isolation::ReadUncommitted));
        let told = has(LevelEvidence::RepeatableRead) || (has(LevelEvidence::SnapshotHeld) && low);
        (told.then_some(Isolation::RepeatableRead), told)
    }
}

/// The last statement was about a cursor of the SQL kind.
fn is_about_cursors(statement: &str) -> bool {
    let word = statement.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    ["declare", "fetch", "move", "close"].contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests;
