//! InnoDB's own tables: who waits for whom, and at which level transactions run.
//!
//! `innodb_trx` and, on MariaDB, `innodb_lock_waits` show a copy that the server renews only when nobody
//! has read it for 100 ms: whoever asks more often sees the same for ever. So that all sessions of this
//! process together ask no more often, they share one [`View`]. On MySQL the waits are in the performance
//! schema and always fresh, but they come in the same question.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use minijinja::Value;
use tokio::sync::Mutex;

use super::{super::Failure, session::MySqlSession};
use crate::outcome::Isolation;

/// How old a view must be before it is taken again: a little more than the server's own 100 ms.
pub const RENEWAL: Duration = Duration::from_millis(110);

/// What all sessions with one server share.
pub(super) type SharedView = Arc<Mutex<View>>;

/// One look at the engine.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// When it was read.
    pub taken: Option<Instant>,
    pub transactions: Vec<EngineTransaction>,
    pub waits: Vec<EngineWait>,
}

/// A transaction under way in the engine. One begins there with its first statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EngineTransaction {
    /// The connection's number.
    pub thread: i32,
    /// Tells it from others of the connection, though not from one before it that only read as well,
    /// at the same level and within the same second.
    pub identity: String,
    /// It has a number of its own, which it is given when it locks or writes.
    pub has_number: bool,
    pub level: Option<Isolation>,
    /// What it carries out; `None` between two statements.
    pub statement: Option<String>,
}

/// A transaction that waits for another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EngineWait {
    /// Numbers of the connections.
    pub waiting: i32,
    pub blocking: i32,
    /// The lock that is asked for: tells one wait of a transaction from another.
    pub lock: String,
    /// The table, without its schema and quotes.
    pub table: Option<String>,
    /// It asks for more than to share a row, which a foreign key does.
    pub for_writing: bool,
    /// The table of the lock that is in the way.
    pub held_table: Option<String>,
    /// That lock is on rows, and exclusive: a foreign key takes none like it.
    pub held_for_writing: bool,
    /// Index and key of the row: `PRIMARY 17`.
    pub row: Option<String>,
}

/// In place of a number the engine shows an address with this bit.
const SHOWN_WITHOUT_NUMBER: u64 = 1 << 47;

const TRANSACTIONS: &str = "
    SELECT trx_mysql_thread_id, trx_isolation_level, CONCAT(trx_id, '/', trx_started), trx_query
      FROM information_schema.innodb_trx WHERE trx_mysql_thread_id > 0";

const MARIADB_WAITS: &str = "
    SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id, w.requested_lock_id,
           l.lock_table, l.lock_mode, h.lock_table, h.lock_mode, l.lock_index, l.lock_data
      FROM information_schema.innodb_lock_waits w
      JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
      JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id
      LEFT JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id
      LEFT JOIN information_schema.innodb_locks h ON h.lock_id = w.blocking_lock_id";

const MYSQL_WAITS: &str = "
    SELECT r.PROCESSLIST_ID, b.PROCESSLIST_ID, w.REQUESTING_ENGINE_LOCK_ID,
           l.OBJECT_NAME, l.LOCK_MODE, h.OBJECT_NAME, h.LOCK_MODE, l.INDEX_NAME, l.LOCK_DATA
      FROM performance_schema.data_lock_waits w
      JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID
      JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID
      LEFT JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID
      LEFT JOIN performance_schema.data_locks h ON h.ENGINE_LOCK_ID = w.BLOCKING_ENGINE_LOCK_ID";

impl View {
    /// The sessions that wait for `thread`, or for one that does.
    pub(super) fn blocked_by(&self, thread: i32) -> BTreeSet<i32> {
        let mut blocked = BTreeSet::new();
        loop {
            let before = blocked.len();
            for wait in &self.waits {
                if wait.waiting != thread && (wait.blocking == thread || blocked.contains(&wait.blocking)) {
                    blocked.insert(wait.waiting);
                }
            }
            if blocked.len() == before {
                return blocked;
            }
        }
    }
}

