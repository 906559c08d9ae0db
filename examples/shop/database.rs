//! Transactions: begun at the right level, and run again when the database says so.

use std::{str::FromStr, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use sqlx::{
    ConnectOptions, Executor, PgConnection, PgPool, Postgres,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::bugs::{Bug, Bugs};

const MOST_RETRIES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(10);

/// Why a request can't be carried out.
#[derive(Debug)]
pub enum Problem {
    /// The database's error, as it came.
    Database(sqlx::Error),
    /// An error somebody has made a text of. What it was can't be told any more.
    Wrapped(String),
    /// Something that the client should know: a status and a word.
    Refused(StatusCode, &'static str),
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Problem {
    /// The SQLSTATE, when it is still there.
    fn code(&self) -> Option<String> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// The transaction met another one: the same again may well succeed.
    fn is_worth_a_retry(&self) -> bool {
        matches!(self.code().as_deref(), Some("40P01" | "40001"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let word = match self.code().as_deref() {
            Some("40P01") => "deadlock",
            Some("40001") => "serialization",
            Some("55P03") => "lock_timeout",
            Some("23505") => "unique",
            _ => "database",
        };
        match self {
            Self::Refused(status, word) => (status, Json(json!({"error": word}))).into_response(),
            Self::Wrapped(message) => {
                let word = if message.contains("deadlock") { "deadlock" } else { "database" };
                let body = json!({"error": word, "message": message});
                (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
            }
            Self::Database(error) => {
                let body = json!({"error": word, "message": error.to_string()});
                (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
            }
        }
    }
}

pub async fn connect(url: &str, connections: u32, bugs: &Bugs) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("shop").disable_statement_logging();
    let resets = bugs.has(Bug::IsolationTooLate);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .after_release(move |connection, _| {
            Box::pin(async move {
                if resets {
                    // As poolers do between one client and the next.
                    connection.execute("RESET default_transaction_isolation").await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    if bugs.has(Bug::CheckThenInsert) {
        // The migration that adds the key was never written.
        pool.execute("ALTER TABLE processed_events DROP CONSTRAINT IF EXISTS processed_events_key").await?;
    }
    Ok(pool)
}

/// Begins at READ COMMITTED, whatever the database's default is.
pub async fn begin<'a>(pool: &PgPool, bugs: &Bugs) -> Result<sqlx::Transaction<'a, Postgres>, sqlx::Error> {
    if bugs.has(Bug::IsolationTooLate) {
        // "SET SESSION" inside a transaction is for the next one. This one runs at the default, and by
        // the next one the pooler has reset the session.
        let mut transaction = pool.begin().await?;
        transaction.execute("SET default_transaction_isolation = 'read committed'").await?;
        return Ok(transaction);
    }
    pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await
}

/// What is done in one transaction.
pub trait Work: Sync {
    type Done: Send;
    fn run(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::Done, Problem>> + Send;
}

/// Runs a whole transaction, again after a deadlock or a serialization failure. Returns how often it
/// had to, too.
pub async fn with_retry<W: Work>(pool: &PgPool, bugs: &Bugs, work: &W) -> Result<(W::Done, u32), Problem> {
    let mut retries = 0;
    loop {
        let mut attempt = attempt(pool, bugs, work).await;
        if bugs.has(Bug::RetryNeverFires) {
            // "Let's have one error type": what is_worth_a_retry() looks at is gone.
            attempt = attempt.map_err(|problem| match problem {
                Problem::Database(error) => Problem::Wrapped(format!("payment failed: {error}")),
                other => other,
            });
        }
        match attempt {
            Err(problem) if problem.is_worth_a_retry() && retries < MOST_RETRIES => {
                let delay = FIRST_DELAY * 2_u32.pow(retries);
                // Not all at the same moment again.
                let jitter = f64::from(clock_bits() % 50) / 100.0 + 0.75;
                tokio::time::sleep(delay.mul_f64(jitter)).await;
                retries += 1;
            }
            Ok(done) => return Ok((done, retries)),
            Err(problem) => return Err(problem),
        }
    }
}

async fn attempt<W: Work>(pool: &PgPool, bugs: &Bugs, work: &W) -> Result<W::Done, Problem> {
    let mut transaction = begin(pool, bugs).await?;
    // A transaction that is dropped is rolled back.
    let done = work.run(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Something that differs from one retry to the next.
fn clock_bits() -> u32 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.subsec_nanos() >> 4)
}

/// An answer that says how often the transaction had to be run again.
pub fn answer(status: StatusCode, body: Value, retries: u32) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert("x-retries", HeaderValue::from(retries));
    response
}
