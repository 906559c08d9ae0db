//! A session: one connection, held for its life.
//!
//! One `match` per difference between databases. No call may be cancelled half-way: a driver
//! that is dropped in the middle of a statement leaves the connection in an unknown state, so
//! that time limits are the server's.

use std::{sync::Arc, time::Duration};

use super::{
    Answers, Failure,
    postgres::{ConnectError, Endpoint, PostgresSession, PreparedStatement},
    scripted::{Script, ScriptedSession},
};
use crate::{
    expression::{Rows, Value},
    outcome::Isolation,
};

/// What is set once, when a session begins.
#[derive(Debug, Clone, Default)]
pub struct SessionSettings {
    /// Shown in the server's activity view; cut to 63 bytes by the server.
    pub application_name: String,
    /// Schema that unqualified names are looked up in first.
    pub schema: Option<String>,
    pub statement_timeout: Option<Duration>,
    pub lock_timeout: Option<Duration>,
    /// How many statements the session keeps prepared.
    pub statements: usize,
}

/// A statement that the server has parsed, with the types of its parameters and columns.
#[derive(Debug, Clone)]
pub enum Prepared {
    Postgres(Arc<PreparedStatement>),
    /// Sent as it is, without parameters.
    Script(Arc<str>),
    Scripted(Arc<str>),
}

impl Prepared {
    /// The names of the columns that it returns.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Postgres(statement) => statement.columns().iter().map(|name| name.to_string()).collect(),
            Self::Script(_) | Self::Scripted(_) => Vec::new(),
        }
    }
}

/// One connection to a database.
#[derive(Debug)]
pub enum Session {
    Postgres(Box<PostgresSession>),
    Scripted(ScriptedSession),
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// Why the server can't be reached or refuses; never with a password in it.
    pub async fn connect(endpoint: &Endpoint, settings: &SessionSettings) -> Result<Self, ConnectError> {
        let session = PostgresSession::connect(endpoint, settings).await?;
        Ok(Self::Postgres(Box::new(session)))
    }

    /// A session that answers from a script, for tests.
    pub fn scripted(script: Script) -> Self {
        Self::Scripted(ScriptedSession::new(script))
    }

    /// The server's number for this session; 0 when it has none.
    pub fn server_id(&self) -> i32 {
        match self {
            Self::Postgres(session) => session.pid(),
            Self::Scripted(_) => 0,
        }
    }

    /// Lets the server parse a statement and tell its types.
    pub async fn prepare(&mut self, sql: &str, placeholders: &[usize]) -> Result<Prepared, Failure> {
        match self {
            Self::Postgres(session) => session
                .prepare(sql, placeholders)
                .await
                .map(|statement| Prepared::Postgres(Arc::new(statement))),
            Self::Scripted(_) => Ok(Prepared::Scripted(sql.into())),
        }
    }

    /// Begins a transaction and reads back the level in force, in one message.
    pub async fn begin(&mut self, isolation: Option<Isolation>) -> Result<Option<Isolation>, Failure> {
        match self {
            Self::Postgres(session) => session.begin(isolation).await,
            Self::Scripted(session) => session.begin(isolation),
        }
    }

    /// Executes a prepared statement. Rows are returned only when `fetch` is set.
    pub async fn execute(
        &mut self,
        prepared: &Prepared,
        values: &[Value],
        fetch: bool,
    ) -> Result<Rows, Failure> {
        match (self, prepared) {
            (Self::Postgres(session), Prepared::Postgres(statement)) => {
                session.execute(statement, values, fetch).await
            }
            (Self::Scripted(session), Prepared::Scripted(sql)) => session.execute(sql),
            (session, Prepared::Script(sql)) => {
                let Answers { rows, affected, failure, .. } = session.answers(sql).await;
                failure.map_or(Ok(Rows { rows, affected }), Err)
            }
            _ => unreachable!("a statement is executed by the kind of session that prepared it"),
        }
    }

    /// Commits. A failure with `connection_lost` means that it may have happened.
    pub async fn commit(&mut self) -> Result<(), Failure> {
        match self {
            Self::Postgres(session) => session.run("COMMIT").await,
            Self::Scripted(session) => session.execute("COMMIT").map(drop),
        }
    }

    /// Rolls back.
    pub async fn rollback(&mut self) -> Result<(), Failure> {
        match self {
            Self::Postgres(session) => session.run("ROLLBACK").await,
            Self::Scripted(session) => session.execute("ROLLBACK").map(drop),
        }
    }

    /// Runs a script of one or several statements, without values or rows.
    pub async fn script(&mut self, sql: &str) -> Result<(), Failure> {
        match self {
            Self::Postgres(session) => session.script(sql).await,
            Self::Scripted(session) => session.execute(sql).map(drop),
        }
    }

    /// Runs a script and returns every result of it. Failures are among the answers.
    pub async fn answers(&mut self, sql: &str) -> Answers {
        match self {
            Self::Postgres(session) => session.answers(sql).await,
            Self::Scripted(session) => match session.execute(sql) {
                Ok(rows) => Answers { rows: rows.rows, affected: rows.affected, ..Answers::default() },
                Err(failure) => Answers { failure: Some(failure), ..Answers::default() },
            },
        }
    }

    /// Prepares and executes a statement that is used once.
    pub async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Rows, Failure> {
        let prepared = self.prepare(sql, &[]).await?;
        self.execute(&prepared, values, true).await
    }

    /// How many sessions wait for a lock that this one holds, or for one that waits for it.
    pub async fn count_blocked(&mut self) -> Result<u64, Failure> {
        let rows = match self {
            Self::Postgres(_) => self.query(super::postgres::COUNT_BLOCKED, &[]).await?,
            Self::Scripted(session) => session.execute("blocked")?,
        };
        let counted = rows.single().as_i64().and_then(|count| u64::try_from(count).ok());
        Ok(counted.unwrap_or_default())
    }

    /// True when the connection is gone.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Postgres(session) => session.is_lost(),
            Self::Scripted(session) => session.is_lost(),
        }
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        if let Self::Postgres(session) = self {
            session.close().await;
        }
    }
}
