//! Who else uses a database, and how much is in it.

use super::{Failure, Session};
use crate::dialect::Dialect;

/// Sessions of ours have names that begin with `deadheat`.
const POSTGRES: &str = "
    SELECT (SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'
               AND pid <> pg_backend_pid() AND application_name NOT LIKE 'deadheat%'),
           pg_database_size(current_database())";
/// Without the `PROCESS` privilege only the sessions of the same user are seen.
const MYSQL: &str = "
    SELECT (SELECT COUNT(*) FROM information_schema.processlist
             WHERE db = DATABASE() AND id <> CONNECTION_ID()),
           (SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED)
              FROM information_schema.tables WHERE table_schema = DATABASE())";

/// How a database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Sessions of others in it.
    pub clients: u64,
    /// Bytes that it takes on disk.
    pub bytes: u64,
}

impl Usage {
    /// Asks the server. `None` where there is none: a file of SQLite is used by whoever opens it.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ask(session: &mut Session) -> Result<Option<Self>, Failure> {
        let sql = match session.dialect() {
            Dialect::Postgres => POSTGRES,
            Dialect::MySql => MYSQL,
            Dialect::Sqlite => return Ok(None),
        };
        let rows = session.query(sql, &[]).await?;
        let number = |index: usize| {
            let value = rows.rows.first().and_then(|row| row.values().get(index)?.as_i64());
            value.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
        };
        Ok(Some(Self { clients: number(0), bytes: number(1) }))
    }
}
