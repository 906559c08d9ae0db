//! Who waits for whom, asked of any database that tells.

use std::time::Duration;

use super::{Failure, Session, mysql::MySqlWaitSampler, postgres::PostgresWaitSampler};

/// A session that waits for a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct LockWait {
    /// Server process or connection that waits.
    pub waiting: i32,
    /// Those that it waits for.
    pub blocking: Vec<i32>,
    /// How long it has waited so far, in milliseconds.
    pub waited_ms: f64,
    /// When the wait began, as the server writes it: tells one wait of a session from another.
    pub since: String,
    /// The table, when the lock is on a table or on a row of one.
    pub table: Option<String>,
    /// The row, where the server tells: on PostgreSQL its place, which changes with each update; on MySQL
    /// and MariaDB index and key.
    pub row: Option<String>,
}

/// A session that can't go on before another one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub session: i32,
    /// Those that it waits for; empty when the server only tells that it waits.
    pub by: Vec<i32>,
}

/// A prepared question.
#[derive(Debug)]
pub enum WaitSampler {
    Postgres(PostgresWaitSampler),
    MySql(MySqlWaitSampler),
}

impl WaitSampler {
    /// Prepares the question for sessions whose application name begins with `prefix`, with `application`
    /// also for those that aren't deadheat's; on MySQL for all sessions. `None`: the database doesn't tell.
    ///
    /// # Errors
    /// When the server doesn't know the question (before PostgreSQL 14) or refuses.
    pub async fn prepare(
        session: &mut Session,
        prefix: &str,
        application: bool,
    ) -> Result<Option<Self>, Failure> {
        match session {
            Session::Postgres(_) => PostgresWaitSampler::prepare(session, prefix, application)
                .await
                .map(|sampler| Some(Self::Postgres(sampler))),
            Session::MySql(_) => Ok(Some(Self::MySql(MySqlWaitSampler::default()))),
            Session::Scripts(_) | Session::Sqlite(_) | Session::Scripted(_) => Ok(None),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// What the server or the connection answered.
    pub async fn sample(&self, session: &mut Session) -> Result<Vec<LockWait>, Failure> {
        match (self, session) {
            (Self::Postgres(sampler), session) => sampler.sample(session).await,
            (Self::MySql(sampler), Session::MySql(session)) => sampler.sample(session).await,
            (Self::MySql(_), _) => unreachable!("a sampler asks the kind of session that prepared it"),
        }
    }

    /// The shortest pause after which there is something new to see.
    pub fn shortest_pause(&self) -> Duration {
        match self {
            Self::Postgres(_) => Duration::from_millis(20),
            Self::MySql(_) => super::mysql::RENEWAL,
        }
    }
}
