//! A server's log: every statement of every session, and every deadlock.
//!
//! A running server's private folder comes in, [`crate::application::LoggedEvent`]s go out, in the order in
//! which each session did them. The log is on between [`StatementLog::begin`] and [`StatementLog::end`] alone.
//! It is read while it is written, and what was read is removed, so that it takes a bounded place. On a server
//! of the user's nothing is turned on or removed: what it tells anyway is read. Absent on
//! purpose: what the statements lock, which `measure` finds out.

mod mysql;
mod mysql_entries;
mod mysql_shared;
mod postgres;
mod postgres_shared;
mod tail;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::embedded::ServerKind;
use crate::{
    application::LoggedEvent,
    dialect::Dialect,
    target::{Failure, Session},
};

/// A file of the log that is larger than this is followed by another one.
const LARGEST_FILE: u64 = 16 << 20;
/// Of unread files no more than this is kept: what is older is given up.
const MOST_UNREAD: u64 = 256 << 20;
/// How long a server may take to turn its log on.
const LONGEST_TURN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);

/// Why there is no log to read.
#[derive(Debug, thiserror::Error)]
pub enum StatementLogError {
    #[error("the server's log can't be turned on: {0}")]
    Unreachable(String),
    #[error("the server doesn't turn its log on: {0}")]
    Refused(Box<Failure>),
    #[error("the server doesn't turn its log on: its settings forbid it")]
    Forbidden,
    #[error("the server's log can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("reading the server's log failed")]
    Failed,
    #[error("the server tells neither deadlocks nor statements")]
    NotOffered,
    #[error("PostgreSQL {0} writes no log that can be read: 15 and later do")]
    TooOld(String),
}

impl From<Failure> for StatementLogError {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}

/// The log of one server.
#[derive(Debug)]
pub struct StatementLog {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Postgres(postgres::PostgresLog),
    MySql(mysql::MySqlLog),
    SharedPostgres(postgres_shared::SharedLog),
    SharedMySql(mysql_shared::SharedLog),
}

/// What a server has to be started with, so that its log can be turned on later.
pub(super) fn settings(kind: ServerKind, folder: &Path) -> Vec<(String, String)> {
    match kind {
        ServerKind::Postgres => postgres::settings(folder),
        ServerKind::MySql => mysql::settings(),
    }
}

/// What a server with a log says while it starts: PostgreSQL's collector has it.
pub(super) fn said_at_start(folder: &Path) -> String {
    let Ok(files) = fs::read_dir(postgres::log_folder(folder)) else { return String::new() };
    files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
}

impl StatementLog {
    /// What a server tells that isn't ours; `None`: nothing of the kind.
    pub fn shared(dialect: Dialect) -> Option<Self> {
        let place = match dialect {
            Dialect::Postgres => Place::SharedPostgres(postgres_shared::SharedLog::default()),
            Dialect::MySql => Place::SharedMySql(mysql_shared::SharedLog::default()),
            Dialect::Sqlite => return None,
        };
        Some(Self { place })
    }

    pub(super) fn new(kind: ServerKind, folder: &Path, version: &str) -> Result<Self, StatementLogError> {
        let folder: PathBuf = folder.to_owned();
        let place = match kind {
            ServerKind::Postgres => Place::Postgres(postgres::PostgresLog::new(&folder, version)?),
            ServerKind::MySql => Place::MySql(mysql::MySqlLog::new(folder)),
        };
        Ok(Self { place })
    }

    /// Turns the log on: `statements` too, or deadlocks alone. Tells whether statements will be read.
    ///
    /// # Errors
    /// When the server refuses, or its log can't be read.
    pub async fn begin(
        &mut self,
        session: &mut Session,
        statements: bool,
    ) -> Result<bool, StatementLogError> {
        match &mut self.place {
            Place::Postgres(log) => log.begin(session, statements).await?,
            Place::MySql(log) => log.begin(session, statements).await?,
            Place::SharedPostgres(log) => return log.begin(session, statements).await,
            Place::SharedMySql(log) => return log.begin(session, statements).await,
        }
        Ok(statements)
    }

    /// Reads what came since the last time, and lets the server begin another file where it doesn't by
    /// itself.
    ///
    /// # Errors
    /// When the log can't be read.
    pub async fn read(
        &mut self,
        session: &mut Session,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<(), StatementLogError> {
        match &mut self.place {
            Place::Postgres(log) => Ok(log.read(tell)?),
            Place::MySql(log) => log.read(session, tell).await,
            Place::SharedPostgres(log) => log.read(session, tell).await,
            Place::SharedMySql(log) => log.read(session, tell).await,
        }
    }

    /// Turns the log off.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn end(&mut self, session: &mut Session) -> Result<(), StatementLogError> {
        match &mut self.place {
            Place::Postgres(log) => log.end(session).await,
            Place::MySql(log) => log.end(session).await,
            Place::SharedPostgres(_) => Ok(()),
            Place::SharedMySql(log) => {
                log.end();
                Ok(())
            }
        }
    }
}
