//! Which sessions of a race wait for one another.
//!
//! `pg_isolation_test_session_is_blocked` is what PostgreSQL's own isolation tester asks: only blockers
//! among the sessions given count, and a safe snapshot that is waited for counts too. Which session
//! waits for which is asked of `pg_blocking_pids` only when somebody has to wait for a blocked one.

use super::super::{Failure, Prepared, Session};
use crate::expression::Value;

/// Prepared questions about some sessions.
#[derive(Debug)]
pub struct PostgresBlockedProbe {
    blocked: Prepared,
    blockers: Prepared,
    cancel: Prepared,
    strangers: Prepared,
    cancel_strangers: Prepared,
    pids: Value,
}

const BLOCKED: &str = "SELECT pid FROM unnest($1::int4[]) AS pid
     WHERE pg_isolation_test_session_is_blocked(pid, $2::int4[])";
const BLOCKERS: &str = "SELECT waiting, blocking
      FROM unnest($1::int4[]) AS waiting, unnest(pg_blocking_pids(waiting)) AS blocking";

/// Sessions that aren't the race's and wait for a lock in this database: those of a service that is asked.
const STRANGERS: &str = "pg_stat_activity a
     WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> ALL ($1::int4[])
       AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted)";

impl PostgresBlockedProbe {
    /// Prepares the questions for the sessions with these numbers.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn prepare(session: &mut Session, pids: &[i32]) -> Result<Self, Failure> {
        Ok(Self {
            blocked: session.prepare(BLOCKED, &[]).await?,
            blockers: session.prepare(BLOCKERS, &[]).await?,
            cancel: session.prepare("SELECT pg_cancel_backend($1)", &[]).await?,
            strangers: session.prepare(&format!("SELECT count(*) FROM {STRANGERS}"), &[]).await?,
            cancel_strangers: session
                .prepare(&format!("SELECT pg_cancel_backend(a.pid) FROM {STRANGERS}"), &[])
                .await?,
            pids: pids.iter().map(|pid| Value::from(*pid)).collect(),
        })
    }

    /// Those of these sessions that wait for another one of the race.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn blocked(&self, session: &mut Session, of: &[i32]) -> Result<Vec<i32>, Failure> {
        let of: Value = of.iter().map(|pid| Value::from(*pid)).collect();
        let rows = session.execute(&self.blocked, &[of, self.pids.clone()], true).await?;
        Ok(rows.rows.iter().filter_map(|row| pid(row.values().first()?)).collect())
    }

    /// Who waits for whom: pairs of a waiting session and one that it waits for, which may be a stranger.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn blockers(&self, session: &mut Session) -> Result<Vec<(i32, i32)>, Failure> {
        let rows = session.execute(&self.blockers, std::slice::from_ref(&self.pids), true).await?;
        Ok(rows
            .rows
            .iter()
            .filter_map(|row| Some((pid(row.values().first()?)?, pid(row.values().get(1)?)?)))
            .collect())
    }

    /// True when a session that isn't the race's waits for a lock.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn is_stranger_waiting(&self, session: &mut Session) -> Result<bool, Failure> {
        let rows = session.execute(&self.strangers, std::slice::from_ref(&self.pids), true).await?;
        Ok(rows.single().as_i64().is_some_and(|count| count > 0))
    }

    /// Cancels what sessions that aren't the race's wait for a lock with.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn cancel_strangers(&self, session: &mut Session) -> Result<(), Failure> {
        session.execute(&self.cancel_strangers, std::slice::from_ref(&self.pids), false).await.map(drop)
    }

    /// Cancels what a session is doing.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn cancel(&self, session: &mut Session, of: i32) -> Result<(), Failure> {
        session.execute(&self.cancel, &[Value::from(of)], false).await.map(drop)
    }
}

fn pid(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}
