//! What MySQL and MariaDB tell of a connection, from whichever place it was read.

use std::collections::{BTreeSet, HashMap};

use crate::{
    application::{Logged, LoggedEvent, LoggedWait},
    target::mysql::Deadlock,
};

/// Commands that carry a statement out.
const STATEMENTS: [&str; 2] = ["Query", "Execute"];
/// Commands after which a session has no transaction.
const ENDS: [&str; 4] = ["Connect", "Quit", "Reset connection", "Change user"];
/// Others that begin an entry.
const OTHERS: [&str; 14] = [
    "Prepare",
    "Close stmt",
    "Long Data",
    "Reset stmt",
    "Fetch",
    "Init DB",
    "Field List",
    "Ping",
    "Statistics",
    "Processlist",
    "Set option",
    "Kill",
    "Sleep",
    "Bulk_Execute",
];

/// An entry of the general log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub thread: i32,
    pub command: String,
    pub argument: String,
}

/// True for the name of a command.
pub(super) fn is_command(name: &str) -> bool {
    [&STATEMENTS[..], &ENDS, &OTHERS].iter().any(|list| list.contains(&name))
}

/// Users by connection.
#[derive(Debug, Default)]
pub(super) struct Users(HashMap<i32, String>);

impl Users {
    /// This connection is this user's.
    pub fn add(&mut self, thread: i32, user: &str) {
        if self.0.get(&thread).is_none_or(|known| known != user) {
            self.0.insert(thread, user.to_owned());
        }
    }

    pub fn event(&self, thread: i32, ours: &BTreeSet<i32>, what: Logged) -> LoggedEvent {
        LoggedEvent {
            process: thread,
            name: self.0.get(&thread).cloned().unwrap_or_default(),
            is_ours: ours.contains(&thread),
            transaction: None,
            what,
        }
    }

    /// A deadlock, as what happened to its victim.
    pub fn deadlock(&self, waits: Vec<LoggedWait>, ours: &BTreeSet<i32>) -> LoggedEvent {
        let victim = waits.first().map_or(0, |wait| wait.process);
        self.event(victim, ours, Logged::Deadlock(waits))
    }

    /// Tells what an entry means, when it means anything.
    pub fn told(&mut self, entry: Entry, ours: &BTreeSet<i32>, tell: &mut dyn FnMut(LoggedEvent)) {
        let Entry { thread, command, argument } = entry;
        if command == "Connect"
            && let Some((user, _)) = argument.split_once('@')
        {
            self.add(thread, user);
        }
        if STATEMENTS.contains(&command.as_str()) {
            tell(self.event(thread, ours, Logged::Statement(argument)));
        } else if ENDS.contains(&command.as_str()) {
            tell(self.event(thread, ours, Logged::Ended));
        }
        if command == "Quit" {
            self.0.remove(&thread);
        }
    }
}

/// The circle that begins with the victim; empty when the engine didn't tell it.
pub(super) fn circle(deadlock: &Deadlock) -> Vec<LoggedWait> {
    let mut waits = Vec::new();
    let mut next = deadlock.victim;
    while let Some(index) = next.filter(|_| waits.len() < deadlock.transactions.len()) {
        let one = &deadlock.transactions[index];
        let lock = one.waits_for.as_ref();
        waits.push(LoggedWait {
            process: one.thread,
            statement: one.statement.clone(),
            mode: lock.map(|lock| lock.mode.clone()).unwrap_or_default(),
            table: lock.map(|lock| lock.table.clone()),
        });
        next = one.blocked_by.filter(|blocker| Some(*blocker) != deadlock.victim);
    }
    waits
}
