//! The order of locks as the application ran it, from every statement in the server's log.
//!
//! [`LoggedEvent`]s come in, in the order in which each session did them; [`StatementLogResults`], violations
//! and deadlocks as cycles go out. A statement counts as locking what its text says, as a statement of the
//! scenario does: what triggers, foreign keys, functions and SERIALIZABLE reads lock isn't seen. A statement
//! that had to wait or failed counts, because it asked.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use super::{
    deadlocks::DeadlockRecorder,
    logged_deadlock,
    statement_log_results::StatementLogResults,
    statement_texts::{Control, StatementText, StatementTexts},
    transaction_results::LockOrderViolation,
};
use crate::{
    application::{Logged, LoggedEvent},
    dialect::Dialect,
};

/// How a session without a name is called.
const UNNAMED: &str = "application";
/// Sessions that are followed at once.
const MOST_SESSIONS: usize = 100_000;
/// Statements of one transaction that are kept to explain a deadlock.
const MOST_STATEMENTS: usize = 200;
/// Ended transactions of a session that are kept, because a deadlock may be told after its statements.
const KEPT: usize = 16;
/// Kinds of violations that are told apart.
const MOST_KINDS: usize = 1_000;
/// Statements that weren't understood and are named.
const MOST_NAMED: usize = 5;

/// A transaction that is followed.
#[derive(Debug, Default)]
pub(super) struct LoggedTransaction {
    number: Option<String>,
    /// Those that lock or may lock.
    pub statements: Vec<Arc<StatementText>>,
    /// Tables of the declared order, with the statement that locked each first.
    held: BTreeMap<usize, Arc<StatementText>>,
    savepoints: Vec<(String, BTreeMap<usize, Arc<StatementText>>)>,
    /// Table, and the one that was locked before it, with the statements: later, earlier.
    violations: BTreeSet<(usize, usize)>,
    found: Vec<(usize, usize, Arc<StatementText>, Arc<StatementText>)>,
    is_understood: bool,
}

/// A session of the application, or of deadheat.
#[derive(Debug, Default)]
pub(super) struct LoggedSession {
    pub name: String,
    is_ours: bool,
    /// MySQL: a transaction goes on after a statement.
    is_open: bool,
    is_manual: bool,
    pub current: Option<LoggedTransaction>,
    /// Latest last.
    pub ended: VecDeque<Vec<Arc<StatementText>>>,
}

/// Who did it, the later statement's shape, table, table before it, and the earlier statement's shape.
type Kind = (String, String, usize, usize, String);

/// Follows the transactions of a log.
#[derive(Debug)]
pub struct StatementLogRecorder {
    dialect: Dialect,
    lock_order: Vec<String>,
    /// Whether statements are in the log, beside deadlocks.
    has_statements: bool,
    texts: StatementTexts,
    sessions: HashMap<i32, LoggedSession>,
    results: StatementLogResults,
    violations: BTreeMap<Kind, u64>,
    deadlocks: DeadlockRecorder,
}

/// What was found.
#[derive(Debug)]
pub struct StatementLogFindings {
    /// `None`: the log had deadlocks alone.
    pub results: Option<StatementLogResults>,
    pub violations: Vec<LockOrderViolation>,
    pub deadlocks: DeadlockRecorder,
}

impl StatementLogRecorder {
    /// A recorder for a declared order. Without statements the log has deadlocks alone.
    pub fn new(dialect: Dialect, lock_order: Vec<String>, has_statements: bool) -> Self {
        Self {
            dialect,
            has_statements,
            lock_order,
            texts: StatementTexts::new(dialect),
            sessions: HashMap::new(),
            results: StatementLogResults::default(),
            violations: BTreeMap::new(),
            deadlocks: DeadlockRecorder::default(),
        }
    }

    /// Adds what the log tells next.
    pub fn add(&mut self, event: LoggedEvent) {
        let LoggedEvent { process, name, is_ours, transaction, what } = event;
        if what == Logged::Gap || self.sessions.len() >= MOST_SESSIONS {
            self.results.gaps += 1;
            self.sessions.clear();
            return;
        }
        let session = self.sessions.entry(process).or_default();
        session.is_ours = is_ours;
        if !name.is_empty() {
            session.name = name;
        }
        match what {
            Logged::Statement(text) => self.statement(process, transaction, &text),
            Logged::Ended => {
                self.end(process);
                self.sessions.remove(&process);
            }
            Logged::Deadlock(waits) => {
                if !is_ours {
                    self.results.deadlocks += 1;
                    let parties = logged_deadlock::parties(&waits, &self.sessions, &mut self.texts);
                    self.deadlocks.add(parties);
                }
                // InnoDB has rolled back the whole transaction.
                if self.dialect == Dialect::MySql {
                    self.end(process);
                }
            }
            Logged::Gap => {}
        }
    }

    fn statement(&mut self, process: i32, transaction: Option<String>, text: &str) {
        let statement = self.texts.read(text);
        let Some(session) = self.sessions.get(&process) else { return };
        self.results.statements += u64::from(!session.is_ours);
        if session.current.as_ref().is_some_and(|current| current.number != transaction) {
            self.end(process);
        }
        if self.dialect == Dialect::MySql {
            self.mysql_statement(process, &statement);
        } else {
            self.follow(process, transaction, &statement);
        }
    }

