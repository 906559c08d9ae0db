//! Which sessions of a race wait, on MySQL and MariaDB.
//!
//! Row locks are told by the engine's status, metadata locks and locks of `GET_LOCK()` by the process list,
//! both at once. The engine breaks a deadlock as soon as a wait has closed the circle, so that nobody has
//! to ask who waits for whom.

use super::super::{Failure, Session};
use crate::expression::Value;

/// Questions about some sessions.
#[derive(Debug)]
pub struct MySqlBlockedProbe {
    threads: Vec<i32>,
}

/// Those of a service that is asked work in the same database.
const SESSIONS_HERE: &str = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()";
/// ER_NO_SUCH_THREAD: it has gone by itself.
const GONE: &str = "1094";

impl MySqlBlockedProbe {
    pub(in crate::target) fn new(threads: &[i32]) -> Self {
        Self { threads: threads.to_vec() }
    }

    pub(in crate::target) async fn blocked(
        &self,
        session: &mut Session,
        of: &[i32],
        known: &[i32],
    ) -> Result<Vec<i32>, Failure> {
        let mut blocked = Self::waiting(session, of).await?;
        if known.iter().any(|thread| !blocked.contains(thread)) {
            return Ok(Vec::new());
        }
        blocked.retain(|thread| of.contains(thread));
        if blocked.is_empty() || known.is_empty() {
            return Ok(blocked);
        }
        // A wait shows before the engine has looked for a circle.
        let again = Self::waiting(session, of).await?;
        if known.iter().any(|thread| !again.contains(thread)) {
            return Ok(Vec::new());
        }
        blocked.retain(|thread| again.contains(thread));
        Ok(blocked)
    }

    /// Everybody who waits. The process list is asked only when one of `of` doesn't wait for a row.
    async fn waiting(session: &mut Session, of: &[i32]) -> Result<Vec<i32>, Failure> {
        let Session::MySql(session) = session else {
            unreachable!("a probe asks the kind of session that it was made for")
        };
        let mut waiting = session.waiting_for_rows().await?;
        if of.iter().any(|thread| !waiting.contains(thread)) {
            waiting.extend(session.waiting_otherwise().await?);
        }
        Ok(waiting)
    }

    pub(in crate::target) async fn waiting_strangers(
        &self,
        session: &mut Session,
    ) -> Result<Vec<i32>, Failure> {
        let rows = session.query(SESSIONS_HERE, &[]).await?.rows;
        let thread = |value: &Value| value.as_i64().and_then(|id| i32::try_from(id).ok());
        let here: Vec<i32> = rows.iter().filter_map(|row| thread(row.values().first()?)).collect();
        let mut waiting = Self::waiting(session, &here).await?;
        waiting.retain(|thread| here.contains(thread) && !self.threads.contains(thread));
        Ok(waiting)
    }

    pub(in crate::target) async fn cancel_strangers(&self, session: &mut Session) -> Result<(), Failure> {
        for thread in self.waiting_strangers(session).await? {
            Self::cancel(session, thread).await?;
        }
        Ok(())
    }

    pub(in crate::target) async fn cancel(session: &mut Session, thread: i32) -> Result<(), Failure> {
        match session.script(&format!("KILL QUERY {thread}")).await {
            Err(failure) if failure.code.as_deref() != Some(GONE) => Err(failure),
            _ => Ok(()),
        }
    }
}
