//! A session: one connection, held for its life.
//!
//! One `match` per difference between databases. No call may be cancelled half-way: a driver
//! that is dropped in the middle of a statement leaves the connection in an unknown state, so
//! that time limits are the server's.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Answers, ConnectError, Ears, Endpoint, Failure,
    endpoint::Place,
    mysql::{MySqlSession, MySqlStatement},
    postgres::{PostgresSession, PreparedStatement, ScriptSession},
    scripted::{Script, ScriptedSession},
    sqlite::{SqliteSession, SqliteStatement},
};
use crate::{
    dialect::{Begin, Dialect},
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
    /// Longest wait for an answer, after which the connection is given up; a default when `None`.
    pub longest_answer: Option<Duration>,
    /// How many statements the session keeps prepared.
    pub statements: usize,
}

/// A statement that the server has parsed, with the types of its parameters and columns.
#[derive(Debug, Clone)]
pub enum Prepared {
    Postgres(Arc<PreparedStatement>),
    MySql(Arc<MySqlStatement>),
    Sqlite(Arc<SqliteStatement>),
    /// Sent as it is, without parameters.
    Script(Arc<str>),
    Scripted(Arc<str>),
}

impl Prepared {
    /// The names of the columns that it returns.
    pub fn columns(&self) -> Vec<String> {
        let names = match self {
            Self::Postgres(statement) => statement.columns(),
            Self::MySql(statement) => statement.columns(),
            Self::Sqlite(statement) => statement.columns(),
            Self::Script(_) | Self::Scripted(_) => &[],
        };
        names.iter().map(|name| name.to_string()).collect()
    }
}

/// One connection to a database.
#[derive(Debug)]
pub enum Session {
    Postgres(Box<PostgresSession>),
    /// For scripts alone.
    Scripts(Box<ScriptSession>),
    MySql(Box<MySqlSession>),
    Sqlite(Box<SqliteSession>),
    Scripted(ScriptedSession),
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// Why the server can't be reached or refuses; never with a password in it.
    pub async fn connect(endpoint: &Endpoint, settings: &SessionSettings) -> Result<Self, ConnectError> {
        Ok(match &endpoint.place {
            Place::Postgres(place) => {
                Self::Postgres(Box::new(PostgresSession::connect(place, settings).await?))
            }
            Place::MySql(place) => Self::MySql(Box::new(MySqlSession::connect(place, settings).await?)),
            Place::Sqlite(place) => Self::Sqlite(Box::new(SqliteSession::connect(place, settings).await?)),
        })
    }

    /// The kind of database.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) | Self::Scripts(_) | Self::Scripted(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Connects for nothing but scripts. Such a session hears everything that the server says, where the
    /// connection needn't be encrypted; otherwise it is one as any other.
    ///
    /// # Errors
    /// As with [`Session::connect`].
    pub async fn connect_for_scripts(
        endpoint: &Endpoint,
        settings: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        match &endpoint.place {
            Place::Postgres(place) if !ScriptSession::is_refused_by(place) => {
                Ok(Self::Scripts(Box::new(ScriptSession::connect(place, settings).await?)))
            }
            _ => Self::connect(endpoint, settings).await,
        }
    }

    /// What the server says unasked, when the session hears it.
    pub fn ears(&self) -> Option<Ears> {
        match self {
            Self::Scripts(session) => Some(session.ears()),
            Self::Postgres(_) | Self::MySql(_) | Self::Sqlite(_) | Self::Scripted(_) => None,
        }
    }

    /// A session that answers from a script, for tests.
    pub fn scripted(script: Script) -> Self {
        Self::Scripted(ScriptedSession::new(script))
    }

    /// The server's number for this session; 0 when it has none.
    pub fn server_id(&self) -> i32 {
        match self {
            Self::Postgres(session) => session.pid(),
            Self::Scripts(session) => session.pid(),
            Self::MySql(session) => session.thread(),
            Self::Sqlite(_) | Self::Scripted(_) => 0,
        }
    }

    /// Numbers of the connections of deadheat's own, where they have no name by which they are known.
    pub fn connections_of_ours(&self) -> BTreeSet<i32> {
        match self {
            Self::MySql(session) => session.threads_of_ours(),
            _ => BTreeSet::new(),
        }
    }

    /// Lets the server parse a statement and tell its types.
    pub async fn prepare(&mut self, sql: &str, placeholders: &[usize]) -> Result<Prepared, Failure> {
        match self {
            Self::Postgres(session) => session
                .prepare(sql, placeholders)
                .await
                .map(|statement| Prepared::Postgres(Arc::new(statement))),
            Self::Scripts(_) => Ok(Prepared::Script(sql.into())),
            Self::MySql(session) => {
                session.prepare(sql).await.map(|statement| Prepared::MySql(Arc::new(statement)))
            }
            Self::Sqlite(session) => {
                session.prepare(sql).await.map(|statement| Prepared::Sqlite(Arc::new(statement)))
            }
            Self::Scripted(_) => Ok(Prepared::Scripted(sql.into())),
        }
    }

