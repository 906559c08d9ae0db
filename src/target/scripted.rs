//! A session that answers from a script: the engine's behaviour without a server.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::Failure;
use crate::{expression::Rows, outcome::Isolation};

/// What the next call is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Success, with rows.
    Rows(Rows),
    /// A failure.
    Failure(Failure),
}

/// Answers in order, and a record of what was asked. When the answers have run out, every call
/// succeeds.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    answers: VecDeque<(String, Answer)>,
    asked: Vec<String>,
}

impl Script {
    /// The next call whose text begins with `prefix` is answered with `answer`.
    #[must_use]
    pub fn answer(self, prefix: &str, answer: Answer) -> Self {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answers
            .push_back((prefix.to_owned(), answer));
        self
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

/// A session without a server.
#[derive(Debug)]
pub struct ScriptedSession {
    script: Script,
    lost: bool,
}

impl ScriptedSession {
    pub(super) fn new(script: Script) -> Self {
        Self { script, lost: false }
    }

    pub(super) fn begin(&mut self, isolation: Option<Isolation>) -> Result<Option<Isolation>, Failure> {
        self.execute("BEGIN")?;
        Ok(isolation)
    }

    pub(super) fn execute(&mut self, sql: &str) -> Result<Rows, Failure> {
        let mut inner = self.script.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked.push(sql.to_owned());
        let found = inner.answers.iter().position(|(prefix, _)| sql.starts_with(prefix.as_str()));
        match found.and_then(|index| inner.answers.remove(index)) {
            None => Ok(Rows { affected: 1, ..Rows::default() }),
            Some((_, Answer::Rows(rows))) => Ok(rows),
            Some((_, Answer::Failure(failure))) => {
                self.lost |= failure.connection_lost;
                Err(failure)
            }
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }
}
