//! Transactions: begun at the right level, and run again, whole, when the database says so.

use std::time::Duration;

use crate::{
    bugs::{Bug, Bugs},
    database::{Connection, ErrorKind, Pool},
    problem::Problem,
};

/// Pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(20), Duration::from_millis(40)];

/// What is done in one transaction. It may be done several times, so that it must have no effects but
/// those in the database.
pub trait Work: Sync {
    type Done: Send;
    fn run(&self, connection: &mut Connection) -> impl Future<Output = Result<Self::Done, Problem>> + Send;
}

/// How a transaction ended, and how often it was run again.
#[derive(Debug)]
pub struct Retried<T> {
    pub done: Result<T, Problem>,
    pub retries: u32,
}

/// Runs a whole transaction, again after a deadlock or a serialization failure.
pub async fn with_retry<W: Work>(pool: &Pool, bugs: &Bugs, work: &W) -> Retried<W::Done> {
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
    matches!(problem.kind(), ErrorKind::Deadlock | ErrorKind::Serialization)
}

async fn attempt<W: Work>(pool: &Pool, bugs: &Bugs, work: &W) -> Result<W::Done, Problem> {
    let mut transaction = pool.begin(bugs).await?;
    // A transaction that is dropped is rolled back.
    let done = work.run(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}