/// The view, not older than it must be, taken through `session` when it is; and whether it was taken
/// just now.
pub(super) async fn current(
    shared: &SharedView,
    session: &mut MySqlSession,
) -> Result<(View, bool), Failure> {
    let mut view = shared.lock().await;
    if view.taken.is_some_and(|taken| taken.elapsed() < RENEWAL) {
        return Ok((view.clone(), false));
    }
    let transactions = session.ask(TRANSACTIONS).await?;
    let waits = session.ask(if session.is_mariadb() { MARIADB_WAITS } else { MYSQL_WAITS }).await?;
    *view = View {
        // The server's 100 ms begin when the last reading ends.
        taken: Some(Instant::now()),
        transactions: transactions.rows.iter().filter_map(|row| transaction(row.values())).collect(),
        waits: waits.rows.iter().filter_map(|row| wait(row.values())).collect(),
    };
    Ok((view.clone(), true))
}

fn thread(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|thread| i32::try_from(thread).ok())
}

fn transaction(values: &[Value]) -> Option<EngineTransaction> {
    let [number, level, identity, statement] = values else { return None };
    let spelled = level.as_str().unwrap_or_default();
    let identity = identity.as_str().unwrap_or_default();
    let shown = identity.split('/').next().and_then(|shown| shown.parse::<u64>().ok());
    Some(EngineTransaction {
        thread: thread(number)?,
        identity: format!("{identity}/{spelled}"),
        has_number: shown.is_some_and(|number| number < SHOWN_WITHOUT_NUMBER),
        level: Isolation::from_server(spelled),
        statement: statement.as_str().map(str::to_owned),
    })
}

fn wait(values: &[Value]) -> Option<EngineWait> {
    let [waiting, blocking, lock, table, mode_asked, held_table, held_mode, index, key] = values else {
        return None;
    };
    let mode = |value: &Value| LockMode::read(value.as_str().unwrap_or_default());
    let (asked, held) = (mode(mode_asked), mode(held_mode));
    Some(EngineWait {
        waiting: thread(waiting)?,
        blocking: thread(blocking)?,
        lock: lock.to_string(),
        table: table.as_str().map(table_name),
        for_writing: asked.is_exclusive,
        held_table: held_table.as_str().map(table_name),
        held_for_writing: held.is_exclusive && !held.is_gap,
        row: index
            .as_str()
            .zip(key.as_str())
            .map(|(index, key)| format!("{} {key}", index.trim_matches('`'))),
    })
}

/// `X`, `S,GAP`, `X,REC_NOT_GAP`, `X,GAP,INSERT_INTENTION`
struct LockMode {
    is_exclusive: bool,
    /// It keeps others from inserting and locks no row.
    is_gap: bool,
}

impl LockMode {
    fn read(mode: &str) -> Self {
        let mut parts = mode.split(',');
        let is_exclusive = parts.next() == Some("X");
        Self { is_exclusive, is_gap: parts.any(|part| matches!(part, "GAP" | "INSERT_INTENTION")) }
    }
}

/// `` `shop`.`orders` `` is `orders`.
pub(super) fn table_name(qualified: &str) -> String {
    let last = qualified.rsplit("`.`").next().unwrap_or(qualified);
    last.trim_matches('`').replace("``", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_waiter_is_waiting() {
        let wait = |waiting, blocking| EngineWait { waiting, blocking, ..EngineWait::default() };
        let view = View { waits: vec![wait(3, 2), wait(2, 1), wait(5, 4)], ..View::default() };
        assert_eq!(view.blocked_by(1).into_iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(view.blocked_by(3).len(), 0);
        let circle = View { waits: vec![wait(1, 2), wait(2, 1)], ..View::default() };
        assert_eq!(circle.blocked_by(1).into_iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn modes_tell_rows_from_gaps() {
        for (mode, exclusive, gap) in [
            ("X", true, false),
            ("X,REC_NOT_GAP", true, false),
            ("S", false, false),
            ("X,GAP", true, true),
            ("X,GAP,INSERT_INTENTION", true, true),
            ("IX", false, false),
        ] {
            let read = LockMode::read(mode);
            assert_eq!((read.is_exclusive, read.is_gap), (exclusive, gap), "{mode}");
        }
    }

    #[test]
    fn tables_lose_their_schema_and_quotes() {
        assert_eq!(table_name("`deadheat_x`.`orders`"), "orders");
        assert_eq!(table_name("`a`.`b``.c`"), "b`.c");
        assert_eq!(table_name("orders"), "orders");
    }
}
