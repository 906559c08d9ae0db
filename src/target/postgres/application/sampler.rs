//! The questions, and what their answers tell.
//!
//! A sample is three statements: activity, locks, activity again. The server reads neither view at one
//! moment, so that only a session that did the same thing before and after is believed: its state, its
//! snapshot and its locks then belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::super::{ApplicationSample, Failure, Prepared, Session},
    locks::{OrderedTables, Ranked, TableLocks},
};
use crate::{
    application::{ApplicationSession, ApplicationTransaction, names_table},
    expression::{Row, Value},
    outcome::LevelEvidence,
};

/// Prepared questions.
#[derive(Debug)]
pub struct PostgresApplicationSampler {
    activity: Prepared,
    locks: Prepared,
    again: Prepared,
    tables: OrderedTables,
}

/// Of a session whose activity is hidden, state and `backend_type` are null. Background processes have no
/// user.
const ACTIVITY: &str = "
    SELECT pid, application_name, state, xact_start::text,
           (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8,
           (extract(epoch FROM clock_timestamp() - state_change) * 1000)::float8,
           state_change::text, query, backend_xmin IS NOT NULL, backend_xid IS NOT NULL
      FROM pg_stat_activity
     WHERE datname = current_database() AND usesysid IS NOT NULL
       AND coalesce(backend_type, 'client backend') = 'client backend'
       AND NOT starts_with(application_name, 'deadheat')";

const AGAIN: &str = "
    SELECT pid, state_change::text FROM pg_stat_activity
     WHERE datname = current_database() AND xact_start IS NOT NULL
       AND NOT starts_with(application_name, 'deadheat')";

/// For each process its transaction under way, told from an earlier one, whose `SIReadLock`s outlive
/// it, by the lock on its own virtual number. Relations with lower OIDs are the server's.
/// `AccessShareLock` on a row is what `FOR KEY SHARE` waits with: a foreign key, and nothing that
/// the application orders.
const LOCKS: &str = "
    SELECT l.pid,
           bool_or(l.mode = 'SIReadLock'),
           coalesce(bool_or(l.granted AND l.locktype = 'relation' AND c.relkind IN ('i', 'I')
                            AND l.mode IN ('AccessShareLock', 'RowShareLock')), false),
           bool_or(l.granted AND l.locktype = 'relation'
                   AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')),
           array_agg(l.relation::int8) FILTER (WHERE l.granted AND l.locktype = 'relation'
                                               AND l.mode = 'RowShareLock'),
           array_agg(l.relation::int8) FILTER (WHERE l.granted AND l.locktype = 'relation'
                                               AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'SIReadLock')),
           bool_or(NOT l.granted),
           max(l.relation::int8) FILTER (WHERE (l.locktype = 'tuple' AND l.mode NOT IN ('AccessShareLock', 'SIReadLock'))
                                            OR (l.locktype = 'relation' AND NOT l.granted))
      FROM pg_locks l
      LEFT JOIN pg_class c ON c.oid = l.relation AND l.locktype = 'relation'
     WHERE l.pid = ANY($1::int4[]) AND (l.relation IS NULL OR l.relation::int8 >= 16384)
     GROUP BY l.pid, l.virtualtransaction
    HAVING bool_or(l.locktype = 'virtualxid' AND l.granted AND l.virtualxid = l.virtualtransaction)";

const TABLES: &str = "
    SELECT c.oid::int8, r.relname::text
      FROM pg_class c
      JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND r.relname::text = ANY($1::text[])
       AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

const FOREIGN_KEYS: &str = "SELECT conrelid::int8, confrelid::int8 FROM pg_constraint WHERE contype = 'f'";

const SESSIONS: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND usesysid IS NOT NULL
       AND coalesce(backend_type, 'client backend') = 'client backend'
       AND NOT starts_with(application_name, 'deadheat')";

/// Of those with this prefix: deadheat's own.
const OWN_SESSIONS: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND starts_with(application_name, $1)";

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Statements that are cut by the server's default `track_activity_query_size` have this many bytes.
const CUT: usize = 1023;

impl PostgresApplicationSampler {
    /// Prepares the questions for a declared lock order.
    ///
    /// # Errors
    /// When the server refuses.
    pub(in crate::target) async fn prepare(
        session: &mut Session,
        lock_order: &[String],
    ) -> Result<Self, Failure> {
        let mut tables = OrderedTables { names: lock_order.to_vec(), ..OrderedTables::default() };
        if !lock_order.is_empty() {
            let found = session.query(TABLES, &[Value::from(lock_order.to_vec())]).await?;
            for row in &found.rows {
                let name = row.values().get(1).and_then(Value::as_str).unwrap_or_default();
                if let (Some(oid), Some(place)) =
                    (row.values()[0].as_i64(), lock_order.iter().position(|table| table == name))
                {
                    tables.ranks.insert(oid, place);
                }
            }
            let keys = session.query(FOREIGN_KEYS, &[]).await?;
            let ends = |row: &Row| Some((row.values().first()?.as_i64()?, row.values().get(1)?.as_i64()?));
            tables.foreign_keys = keys.rows.iter().filter_map(ends).collect();
        }
        Ok(Self {
            activity: session.prepare(ACTIVITY, &[]).await?,
            locks: session.prepare(LOCKS, &[]).await?,
            again: session.prepare(AGAIN, &[]).await?,
            tables,
        })
    }

    /// Asks once.
    ///
    /// # Errors
    /// What the server or the connection answered.
    pub(in crate::target) async fn sample(
        &self,
        session: &mut Session,
    ) -> Result<ApplicationSample, Failure> {
        let activity = session.execute(&self.activity, &[], true).await?;
        let activity: Vec<Activity> = activity.rows.iter().filter_map(Activity::read).collect();
        let processes: Vec<i32> =
            activity.iter().filter(|one| one.begun.is_some()).map(|one| one.process).collect();
        let (mut locks, mut unchanged) = (BTreeMap::new(), BTreeMap::new());
        if !processes.is_empty() {
            let rows = session.execute(&self.locks, &[Value::from(processes)], true).await?;
            locks = rows.rows.iter().filter_map(Locks::read).collect();
            let rows = session.execute(&self.again, &[], true).await?;
            unchanged = rows.rows.iter().filter_map(moment).collect();
        }
        let mut sample = ApplicationSample::default();
        for one in activity {
            sample.hidden += u64::from(one.is_hidden);
            sample.untracked += u64::from(one.state.as_deref() == Some("disabled"));
            let is_same = unchanged.get(&one.process) == Some(&one.since);
            let locks = locks.remove(&one.process).filter(|_| is_same);
            sample.sessions.push(self.session(one, locks));
        }
        Ok(sample)
    }

    fn session(&self, activity: Activity, locks: Option<Locks>) -> ApplicationSession {
        let Activity {
            process,
            is_hidden: _,
            name,
            state,
            begun,
            age_ms,
            state_ms,
            since: _,
            statement,
            xmin,
            xid,
        } = activity;
        let is_idle = state.as_deref() == Some("idle in transaction");
        let transaction = begun.map(|begun| {
            let level = locks
                .as_ref()
                .and_then(|locks| locks.level(is_idle && leaves_no_portal(&statement), is_idle, xmin, xid));
            let mut transaction = ApplicationTransaction {
                begun,
                age_ms,
                idle_ms: state
                    .is_some_and(|state| state.starts_with("idle in transaction"))
                    .then_some(state_ms),
                statement,
                level,
                locked: BTreeSet::new(),
                doubtful: BTreeSet::new(),
                locked_earlier: BTreeSet::new(),
                waits_for: None,
            };
            if let Some(locks) = locks {
                self.follow(&mut transaction, &locks);
            }
            transaction
        });
        ApplicationSession { process, name, transaction }
    }

    fn follow(&self, transaction: &mut ApplicationTransaction, locks: &Locks) {
        let Ranked { sure, doubtful } = self.tables.rank(&locks.tables);
        if locks.waits && transaction.statement.len() < CUT {
            transaction.waits_for =
                locks.waited_table.and_then(|table| self.tables.ranks.get(&table).copied());
            // A lock on a table that the statement doesn't name was there before it.
            let is_earlier =
                |place: &&usize| !names_table(&transaction.statement, &self.tables.names[**place]);
            transaction.locked_earlier = sure.iter().filter(is_earlier).copied().collect();
        }
        (transaction.locked, transaction.doubtful) = (sure, doubtful);
    }
}

/// How many sessions of the application there are.
///
/// # Errors
/// What the server or the connection answered.
pub(in crate::target) async fn application_sessions(session: &mut Session) -> Result<u64, Failure> {
    count(session, SESSIONS, &[]).await
}

/// How many sessions there are whose name begins with a prefix.
///
/// # Errors
/// What the server or the connection answered.
pub(in crate::target) async fn own_sessions(session: &mut Session, prefix: &str) -> Result<u64, Failure> {
    count(session, OWN_SESSIONS, &[Value::from(prefix)]).await
}

/// Deadlocks that the server has counted in the database so far. A session tells its own at the end of
/// a transaction, at most once a second, when it has been idle for ten seconds, and when it ends.
///
/// # Errors
/// What the server or the connection answered.
pub(in crate::target) async fn count_deadlocks(session: &mut Session) -> Result<u64, Failure> {
    count(session, DEADLOCKS, &[]).await
}

async fn count(session: &mut Session, sql: &str, values: &[Value]) -> Result<u64, Failure> {
    let rows = session.query(sql, values).await?;
    Ok(rows.single().as_i64().and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}

/// One row of the first question.
struct Activity {
    process: i32,
    is_hidden: bool,
    name: String,
    state: Option<String>,
    begun: Option<String>,
    age_ms: f64,
    state_ms: f64,
    since: String,
    statement: String,
    xmin: bool,
    xid: bool,
}

impl Activity {
    fn read(row: &Row) -> Option<Self> {
        let [process, name, state, begun, age, in_state, since, statement, xmin, xid] = row.values() else {
            return None;
        };
        let millis = |value: &Value| f64::try_from(value.clone()).unwrap_or_default().max(0.0);
        Some(Self {
            process: process_of(process)?,
            is_hidden: statement.as_str() == Some("<insufficient privilege>"),
            name: name.as_str().unwrap_or_default().to_owned(),
            state: state.as_str().map(str::to_owned),
            begun: begun.as_str().map(str::to_owned),
            age_ms: millis(age),
            state_ms: millis(in_state),
            since: since.as_str().unwrap_or_default().to_owned(),
            statement: statement.as_str().unwrap_or_default().to_owned(),
            xmin: xmin.is_true(),
            xid: xid.is_true(),
        })
    }
}

/// One row of the second question.
struct Locks {
    noted_reads: bool,
    read_by_index: bool,
    used: bool,
    tables: TableLocks,
    waits: bool,
    waited_table: Option<i64>,
}

impl Locks {
    fn read(row: &Row) -> Option<(i32, Self)> {
        let [process, noted, read, used, shared, exclusive, waits, waited] = row.values() else {
            return None;
        };
        let tables = |value: &Value| {
            value.try_iter().map(|list| list.filter_map(|oid| oid.as_i64()).collect()).unwrap_or_default()
        };
        let locks = Self {
            noted_reads: noted.is_true(),
            read_by_index: read.is_true(),
            used: used.is_true(),
            tables: TableLocks { shared: tables(shared), exclusive: tables(exclusive) },
            waits: waits.is_true(),
            waited_table: waited.as_i64(),
        };
        Some((process_of(process)?, locks))
    }

    /// `xmin`: a snapshot is held. `xid`: something was written or a row locked. `is_settled`: it isn't held
    /// for the last statement.
    fn level(&self, is_settled: bool, is_idle: bool, xmin: bool, xid: bool) -> Option<LevelEvidence> {
        match (self.noted_reads, is_idle && self.used, xmin) {
            (true, _, _) => Some(LevelEvidence::Serializable),
            (false, false, _) => None,
            (false, true, false) => Some(LevelEvidence::ReadCommitted),
            (false, true, true) if !is_settled => None,
            (false, true, true) if xid && self.read_by_index => Some(LevelEvidence::RepeatableRead),
            (false, true, true) => Some(LevelEvidence::SnapshotHeld),
        }
    }
}

/// True for statements that return no rows. NB: with the extended protocol, which most drivers speak,
/// what returns rows keeps its portal, and with it its snapshot, until the session's next statement,
/// at READ COMMITTED too (`PortalRun` marks only the other kinds as done).
fn leaves_no_portal(statement: &str) -> bool {
    let mut words =
        statement.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let is_write = words.next().is_some_and(|first| {
        ["insert", "update", "delete", "merge"].iter().any(|write| first.eq_ignore_ascii_case(write))
    });
    is_write && statement.len() < CUT && !words.any(|word| word.eq_ignore_ascii_case("returning"))
}

fn process_of(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|process| i32::try_from(process).ok())
}

fn moment(row: &Row) -> Option<(i32, String)> {
    let [process, since] = row.values() else { return None };
    Some((process_of(process)?, since.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_returns_no_rows_leaves_no_portal() {
        assert!(leaves_no_portal("UPDATE t SET n = 1"));
        assert!(leaves_no_portal("  insert into t values (1) on conflict do nothing"));
        for statement in [
            "SELECT 1",
            "UPDATE t SET n = 1 RETURNING n",
            "WITH x AS (SELECT 1) UPDATE t SET n = 1",
            "/* comment */ SELECT 1",
            "FETCH 1 FROM c",
            "",
            &format!("UPDATE t SET n = '{}'", "x".repeat(2000)),
        ] {
            assert!(!leaves_no_portal(statement), "{statement}");
        }
    }
}
