//! What the text of an application's statement says about locks and transactions.
//!
//! A text comes in as the server logged it, [`StatementText`] goes out; the same text isn't read twice.

use std::{collections::HashMap, sync::Arc};

use super::statement_shape::{comment, shape, without_comments};
use crate::{
    dialect::Dialect,
    plan::{Analysis, TableLock, analyse},
};

/// Texts that are kept; with more they are read anew.
const MOST_TEXTS: usize = 10_000;
/// First words of statements that lock no rows, whatever the parser makes of the rest.
const WITHOUT_LOCKS: [&str; 22] = [
    "set",
    "reset",
    "show",
    "discard",
    "deallocate",
    "listen",
    "unlisten",
    "notify",
    "close",
    "fetch",
    "move",
    "declare",
    "analyze",
    "explain",
    "describe",
    "use",
    "kill",
    "flush",
    "savepoint",
    "release",
    "checkpoint",
    "values",
];
/// First words of statements whose work is written elsewhere.
const OPAQUE: [&str; 3] = ["call", "do", "execute"];
/// First words of statements that change no rows. MySQL commits before them, and before two others.
const DEFINITIONS: [&str; 6] = ["create", "alter", "drop", "rename", "grant", "revoke"];
const COMMITTING: [&str; 2] = ["truncate", "lock"];

/// What a statement does to its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Control {
    Begins,
    Ends,
    /// `COMMIT AND CHAIN`: the next one begins at once.
    EndsAndBegins,
    Savepoint(String),
    RollsBackTo(String),
    /// `SET autocommit`.
    Autocommit(bool),
    /// MySQL commits before it.
    CommitsFirst,
}

/// A statement of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatementText {
    pub text: String,
    /// Without values, cut.
    pub shape: String,
    /// A short comment in it, which names who sends it.
    pub comment: Option<String>,
    pub control: Option<Control>,
    /// In the order in which it takes them.
    pub locks: Vec<TableLock>,
    /// False when it may lock what isn't known.
    pub is_understood: bool,
}

/// Reads texts.
#[derive(Debug)]
pub(super) struct StatementTexts {
    dialect: Dialect,
    known: HashMap<String, Arc<StatementText>>,
}

impl StatementTexts {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, known: HashMap::new() }
    }

    pub fn read(&mut self, text: &str) -> Arc<StatementText> {
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        let read = Arc::new(read(text, self.dialect));
        if self.known.len() >= MOST_TEXTS {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), Arc::clone(&read));
        read
    }
}

fn read(text: &str, dialect: Dialect) -> StatementText {
    let plain = without_comments(text).trim().trim_end_matches(';').to_lowercase();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let plain = words.join(" ");
    let control = control(&words, &plain, dialect);
    let first = words.first().copied().unwrap_or_default();
    let (locks, is_understood) = match &control {
        Some(Control::CommitsFirst) | None => locks(text, first, &plain, dialect),
        Some(_) => (Vec::new(), !plain.contains(';')),
    };
    StatementText {
        text: text.to_owned(),
        shape: shape(text),
        comment: comment(text),
        control,
        locks,
        is_understood,
    }
}

fn locks(text: &str, first: &str, plain: &str, dialect: Dialect) -> (Vec<TableLock>, bool) {
    let reads = first == "select" && !plain.contains("for ") && !plain.contains("lock in share");
    if first.is_empty() || ((reads || WITHOUT_LOCKS.contains(&first)) && !plain.contains(';')) {
        return (Vec::new(), true);
    }
    if OPAQUE.contains(&first) {
        return (Vec::new(), false);
    }
    match analyse(text, dialect) {
        // Several statements at once may hold several transactions.
        Analysis::Known(facts) => {
            let is_understood = !(facts.controls_transaction && facts.statements > 1);
            (facts.locks, is_understood)
        }
        Analysis::Unknown => (Vec::new(), DEFINITIONS.contains(&first)),
    }
}

fn control(words: &[&str], plain: &str, dialect: Dialect) -> Option<Control> {
    let chain = plain.contains("and chain") && !plain.contains("and no chain");
    let ends = if chain { Control::EndsAndBegins } else { Control::Ends };
    let name = |word: &str| word.trim_matches(['"', '`']).to_owned();
    match words {
        ["begin", ..] | ["start", "transaction", ..] => Some(Control::Begins),
        ["rollback", "to", "savepoint", to, ..]
        | ["rollback", "work" | "transaction", "to", "savepoint", to, ..]
        | ["rollback", "to", to, ..]
        | ["rollback", "work" | "transaction", "to", to, ..] => Some(Control::RollsBackTo(name(to))),
        ["commit" | "end" | "rollback" | "abort", ..] => Some(ends),
        ["savepoint", to, ..] => Some(Control::Savepoint(name(to))),
        ["set", ..] if dialect == Dialect::MySql && plain.contains("autocommit") => {
            let value = plain.rsplit(['=', ' ']).next().unwrap_or_default();
            Some(Control::Autocommit(!matches!(value, "0" | "off" | "false")))
        }
        [first, ..] if DEFINITIONS.contains(first) || COMMITTING.contains(first) => {
            (dialect == Dialect::MySql).then_some(Control::CommitsFirst)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_of_transactions_is_read_from_the_words() {
        for (text, expected) in [
            ("BEGIN", Some(Control::Begins)),
            ("/* pay */ start transaction read write", Some(Control::Begins)),
            ("COMMIT;", Some(Control::Ends)),
            ("ROLLBACK AND CHAIN", Some(Control::EndsAndBegins)),
            ("rollback to savepoint \"s1\"", Some(Control::RollsBackTo("s1".to_owned()))),
            ("ROLLBACK WORK TO s1", Some(Control::RollsBackTo("s1".to_owned()))),
            ("SAVEPOINT s1", Some(Control::Savepoint("s1".to_owned()))),
            ("SET autocommit = 0", Some(Control::Autocommit(false))),
            ("SET @@session.autocommit=ON", Some(Control::Autocommit(true))),
            ("CREATE TABLE t (a int)", Some(Control::CommitsFirst)),
            ("SELECT 1", None),
            ("UPDATE t SET autocommit = 0", None),
        ] {
            assert_eq!(read(text, Dialect::MySql).control, expected, "{text}");
        }
        assert_eq!(read("CREATE TABLE t (a int)", Dialect::Postgres).control, None);
    }

    #[test]
    fn what_may_lock_and_is_not_read_is_not_understood() {
        for (text, tables, is_understood) in [
            ("SELECT * FROM a", vec![], true),
            ("SELECT * FROM a\nFOR UPDATE", vec!["a"], true),
            ("SELECT 'x' FROM a WHERE b = 'say for example'", vec![], true),
            ("SET search_path = x", vec![], true),
            ("UPDATE a SET b = 1; UPDATE c SET b = 1", vec!["a", "c"], true),
            ("BEGIN; UPDATE a SET b = 1; COMMIT", vec!["a"], false),
            ("UPDATE a SET b = 1; COMMIT; UPDATE c SET b = 1", vec!["a", "c"], false),
            ("DO $$ BEGIN PERFORM 1; END $$", vec![], false),
            ("CALL pay(1)", vec![], false),
            ("", vec![], true),
        ] {
            let read = read(text, Dialect::Postgres);
            let named: Vec<&str> = read.locks.iter().map(|lock| lock.table.as_str()).collect();
            assert_eq!((named, read.is_understood), (tables, is_understood), "{text}");
        }
    }
}
