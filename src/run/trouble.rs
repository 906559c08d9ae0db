//! Why a run couldn't be made.

use crate::{
    fixture::{LedgerError, MigrationError, SeedError},
    scenario::{Problem, Problems},
    target::{ConnectError, Failure, embedded::EmbeddedError},
};

/// Why there is no result.
#[derive(Debug)]
pub enum RunError {
    /// The scenario is wrong: exit status 2. Holds its own source.
    Scenario(Problems),
    /// Ended by a signal before the load began; everything was removed: exit status 130.
    Interrupted,
    /// Target or fixtures: exit status 3.
    CouldNotRun(Trouble),
}

/// Something that kept the run from being made, with what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// A lower-case fragment.
    pub message: String,
    /// The server's detail, or what else belongs to it.
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Trouble {
    /// A trouble without further words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None, hint: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failed statement of deadheat's own.
    pub fn failure(what: &str, failure: &Failure) -> Self {
        Self {
            message: format!("{what}: {failure}"),
            detail: failure.detail.clone(),
            hint: failure.hint.clone(),
        }
    }
}

impl From<Trouble> for RunError {
    fn from(trouble: Trouble) -> Self {
        Self::CouldNotRun(trouble)
    }
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { message: error.to_string(), detail: None, hint }
    }
}

impl From<EmbeddedError> for Trouble {
    fn from(error: EmbeddedError) -> Self {
        let hint = error.hint().map(|hint| hint.to_string());
        Self { message: error.to_string(), detail: None, hint }
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        let hint = Some(error.hint().to_owned());
        Self { message: error.to_string(), detail: None, hint }
    }
}

impl From<MigrationError> for Trouble {
    fn from(error: MigrationError) -> Self {
        let (detail, hint) = match &error {
            MigrationError::Failed { failure, .. } => (failure.detail.clone(), failure.hint.clone()),
            _ => (None, None),
        };
        Self { message: error.to_string(), detail, hint }
    }
}

impl From<SeedError> for Trouble {
    fn from(error: SeedError) -> Self {
        let (detail, hint) = match &error {
            SeedError::Insert { failure, .. } => (failure.detail.clone(), failure.hint.clone()),
            SeedError::Key { .. } => {
                (None, Some("give the target `migrations`, or the table a primary key".to_owned()))
            }
            _ => (None, None),
        };
        Self { message: error.to_string(), detail, hint }
    }
}

/// A statement of the scenario that the server doesn't take, at its place in the file.
pub(super) fn statement_problem(scalar: &std::ops::Range<usize>, what: &str, failure: &Failure) -> Problem {
    let mut problem = Problem::error(format!("{what} doesn't prepare: {failure}")).at(scalar.clone());
    if let Some(detail) = &failure.detail {
        problem = problem.label(detail.clone());
    }
    match &failure.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}
