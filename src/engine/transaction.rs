//! Transactions and statements alone: attempts, retries, and how each of them ends.
//!
//! A retry re-runs the whole transaction with the same drawn values. Delays, recoveries and
//! exhaustion are counted apart.

use std::time::Instant;

use super::{step::Stop, worker::Worker};
use crate::{
    dialect::Begin,
    outcome::Cause,
    plan::{LocksHeld, Plan, RetryPolicy, SqlStep, Transaction},
    target::Failure,
};

/// Step name of what isn't the user's.
const BEGIN: &str = "begin";
const COMMIT: &str = "commit";

impl Worker {
    /// A transaction, tried again as its policy says.
    pub(super) async fn transaction(&mut self, plan: &Plan, transaction: &Transaction) -> Result<(), Stop> {
        let drawn = self.frame.random();
        let mut retry = 0;
        loop {
            let begun = Instant::now();
            let result = self.attempt(plan, transaction).await;
            self.held = None;
            self.count_attempt(begun);
            match self.after_attempt(result, &transaction.retry, retry).await {
                Next::Done(result) => return result,
                Next::Again => {
                    retry += 1;
                    self.frame.set_random(drawn.clone());
                }
            }
        }
    }

    /// A statement outside a transaction, tried again likewise.
    pub(super) async fn statement_alone(&mut self, plan: &Plan, step: &SqlStep) -> Result<(), Stop> {
        let drawn = self.frame.random();
        let mut retry = 0;
        loop {
            let begun = Instant::now();
            let observed = self.shared.settings.observed.get(step.statement.0).copied().unwrap_or(false);
            let result = if observed {
                self.recorded_statement(plan, step).await
            } else {
                self.sql(plan, step).await.map_err(|stop| match stop {
                    Stop::Failure { step, failure } if failure.connection_lost => {
                        Stop::Unknown { step, cause: Cause::Connection, message: failure.to_string() }
                    }
                    other => other,
                })
            };
            self.met.answered.committed |= result.is_ok();
            self.count_attempt(begun);
            match self.after_attempt(result, &step.retry, retry).await {
                Next::Done(result) => return result,
                Next::Again => {
                    retry += 1;
                    self.frame.set_random(drawn.clone());
                }
            }
        }
    }

    /// An insert whose rows are written down must not be committed before they are.
    async fn recorded_statement(&mut self, plan: &Plan, step: &SqlStep) -> Result<(), Stop> {
        self.session().begin(None, Begin::Deferred).await.map_err(|failure| failed(BEGIN, failure))?;
        match self.sql(plan, step).await {
            Ok(()) => self.commit().await,
            Err(stop) => {
                self.roll_back().await;
                Err(stop)
            }
        }
    }

    async fn attempt(&mut self, plan: &Plan, transaction: &Transaction) -> Result<(), Stop> {
        let (isolation, begin) = (transaction.isolation, transaction.begin);
        let in_force =
            self.session().begin(isolation, begin).await.map_err(|failure| failed(BEGIN, failure))?;
        self.held = Some(LocksHeld::default());
        self.begins = true;
        if self.measured {
            self.transactions = self.transactions.wrapping_add(1).max(1);
            let board = &self.shared.settings.board;
            board.transaction_begins(self.number(), self.transactions, self.operation, isolation);
            let mut recorder = self.recorder.borrow_mut();
            recorder.transactions += 1;
            if let Some(in_force) = in_force {
                *recorder
                    .isolation
                    .entry((self.operation, transaction.isolation, in_force))
                    .or_default() += 1;
            }
        }
        let done = self.steps(plan, &transaction.steps).await;
        self.shared.settings.board.transaction_ends(self.number());
        match done {
            Ok(()) => self.commit().await,
            Err(Stop::Rollback) => {
                self.roll_back().await;
                Ok(())
            }
            Err(stop) => {
                self.roll_back().await;
                Err(stop)
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Stop> {
        match self.session().commit().await {
            Ok(()) => {
                self.met.answered.committed = true;
                Ok(())
            }
            Err(failure) if failure.connection_lost => {
                let cause = Cause::Connection;
                Err(Stop::Unknown { step: COMMIT.to_owned(), cause, message: failure.to_string() })
            }
            Err(failure) => Err(failed(COMMIT, failure)),
        }
    }

    /// The server rolls back by itself when the connection is gone.
    async fn roll_back(&mut self) {
        if !self.is_session_lost() {
            // A failure here marks the session as lost, and it is replaced.
            let _ = self.session().rollback().await;
        }
    }

    fn count_attempt(&self, begun: Instant) {
        if self.measured {
            self.recorder.borrow_mut().operations[self.operation].attempt.record(begun.elapsed());
        }
    }

    /// Decides whether an attempt is followed by another one, and waits the delay before it.
    async fn after_attempt(
        &mut self,
        result: Result<(), Stop>,
        policy: &RetryPolicy,
        retries: u32,
    ) -> Next {
        let (step, failure) = match result {
            Err(Stop::Failure { step, failure }) => (step, failure),
            Ok(()) => {
                if let Some(cause) = self.met.retried_for.take().filter(|_| retries > 0 && self.measured) {
                    self.recorder.borrow_mut().recovered_with(retries, &cause);
                }
                return Next::Done(Ok(()));
            }
            other => return Next::Done(other),
        };
        self.count_conflict(&failure.cause);
        if failure.cause == Cause::Deadlock && self.measured {
            self.explain_deadlock(&step, &failure).await;
        }
        let Some(declared) = policy.declared_delay(retries + 1, &failure.cause) else {
            self.met.exhausted = policy.retries(&failure.cause);
            if self.met.exhausted && retries > 0 && self.measured {
                self.recorder.borrow_mut().exhausted_after(retries);
            }
            return Next::Done(Err(Stop::Failure { step, failure }));
        };
        let begun = Instant::now();
        let delay = policy.vary(declared, &mut self.jitter);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let measured = begun.elapsed();
        self.met.retries += 1;
        self.met.backoff += measured;
        self.met.retried_for = Some(failure.cause.clone());
        if self.measured {
            self.recorder.borrow_mut().retried(retries + 1, &failure.cause, declared, measured);
        }
        if self.is_session_lost() && !self.reconnect().await {
            return Next::Done(Err(Stop::Failure { step, failure }));
        }
        Next::Again
    }
}

enum Next {
    Done(Result<(), Stop>),
    Again,
}

fn failed(step: &str, failure: Failure) -> Stop {
    Stop::Failure { step: step.to_owned(), failure }
}