    /// Begins a transaction, in one message, and reads back the level in force where that costs no
    /// message of its own. `begin` is for SQLite.
    pub async fn begin(
        &mut self,
        isolation: Option<Isolation>,
        begin: Begin,
    ) -> Result<Option<Isolation>, Failure> {
        match self {
            Self::Postgres(session) => session.begin(isolation).await,
            Self::Scripts(session) => session.begin(isolation).await,
            Self::MySql(session) => session.begin(isolation).await.map(|()| None),
            // There is no other.
            Self::Sqlite(session) => session.begin(begin).await.map(|()| Some(Isolation::Serializable)),
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
            (Self::MySql(session), Prepared::MySql(statement)) => {
                session.execute(statement, values, fetch).await
            }
            (Self::Sqlite(session), Prepared::Sqlite(statement)) => {
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
            Self::Postgres(session) => session.connection.run("COMMIT").await,
            Self::Scripts(session) => session.script("COMMIT").await,
            Self::MySql(session) => session.connection.run("COMMIT").await,
            Self::Sqlite(session) => session.connection.run("COMMIT").await,
            Self::Scripted(session) => session.execute("COMMIT").map(drop),
        }
    }

    /// Rolls back.
    pub async fn rollback(&mut self) -> Result<(), Failure> {
        match self {
            Self::Postgres(session) => session.connection.run("ROLLBACK").await,
            Self::Scripts(session) => session.script("ROLLBACK").await,
            Self::MySql(session) => session.connection.run("ROLLBACK").await,
            Self::Sqlite(session) => session.rollback().await,
            Self::Scripted(session) => session.execute("ROLLBACK").map(drop),
        }
    }

    /// Runs a script of one or several statements, without values or rows.
    pub async fn script(&mut self, sql: &str) -> Result<(), Failure> {
        match self {
            Self::Postgres(session) => session.connection.script(sql).await,
            Self::Scripts(session) => session.script(sql).await,
            Self::MySql(session) => session.connection.script(sql).await,
            Self::Sqlite(session) => session.connection.script(sql).await,
            Self::Scripted(session) => session.execute(sql).map(drop),
        }
    }

    /// Removes all that is in the session's schema; other sessions stay in it.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn empty_schema(&mut self, schema: &str) -> Result<(), Failure> {
        let schema = self.dialect().quote(schema);
        match self {
            Self::MySql(session) => {
                let sql = format!("DROP DATABASE {schema}; CREATE DATABASE {schema}; USE {schema}");
                session.connection.script(&sql).await
            }
            Self::Sqlite(session) => session.drop_everything().await,
            other => other.script(&format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")).await,
        }
    }

    /// From here on rows that are deleted stay in the indexes, where MySQL purges them when it comes round
    /// to it: what locks cover depends on them, and mustn't depend on chance.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn keep_old_rows(&mut self) -> Result<(), Failure> {
        match self {
            Self::MySql(session) => {
                session.connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await
            }
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => Ok(()),
        }
    }

    /// Old rows may go, and the session sees what others have committed since.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn release_old_rows(&mut self) -> Result<(), Failure> {
        match self {
            Self::MySql(session) => session.connection.run("COMMIT").await,
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => Ok(()),
        }
    }

    /// Runs a script and returns every result of it. Failures are among the answers.
    pub async fn answers(&mut self, sql: &str) -> Answers {
        match self {
            Self::Postgres(session) => session.answers(sql).await,
            Self::Scripts(session) => session.answers(sql).await,
            Self::MySql(session) => session.answers(sql).await,
            Self::Sqlite(session) => session.answers(sql).await,
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

    /// The level in force of every transaction under way, by session, where it isn't read back when a
    /// transaction begins; `None` when there is nothing new to see.
    pub async fn levels_in_force(&mut self) -> Result<Option<Vec<(i32, Isolation)>>, Failure> {
        match self {
            Self::MySql(session) => session.levels_in_force().await,
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => Ok(None),
        }
    }

    /// Whether an `INSERT` can return the rows that it made. MySQL's can't, MariaDB's can.
    pub fn returns_inserted(&self) -> bool {
        match self {
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => true,
            Self::MySql(session) => session.is_mariadb(),
        }
    }

    /// True when the connection is gone.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Postgres(session) => session.connection.is_lost(),
            Self::Scripts(session) => session.is_lost(),
            Self::MySql(session) => session.connection.is_lost(),
            Self::Sqlite(session) => session.connection.is_lost(),
            Self::Scripted(session) => session.is_lost(),
        }
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        match self {
            Self::Postgres(session) => session.connection.close().await,
            Self::MySql(session) => session.connection.close().await,
            Self::Sqlite(session) => session.connection.close().await,
            // Its connection ends with it.
            Self::Scripts(_) | Self::Scripted(_) => {}
        }
    }
}
