//! What a session learns of locks: who waits for whom, and which deadlocks there were.

use super::{Blocked, CycleEdge, Deadlock, Failure, Session, cycle, postgres};
use crate::expression::Value;

impl Session {
    /// How many sessions wait for a lock that this one holds, or for one that waits for it.
    pub async fn count_blocked(&mut self) -> Result<u64, Failure> {
        let rows = match self {
            Self::Postgres(_) | Self::Scripts(_) => self.query(postgres::COUNT_BLOCKED, &[]).await?,
            Self::MySql(session) => return session.count_blocked().await,
            // `check` refuses gates on SQLite.
            Self::Sqlite(_) => return Ok(0),
            Self::Scripted(session) => session.execute("blocked")?,
        };
        let counted = rows.single().as_i64().and_then(|count| u64::try_from(count).ok());
        Ok(counted.unwrap_or_default())
    }

    /// Which of these sessions are blocked, and by which: at once on PostgreSQL and MySQL. MariaDB tells at
    /// once that a session waits, and for whom within 110 ms. SQLite's sessions fail instead of waiting,
    /// or wait without telling.
    ///
    /// # Errors
    /// What the server answered; on MySQL and MariaDB also without the `PROCESS` privilege.
    pub async fn blocked(&mut self, sessions: &[i32]) -> Result<Vec<Blocked>, Failure> {
        let mut blocked = match self {
            Self::Postgres(_) | Self::Scripts(_) => {
                let asked: Value = sessions.iter().map(|session| Value::from(*session)).collect();
                let rows = self.query(postgres::BLOCKED, &[asked]).await?;
                rows.rows.iter().filter_map(|row| postgres::blocked(row.values())).collect()
            }
            Self::MySql(session) => session.blocked().await?,
            Self::Sqlite(_) | Self::Scripted(_) => Vec::new(),
        };
        blocked.retain(|one: &Blocked| sessions.contains(&one.session));
        Ok(blocked)
    }

    /// The deadlock that the server resolved last, where it keeps one: MySQL and MariaDB.
    ///
    /// # Errors
    /// What the server answered; also without the `PROCESS` privilege.
    pub async fn latest_deadlock(&mut self) -> Result<Option<Deadlock>, Failure> {
        match self {
            Self::MySql(session) => session.latest_deadlock().await,
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => Ok(None),
        }
    }

    /// The cycle of the deadlock that this session was the victim of, beginning with it; empty when the
    /// server doesn't tell, or has resolved another deadlock since.
    ///
    /// # Errors
    /// What the server answered; on MySQL and MariaDB also without the `PROCESS` privilege.
    pub async fn deadlock_cycle(&mut self, failure: &Failure) -> Result<Vec<CycleEdge>, Failure> {
        match self {
            Self::Postgres(_) | Self::Scripts(_) => Ok(cycle::told(failure)),
            Self::MySql(session) => {
                let latest = session.latest_deadlock().await?;
                Ok(latest.map(|latest| cycle::of_status(&latest, session.thread())).unwrap_or_default())
            }
            Self::Sqlite(_) | Self::Scripted(_) => Ok(Vec::new()),
        }
    }

    /// True when the answer to a deadlock tells its cycle; otherwise the server has to be asked.
    pub fn tells_deadlocks(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::Scripts(_))
    }

    /// How many deadlocks the server has resolved since it was started; `None`: it doesn't count them
    /// (SQLite), or not for the session's database alone (PostgreSQL counts them by database, late).
    ///
    /// # Errors
    /// What the server answered.
    pub async fn deadlocks_so_far(&mut self) -> Result<Option<u64>, Failure> {
        match self {
            Self::MySql(session) => session.deadlocks_so_far().await,
            Self::Postgres(_) | Self::Scripts(_) | Self::Sqlite(_) | Self::Scripted(_) => Ok(None),
        }
    }
}
