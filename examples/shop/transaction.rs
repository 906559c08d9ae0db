//! Transactions: begun at the right level, and run again, whole, when the database says so.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Executor, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    bugs::{Bug, Bugs},
    problem::Problem,
};

/// Pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(20), Duration::from_millis(40)];
/// A connection isn't held longer than this by a lock. The provider sends an event again that was
/// answered 503.
const LOCK_TIMEOUT: &str = "10s";

pub async fn connect(url: &str, connections: u32, bugs: &Bugs) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("shop")
        .options([("lock_timeout", LOCK_TIMEOUT)])
        .disable_statement_logging();
    let resets = bugs.has(Bug::IsolationTooLate);
    PgPoolOptions::new()
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
        .await
}

/// Begins at READ COMMITTED, whatever the database's default is: every handler locks what it reads
/// before it writes.
pub async fn begin(pool: &PgPool, bugs: &Bugs) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    if bugs.has(Bug::IsolationTooLate) {
        // BUG: this sets the level of the next transaction. This one runs at the database's default, and
        // by the next one the pooler has reset the session.
        let mut transaction = pool.begin().await?;
        transaction.execute("SET default_transaction_isolation = 'read committed'").await?;
        return Ok(transaction);
    }
    pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await
}

/// What is done in one transaction. It may be done several times, so that it must have no effects but
/// those in the database.
pub trait Work: Sync {
    type Done: Send;
    fn run(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::Done, Problem>> + Send;
}

/// How a transaction ended, and how often it was run again.
#[derive(Debug)]
pub struct Retried<T> {
    pub done: Result<T, Problem>,
    pub retries: u32,
}

/// Runs a whole transaction, again after a deadlock or a serialization failure.
pub async fn with_retry<W: Work>(pool: &PgPool, bugs: &Bugs, work: &W) -> Retried<W::Done> {
    let mut retries = 0;
    let mut pauses = PAUSES.into_iter();
    loop {
        let mut done = attempt(pool, bugs, work).await;
        if bugs.has(Bug::RetryNeverFires) {
            // BUG: "let's have one error type". What is_worth_a_retry() looks at is gone.
            done = done.map_err(|problem| match problem {
                Problem::Database(error) => Problem::Wrapped(format!("payment failed: {error}")),
                other => other,
            });
        }
        let pause = done.as_ref().err().filter(|problem| is_worth_a_retry(problem)).and(pauses.next());
        let Some(pause) = pause else { return Retried { done, retries } };
        tokio::time::sleep(pause).await;
        retries += 1;
    }
}

/// A deadlock or a serialization failure: the transaction met another one, and nothing of it was kept.
fn is_worth_a_retry(problem: &Problem) -> bool {
    matches!(problem.code().as_deref(), Some("40P01" | "40001"))
}

async fn attempt<W: Work>(pool: &PgPool, bugs: &Bugs, work: &W) -> Result<W::Done, Problem> {
    let mut transaction = begin(pool, bugs).await?;
    // A transaction that is dropped is rolled back.
    let done = work.run(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}