    /// The general log doesn't tell transactions apart: their statements do.
    fn mysql_statement(&mut self, process: i32, statement: &Arc<StatementText>) {
        let ends_first = matches!(
            statement.control,
            Some(Control::Begins | Control::Autocommit(true) | Control::CommitsFirst)
        );
        if ends_first {
            self.end(process);
        }
        self.follow(process, None, statement);
        let Some(session) = self.sessions.get_mut(&process) else { return };
        match statement.control {
            Some(Control::Begins) => session.is_open = true,
            Some(Control::Autocommit(is_auto)) => session.is_manual = !is_auto,
            _ => {}
        }
        let goes_on = session.is_open || session.is_manual;
        let ends = matches!(
            statement.control,
            Some(Control::Ends | Control::EndsAndBegins | Control::CommitsFirst)
        );
        if ends || !goes_on {
            self.end(process);
        }
        if statement.control == Some(Control::EndsAndBegins)
            && let Some(session) = self.sessions.get_mut(&process)
        {
            session.is_open = true;
        }
    }

    fn follow(&mut self, process: i32, transaction: Option<String>, statement: &Arc<StatementText>) {
        let Some(session) = self.sessions.get_mut(&process) else { return };
        let current = session.current.get_or_insert_with(|| LoggedTransaction {
            number: transaction,
            is_understood: true,
            ..LoggedTransaction::default()
        });
        let keeps_locks = self.dialect == Dialect::MySql;
        if !statement.is_understood
            && !session.is_ours
            && current.is_understood
            && self.results.not_understood.len() < MOST_NAMED
            && !self.results.not_understood.contains(&statement.shape)
        {
            self.results.not_understood.push(statement.shape.clone());
        }
        current.add(statement, &self.lock_order, keeps_locks);
    }

    /// The session's transaction has ended.
    fn end(&mut self, process: i32) {
        let Some(session) = self.sessions.get_mut(&process) else { return };
        session.is_open = false;
        let Some(ended) = session.current.take() else { return };
        if !session.is_ours {
            self.results.transactions += u64::from(!ended.held.is_empty() || !ended.is_understood);
            self.results.judged += u64::from(!ended.held.is_empty() && ended.is_understood);
            self.results.violating += u64::from(!ended.found.is_empty() && ended.is_understood);
            for (table, after, later, earlier) in &ended.found {
                let who =
                    || if session.name.is_empty() { UNNAMED.to_owned() } else { session.name.clone() };
                let who = later.comment.clone().unwrap_or_else(who);
                let kind = (who, later.shape.clone(), *table, *after, earlier.shape.clone());
                if self.violations.len() < MOST_KINDS || self.violations.contains_key(&kind) {
                    *self.violations.entry(kind).or_default() += 1;
                }
            }
        }
        if !ended.statements.is_empty() {
            if session.ended.len() == KEPT {
                session.ended.pop_front();
            }
            session.ended.push_back(ended.statements);
        }
    }

    /// The results.
    pub fn finish(mut self) -> StatementLogFindings {
        let open: Vec<i32> = self.sessions.keys().copied().collect();
        open.into_iter().for_each(|process| self.end(process));
        let order = &self.lock_order;
        let violations =
            self.violations.into_iter().map(|((operation, step, table, after, earlier), count)| {
                let (table, after) = (order[table].clone(), order[after].clone());
                LockOrderViolation { operation, step, table, after, after_step: Some(earlier), count }
            });
        StatementLogFindings {
            violations: violations.collect(),
            results: self.has_statements.then_some(self.results),
            deadlocks: self.deadlocks,
        }
    }
}

impl LoggedTransaction {
    fn add(&mut self, statement: &Arc<StatementText>, order: &[String], keeps_locks: bool) {
        match &statement.control {
            Some(Control::Savepoint(name)) => self.savepoints.push((name.clone(), self.held.clone())),
            // PostgreSQL gives the locks since then back, InnoDB keeps them.
            Some(Control::RollsBackTo(name)) if !keeps_locks => {
                if let Some(at) = self.savepoints.iter().rposition(|(known, _)| known == name) {
                    self.savepoints.truncate(at + 1);
                    self.held = self.savepoints[at].1.clone();
                }
            }
            _ => {}
        }
        self.is_understood &= statement.is_understood;
        for lock in &statement.locks {
            let Some(table) = order.iter().position(|table| *table == lock.table) else { continue };
            if self.held.contains_key(&table) {
                continue;
            }
            if let Some((after, earlier)) =
                self.held.last_key_value().filter(|(latest, _)| **latest > table)
                && self.violations.insert((table, *after))
            {
                self.found.push((table, *after, Arc::clone(statement), Arc::clone(earlier)));
            }
            self.held.insert(table, Arc::clone(statement));
        }
        if !statement.locks.is_empty() && self.statements.len() < MOST_STATEMENTS {
            self.statements.push(Arc::clone(statement));
        }
    }
}

#[cfg(test)]
mod tests;
