//! The tables of the history.

use sqlx::{Executor, SqliteConnection};

use super::HistoryError;

/// `PRAGMA application_id`: `dhhi` in ASCII.
const APPLICATION_ID: i64 = 0x6468_6869;
/// `PRAGMA user_version`: counts up when the tables change.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    scenario TEXT NOT NULL,
    file TEXT NOT NULL,
    started_at TEXT NOT NULL,
    verdict TEXT NOT NULL,
    seed TEXT NOT NULL,
    operations INTEGER NOT NULL,
    throughput REAL NOT NULL,
    latency_p95 REAL,
    bytes INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE TABLE baselines (
    scenario TEXT NOT NULL,
    name TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number),
    PRIMARY KEY (scenario, name)
);
CREATE INDEX baselines_by_run ON baselines (run);
";

/// Makes the tables in an empty file, and refuses a file that is somebody else's. Called inside a
/// transaction that holds the lock for writing, so that of several processes one makes them.
pub(super) async fn prepare(connection: &mut SqliteConnection, path: &str) -> Result<(), HistoryError> {
    let failed =
        |error: sqlx::Error| HistoryError::Database { path: path.to_owned(), message: error.to_string() };
    let (application,): (i64,) =
        sqlx::query_as("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    let (version,): (i64,) =
        sqlx::query_as("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let (tables,): (i64,) = sqlx::query_as("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if application == 0 && version == 0 && tables == 0 {
        let script =
            format!("{TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(script))).await.map_err(failed)?;
        return Ok(());
    }
    if application != APPLICATION_ID {
        return Err(HistoryError::Foreign { path: path.to_owned() });
    }
    if version > VERSION {
        return Err(HistoryError::Later { path: path.to_owned(), version });
    }
    Ok(())
}
