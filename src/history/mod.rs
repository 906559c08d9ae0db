//! Runs that were kept: a small SQLite file beside the scenarios, `.deadheat/history.sqlite`.
//!
//! Result documents go in as text and come out as text; what is in them is for others to read. A room of
//! its own, because `target` reaches the databases under test, and this one is ours.

mod folder;
mod schema;
mod store;

pub use folder::{exists, path};
pub use store::{Kept, Limits, Store, Summary};

/// Why the history can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("can't make {path}: {error}")]
    Make { path: String, error: std::io::Error },
    #[error("can't use {path}: {message}")]
    Database { path: String, message: String },
    #[error("{path} isn't a history of deadheat")]
    Foreign { path: String },
    #[error("{path} was written by a later deadheat (version {version})")]
    Later { path: String, version: i64 },
    #[error("the document of run {run_id} is damaged")]
    Damaged { run_id: String },
    #[error("{count} baselines are kept already")]
    TooManyBaselines { count: usize },
    #[error("the result document takes {megabytes} MB, packed, and at most {most} MB are kept of a run")]
    TooLarge { megabytes: u64, most: u64 },
}

impl HistoryError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Make { .. } => "the history is kept in the working directory; is it writable?",
            Self::Database { .. } => "another process may hold it; `--no-history` runs without it",
            Self::Foreign { .. } => "move the file away, and a new one is made",
            Self::Later { .. } => "use that version, or move the file away",
            Self::Damaged { .. } => "`deadheat history --forget RUN` removes it",
            Self::TooManyBaselines { .. } => "`deadheat history --forget NAME` removes one",
            Self::TooLarge { .. } => "keep it as a file with `--json PATH`; `compare` reads that too",
        }
    }
}
