//! Who waits for whom, asked of the server.
//!
//! One statement over `pg_locks` for the waiters and `pg_blocking_pids` for those that they wait
//! for; only sessions of this run are looked at and, where it is watched, the application's. `pg_blocking_pids` takes all partitions of the
//! lock table for a moment, so that the caller decides how often it asks.

use super::super::{Blocked, Failure, LockWait, Prepared, Session};
use crate::expression::Value;

/// A prepared question.
#[derive(Debug)]
pub struct PostgresWaitSampler {
    prepared: Prepared,
    prefix: Value,
    application: Value,
}

/// `waitstart` is there from PostgreSQL 14 on and null for the first moments of a wait; the time
/// since the statement began stands in for it.
const SAMPLE: &str = "
    SELECT l.pid,
           pg_blocking_pids(l.pid),
           (extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, a.query_start)) * 1000)::float8,
           coalesce(l.waitstart, a.query_start)::text,
           coalesce(l.relation, held.relation)::regclass::text,
           CASE WHEN coalesce(l.tuple, held.tuple) IS NOT NULL
                THEN format('(%s,%s)', coalesce(l.page, held.page), coalesce(l.tuple, held.tuple)) END
      FROM pg_locks l
      JOIN pg_stat_activity a ON a.pid = l.pid
      LEFT JOIN LATERAL (
           SELECT t.relation, t.page, t.tuple FROM pg_locks t
            WHERE t.pid = l.pid AND t.locktype = 'tuple' AND l.locktype = 'transactionid' LIMIT 1) held ON true
     WHERE NOT l.granted
       AND (starts_with(a.application_name, $1)
            OR ($2::bool AND a.datname = current_database() AND NOT starts_with(a.application_name, 'deadheat')))";

/// Sessions that wait for this one, or for one that does. `pg_locks` isn't cached within a
/// transaction, as `pg_stat_activity` is.
pub const COUNT_BLOCKED: &str = "
    WITH RECURSIVE waiting AS (
        SELECT DISTINCT pid, pg_blocking_pids(pid) AS blockers FROM pg_locks WHERE NOT granted),
    blocked AS (
        SELECT pid FROM waiting WHERE pg_backend_pid() = ANY(blockers)
        UNION
        SELECT w.pid FROM waiting w JOIN blocked b ON b.pid = ANY(w.blockers))
    SELECT count(*) FROM blocked";

/// Which of the sessions `$1` wait, and for whom.
pub const BLOCKED: &str = "
    SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest($1::int4[]) AS pid
     WHERE cardinality(pg_blocking_pids(pid)) > 0";

/// A row of [`BLOCKED`].
pub fn blocked(values: &[Value]) -> Option<Blocked> {
    let [session, blockers] = values else { return None };
    let pid = |value: &Value| value.as_i64().and_then(|pid| i32::try_from(pid).ok());
    let by = blockers.try_iter().ok()?.filter_map(|value| pid(&value)).collect();
    Some(Blocked { session: pid(session)?, by })
}

impl PostgresWaitSampler {
    /// Prepares the question for sessions whose application name begins with `prefix`; with
    /// `application` also for those in the same database that aren't deadheat's.
    ///
    /// # Errors
    /// When the server doesn't know the columns (before PostgreSQL 14) or refuses.
    pub async fn prepare(session: &mut Session, prefix: &str, application: bool) -> Result<Self, Failure> {
        let prepared = session.prepare(SAMPLE, &[]).await?;
        Ok(Self { prepared, prefix: Value::from(prefix), application: Value::from(application) })
    }

    /// Asks once.
    ///
    /// # Errors
    /// What the server or the connection answered.
    pub async fn sample(&self, session: &mut Session) -> Result<Vec<LockWait>, Failure> {
        let values = [self.prefix.clone(), self.application.clone()];
        let rows = session.execute(&self.prepared, &values, true).await?;
        Ok(rows.rows.iter().filter_map(|row| wait(row.values())).collect())
    }
}

fn wait(values: &[Value]) -> Option<LockWait> {
    let [waiting, blocking, waited, since, table, row] = values else { return None };
    let pid = |value: &Value| value.as_i64().and_then(|pid| i32::try_from(pid).ok());
    Some(LockWait {
        waiting: pid(waiting)?,
        blocking: blocking.try_iter().ok()?.filter_map(|value| pid(&value)).collect(),
        waited_ms: f64::try_from(waited.clone()).ok()?.max(0.0),
        since: since.as_str()?.to_owned(),
        table: table.as_str().map(str::to_owned),
        row: row.as_str().map(str::to_owned),
    })
}
