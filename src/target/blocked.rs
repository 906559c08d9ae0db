//! Which sessions of a race wait for one another, asked of any database that tells.

use super::{Failure, Session, mysql::MySqlBlockedProbe, postgres::PostgresBlockedProbe};
use crate::dialect::Dialect;

/// Questions about the sessions of a race.
#[derive(Debug)]
pub enum BlockedProbe {
    Postgres(Box<PostgresBlockedProbe>),
    MySql(MySqlBlockedProbe),
    /// Nobody waits: without a `busy_timeout`, who can't go on fails.
    Sqlite,
}

impl BlockedProbe {
    /// Prepares the questions for the sessions with these numbers.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn prepare(session: &mut Session, pids: &[i32]) -> Result<Self, Failure> {
        Ok(match session.dialect() {
            Dialect::Postgres => {
                Self::Postgres(Box::new(PostgresBlockedProbe::prepare(session, pids).await?))
            }
            Dialect::MySql => Self::MySql(MySqlBlockedProbe::new(pids)),
            Dialect::Sqlite => Self::Sqlite,
        })
    }

    /// Those of these sessions that wait. `known` waited when they were last looked at: while one of them
    /// doesn't any more, a server that breaks deadlocks at once may have made it the victim of a wait
    /// that has just begun, and then nobody is said to wait before it is heard of.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn blocked(
        &self,
        session: &mut Session,
        of: &[i32],
        known: &[i32],
    ) -> Result<Vec<i32>, Failure> {
        match self {
            Self::Postgres(probe) => probe.blocked(session, of).await,
            Self::MySql(probe) => probe.blocked(session, of, known).await,
            Self::Sqlite => Ok(Vec::new()),
        }
    }

    /// A circle of waits is never seen standing: whoever closes it, or another one in it, has failed before.
    pub fn breaks_deadlocks_at_once(&self) -> bool {
        match self {
            Self::Postgres(_) | Self::Sqlite => false,
            Self::MySql(_) => true,
        }
    }

    /// Who waits for whom, where a circle of waits stands for a while: pairs of a waiting session and one
    /// that it waits for, which may be a stranger.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn blockers(&self, session: &mut Session) -> Result<Vec<(i32, i32)>, Failure> {
        match self {
            Self::Postgres(probe) => probe.blockers(session).await,
            Self::MySql(_) | Self::Sqlite => Ok(Vec::new()),
        }
    }

    /// True when a session that isn't the race's waits for a lock.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn is_stranger_waiting(&self, session: &mut Session) -> Result<bool, Failure> {
        match self {
            Self::Postgres(probe) => probe.is_stranger_waiting(session).await,
            Self::MySql(probe) => Ok(!probe.waiting_strangers(session).await?.is_empty()),
            Self::Sqlite => Ok(false),
        }
    }

    /// Cancels what sessions that aren't the race's wait for a lock with.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn cancel_strangers(&self, session: &mut Session) -> Result<(), Failure> {
        match self {
            Self::Postgres(probe) => probe.cancel_strangers(session).await,
            Self::MySql(probe) => probe.cancel_strangers(session).await,
            Self::Sqlite => Ok(()),
        }
    }

    /// Cancels what a session is doing.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn cancel(&self, session: &mut Session, of: i32) -> Result<(), Failure> {
        match self {
            Self::Postgres(probe) => probe.cancel(session, of).await,
            Self::MySql(_) => MySqlBlockedProbe::cancel(session, of).await,
            Self::Sqlite => Ok(()),
        }
    }
}
