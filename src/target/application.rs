//! What the sessions of the application under test are doing, asked of any database that tells.

use super::{
    Failure, Session, mysql::MySqlApplicationSampler, postgres, postgres::PostgresApplicationSampler,
};
use crate::application::ApplicationSession;

/// All sessions at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicationSample {
    pub sessions: Vec<ApplicationSession>,
    /// Sessions of another user, whose activity the server doesn't show to ours.
    pub hidden: u64,
    /// Sessions that the server doesn't follow: PostgreSQL's with `track_activities` off.
    pub untracked: u64,
}

/// Prepared questions.
#[derive(Debug)]
pub enum ApplicationSampler {
    Postgres(Box<PostgresApplicationSampler>),
    MySql(MySqlApplicationSampler),
}

impl ApplicationSampler {
    /// Prepares the questions for a declared lock order. `None`: the database doesn't tell.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn prepare(session: &mut Session, lock_order: &[String]) -> Result<Option<Self>, Failure> {
        match session {
            Session::Postgres(_) | Session::Scripts(_) => {
                let sampler = PostgresApplicationSampler::prepare(session, lock_order).await?;
                Ok(Some(Self::Postgres(Box::new(sampler))))
            }
            Session::MySql(_) => Ok(Some(Self::MySql(MySqlApplicationSampler::new(lock_order)))),
            Session::Sqlite(_) | Session::Scripted(_) => Ok(None),
        }
    }

    /// Asks once; `None` when there is nothing new to see yet.
    ///
    /// # Errors
    /// What the server or the connection answered.
    pub async fn sample(&self, session: &mut Session) -> Result<Option<ApplicationSample>, Failure> {
        match (self, session) {
            (Self::Postgres(sampler), session) => sampler.sample(session).await.map(Some),
            (Self::MySql(sampler), Session::MySql(session)) => sampler.sample(session).await,
            (Self::MySql(_), _) => unreachable!("a sampler asks the kind of session that prepared it"),
        }
    }

    /// How often it is worth asking in a row: only a transaction that is seen again tells in which order it
    /// locks, and InnoDB shows the same for a tenth of a second.
    pub fn looks(&self) -> usize {
        match self {
            Self::Postgres(_) => 4,
            Self::MySql(_) => 1,
        }
    }
}

/// How many sessions of the application there are that may still have deadlocks to tell: PostgreSQL's tell
/// theirs late, InnoDB counts each at once.
///
/// # Errors
/// What the server or the connection answered.
pub async fn application_sessions(session: &mut Session) -> Result<u64, Failure> {
    match session {
        Session::Postgres(_) | Session::Scripts(_) => postgres::application_sessions(session).await,
        Session::MySql(_) | Session::Sqlite(_) | Session::Scripted(_) => Ok(0),
    }
}

/// The same of sessions of deadheat's own whose name begins with `prefix`.
///
/// # Errors
/// What the server or the connection answered.
pub async fn own_sessions(session: &mut Session, prefix: &str) -> Result<u64, Failure> {
    match session {
        Session::Postgres(_) | Session::Scripts(_) => postgres::own_sessions(session, prefix).await,
        Session::MySql(_) | Session::Sqlite(_) | Session::Scripted(_) => Ok(0),
    }
}

/// Deadlocks that the database has counted so far: PostgreSQL by database, late; MySQL and MariaDB for
/// the whole server, at once. `None`: it doesn't count them.
///
/// # Errors
/// What the server or the connection answered.
pub async fn count_deadlocks(session: &mut Session) -> Result<Option<u64>, Failure> {
    match session {
        Session::Postgres(_) | Session::Scripts(_) => postgres::count_deadlocks(session).await.map(Some),
        Session::MySql(_) | Session::Sqlite(_) | Session::Scripted(_) => session.deadlocks_so_far().await,
    }
}
