//! Runs in, runs out.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use super::{HistoryError, folder, schema};

/// How long a process waits for another one that is writing.
const PATIENCE: Duration = Duration::from_secs(20);
/// Far beyond what a document unpacks to: a damaged one must not fill the memory.
const LARGEST_UNPACKED: u64 = 512 * 1024 * 1024;

/// How much is kept. Runs that are a baseline aren't pruned.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub runs: i64,
    /// Of all packed documents that are no baseline.
    pub bytes: i64,
    /// Of one packed document.
    pub run_bytes: usize,
    pub baselines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 200, bytes: 64 * 1024 * 1024, run_bytes: 16 * 1024 * 1024, baselines: 50 }
    }
}

/// What a list shows of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub run_id: String,
    pub scenario: String,
    pub file: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// In one word.
    pub verdict: String,
    pub seed: u64,
    pub operations: u64,
    /// Per second.
    pub throughput: f64,
    /// Milliseconds.
    pub latency_p95: Option<f64>,
}

/// A run that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub summary: Summary,
    /// The names under which it is a baseline.
    pub baselines: Vec<String>,
}

/// The open history.
#[derive(Debug)]
pub struct Store {
    connection: SqliteConnection,
    path: String,
    limits: Limits,
}

impl Store {
    /// Opens the history, and makes it when it isn't there.
    ///
    /// # Errors
    /// When it can't be made or opened, or isn't one.
    pub async fn open(path: &Path, limits: Limits) -> Result<Self, HistoryError> {
        folder::make(path)?;
        let shown = path.display().to_string();
        let failed = |error: sqlx::Error| database(&shown, &error);
        // A rollback journal and full synchronisation: a run is kept whole or not at all, whatever is
        // killed, and only one file stays.
        let options = SqliteConnectOptions::new()
            .filename(PathBuf::from(path))
            .auto_vacuum(SqliteAutoVacuum::Full)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .disable_statement_logging();
        let mut connection = match options.connect().await {
            Ok(connection) => connection,
            // SQLITE_NOTADB
            Err(error) if code(&error).as_deref() == Some("26") => {
                return Err(HistoryError::Foreign { path: shown });
            }
            Err(error) => return Err(failed(error)),
        };
        run(&mut connection, "BEGIN IMMEDIATE").await.map_err(failed)?;
        let prepared = schema::prepare(&mut connection, &shown).await;
        run(&mut connection, if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.map_err(failed)?;
        prepared?;
        Ok(Self { connection, path: shown, limits })
    }

    /// Keeps a run, as a baseline too when a name is given, and forgets the oldest ones beyond the limits.
    ///
    /// # Errors
    /// When it is too large, or can't be written.
    pub async fn keep(
        &mut self,
        summary: &Summary,
        document: &str,
        baseline: Option<&str>,
    ) -> Result<(), HistoryError> {
        let packed = pack(document);
        if packed.len() > self.limits.run_bytes {
            let megabytes = |bytes: usize| (bytes as u64).div_ceil(1024 * 1024);
            return Err(HistoryError::TooLarge {
                megabytes: megabytes(packed.len()),
                most: megabytes(self.limits.run_bytes),
            });
        }
        run(&mut self.connection, "BEGIN IMMEDIATE").await.map_err(|error| self.failed(&error))?;
        let kept = self.insert(summary, &packed, baseline).await;
        let end = if kept.is_ok() { "COMMIT" } else { "ROLLBACK" };
        run(&mut self.connection, end).await.map_err(|error| self.failed(&error))?;
        kept
    }

    async fn insert(
        &mut self,
        summary: &Summary,
        packed: &[u8],
        baseline: Option<&str>,
    ) -> Result<(), HistoryError> {
        let path = self.path.clone();
        let failed = |error: sqlx::Error| database(&path, &error);
        let inserted = sqlx::query(
            "INSERT INTO runs (run_id, scenario, file, started_at, verdict, seed, operations, throughput, \
             latency_p95, bytes, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&summary.run_id)
        .bind(&summary.scenario)
        .bind(&summary.file)
        .bind(&summary.started_at)
        .bind(&summary.verdict)
        .bind(summary.seed.to_string())
        .bind(i64::try_from(summary.operations).unwrap_or(i64::MAX))
        .bind(summary.throughput)
        .bind(summary.latency_p95)
        .bind(i64::try_from(packed.len()).unwrap_or(i64::MAX))
        .bind(packed)
        .execute(&mut self.connection)
        .await
        .map_err(failed)?;
        if let Some(name) = baseline {
            sqlx::query("INSERT OR REPLACE INTO baselines (scenario, name, run) VALUES (?, ?, ?)")
                .bind(&summary.scenario)
                .bind(name)
                .bind(inserted.last_insert_rowid())
                .execute(&mut self.connection)
                .await
                .map_err(failed)?;
            let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM baselines")
                .fetch_one(&mut self.connection)
                .await
                .map_err(failed)?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > self.limits.baselines {
                return Err(HistoryError::TooManyBaselines { count: count - 1 });
            }
        }
        self.prune().await.map_err(failed)
    }

    /// Of the runs that are no baseline the latest stay, as many as fit.
    async fn prune(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query(
            "DELETE FROM runs WHERE number IN (
                 SELECT number FROM (
                     SELECT number, row_number() OVER latest AS place, sum(bytes) OVER latest AS total
                     FROM runs WHERE number NOT IN (SELECT run FROM baselines)
                     WINDOW latest AS (ORDER BY number DESC ROWS UNBOUNDED PRECEDING)
                 ) WHERE place > ? OR total > ?
             )",
        )
        .bind(self.limits.runs)
        .bind(self.limits.bytes)
        .execute(&mut self.connection)
        .await
        .map(drop)
    }

    /// The runs, latest first.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn list(&mut self) -> Result<Vec<Kept>, HistoryError> {
        let rows = sqlx::query(
            "SELECT run_id, scenario, file, started_at, verdict, seed, operations, throughput, latency_p95,
                    (SELECT group_concat(name, char(10)) FROM baselines WHERE run = number) AS names
             FROM runs ORDER BY number DESC",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.failed(&error))?;
        rows.iter().map(kept).collect::<Result<_, _>>().map_err(|error| self.failed(&error))
    }

    /// The documents of the runs that are called so: a run's id, or the name of a baseline, which may be one
    /// of several scenarios.
    ///
    /// # Errors
    /// When one can't be read.
    pub async fn find(&mut self, called: &str) -> Result<Vec<String>, HistoryError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT run_id, document FROM runs
             WHERE run_id = ?1 OR number IN (SELECT run FROM baselines WHERE name = ?1)
             ORDER BY number",
        )
        .bind(called)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.failed(&error))?;
        rows.into_iter()
            .map(|(run_id, packed)| unpack(&packed).ok_or(HistoryError::Damaged { run_id }))
            .collect()
    }

    /// Forgets a run, or the baselines of this name; returns how many runs or names are gone.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn forget(&mut self, called: &str) -> Result<u64, HistoryError> {
        run(&mut self.connection, "BEGIN IMMEDIATE").await.map_err(|error| self.failed(&error))?;
        let forgotten = self.remove(called).await;
        let end = if forgotten.is_ok() { "COMMIT" } else { "ROLLBACK" };
        run(&mut self.connection, end).await.map_err(|error| self.failed(&error))?;
        forgotten.map_err(|error| self.failed(&error))
    }

    async fn remove(&mut self, called: &str) -> Result<u64, sqlx::Error> {
        let names = sqlx::query(
            "DELETE FROM baselines WHERE name = ?1 OR run IN (SELECT number FROM runs WHERE run_id = ?1)",
        )
        .bind(called)
        .execute(&mut self.connection)
        .await?;
        let runs = sqlx::query("DELETE FROM runs WHERE run_id = ?1")
            .bind(called)
            .execute(&mut self.connection)
            .await?;
        self.prune().await?;
        Ok(names.rows_affected() + runs.rows_affected())
    }

    /// Closes the file.
    pub async fn close(self) {
        // Everything is committed by now.
        let _ = self.connection.close().await;
    }

    fn failed(&self, error: &sqlx::Error) -> HistoryError {
        database(&self.path, error)
    }
}

fn kept(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    let names: Option<String> = row.try_get("names")?;
    let mut baselines: Vec<String> =
        names.iter().flat_map(|names| names.lines()).map(str::to_owned).collect();
    baselines.sort();
    let seed: String = row.try_get("seed")?;
    let operations: i64 = row.try_get("operations")?;
    let summary = Summary {
        run_id: row.try_get("run_id")?,
        scenario: row.try_get("scenario")?,
        file: row.try_get("file")?,
        started_at: row.try_get("started_at")?,
        verdict: row.try_get("verdict")?,
        seed: seed.parse().unwrap_or_default(),
        operations: u64::try_from(operations).unwrap_or_default(),
        throughput: row.try_get("throughput")?,
        latency_p95: row.try_get("latency_p95")?,
    };
    Ok(Kept { summary, baselines })
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

fn database(path: &str, error: &sqlx::Error) -> HistoryError {
    if code(error).as_deref() == Some("26") {
        return HistoryError::Foreign { path: path.to_owned() };
    }
    HistoryError::Database { path: path.to_owned(), message: error.to_string() }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

fn pack(document: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(document.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("memory takes what is written to it")
}

fn unpack(packed: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(packed).take(LARGEST_UNPACKED).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests;
