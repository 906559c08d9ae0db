//! What one look at the sessions of the application under test shows, and what the server's log tells of them:
//! the words in which `target` tells it and `measure` understands it, whatever the kind of database.

use std::collections::BTreeSet;

use crate::outcome::LevelEvidence;

/// A transaction of the application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicationTransaction {
    /// Tells one transaction of a session from the next.
    pub begun: String,
    pub age_ms: f64,
    /// How long it has done nothing, when it does nothing.
    pub idle_ms: Option<f64>,
    /// The statement that it carries out, or did last where the server tells that; may be cut.
    pub statement: String,
    /// `None`: nothing could be told at this moment.
    pub level: Option<LevelEvidence>,
    /// Tables that it has locked, as places in the declared order: all of them.
    pub locked: BTreeSet<usize>,
    /// Tables that it or a foreign key has locked.
    pub doubtful: BTreeSet<usize>,
    /// Tables that it locked before the statement that it carries out.
    pub locked_earlier: BTreeSet<usize>,
    /// The table of the row that it waits for.
    pub waits_for: Option<usize>,
}

/// A session of the application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicationSession {
    pub process: i32,
    /// What it calls itself, or the server calls it; may be empty.
    pub name: String,
    pub transaction: Option<ApplicationTransaction>,
}

/// What a server's log tells of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Server process or connection.
    pub process: i32,
    /// What the session calls itself, or the server calls it; may be empty.
    pub name: String,
    /// True for a session of deadheat's own.
    pub is_ours: bool,
    /// Tells one transaction of a session from the next, where the log tells that.
    pub transaction: Option<String>,
    pub what: Logged,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logged {
    /// A statement begins.
    Statement(String),
    /// The session begins anew or ends, and its transaction with it.
    Ended,
    /// It was rolled back to end a deadlock: the waits form a circle that begins with it.
    Deadlock(Vec<LoggedWait>),
    /// A part of the log is missing: of what is under way in any session, nothing is certain.
    Gap,
}

/// One session of a deadlock: it waits for the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedWait {
    pub process: i32,
    /// The statement that waited; may be cut.
    pub statement: String,
    /// The mode that it asked for, as the server calls it.
    pub mode: String,
    /// The table, where the server tells.
    pub table: Option<String>,
}

/// True when a statement names a table as a word. What a cut text doesn't name may stand in its rest.
pub fn names_table(statement: &str, table: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let statement = statement.to_lowercase();
    let table = table.to_lowercase();
    statement.match_indices(&table).any(|(at, _)| {
        let before = statement[..at].chars().next_back();
        let after = statement[at + table.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_as_words() {
        assert!(names_table("SELECT 1 FROM shop.\"Orders\" FOR UPDATE", "orders"));
        assert!(names_table("update `orders`", "orders"));
        assert!(!names_table("SELECT * FROM old_orders, orders2, reorders", "orders"));
    }
}
