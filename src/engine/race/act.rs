//! Carries out one step of a race in its session.

use super::{super::worker::Worker, lane::Ended};
use crate::{
    engine::step::Stop,
    outcome::{Cause, Isolation},
    plan::{LocksHeld, Race, RaceAction},
    target::Failure,
};

impl Worker {
    /// Carries out a step. After a failure the transaction is rolled back at once, so that others go on,
    /// unless the session continues after errors.
    pub(super) async fn act(
        &mut self,
        race: &Race,
        action: &RaceAction,
        level: Isolation,
    ) -> Result<(), Stop> {
        let done = self.attempt_step(race, action, level).await;
        if done.is_err() && !race.continues_after_errors() {
            self.end_transaction().await;
        }
        done
    }

    async fn attempt_step(
        &mut self,
        race: &Race,
        action: &RaceAction,
        level: Isolation,
    ) -> Result<(), Stop> {
        let failed = |step: &str, failure| Stop::Failure { step: step.to_owned(), failure };
        match action {
            RaceAction::Begin => {
                let begun = self.session().begin(Some(level), race.begin).await;
                let in_force = begun.map_err(|failure| failed("begin", failure))?;
                self.held = Some(LocksHeld::default());
                match in_force {
                    Some(other) if other != level => {
                        let message = format!("the transaction runs at {other} and not at {level}");
                        Err(failed("begin", Failure::value(message)))
                    }
                    _ => Ok(()),
                }
            }
            RaceAction::Commit => {
                self.held = None;
                self.session().commit().await.map_err(|failure| failed("commit", failure))
            }
            RaceAction::Rollback => {
                self.held = None;
                self.session().rollback().await.map_err(|failure| failed("rollback", failure))
            }
            RaceAction::Do(step) => match self.step(&race.plan, step).await {
                Err(Stop::Rollback) => {
                    self.held = None;
                    self.session().rollback().await.map_err(|failure| failed("rollback", failure))
                }
                done => done,
            },
        }
    }

    /// Rolls back whatever is open.
    pub(super) async fn end_transaction(&mut self) {
        self.held = None;
        if !self.is_session_lost() {
            // A failure here marks the session as lost, and it is replaced.
            let _ = self.session().rollback().await;
        }
    }
}

/// What a step that ended early says: its cause and its message.
pub(super) fn failure_of(stop: &Stop) -> (String, String) {
    match stop {
        Stop::Failure { failure, .. } => (failure.cause.to_string(), failure.message.clone()),
        Stop::Unknown { cause, message, .. } => (cause.to_string(), message.clone()),
        Stop::Assertion { message, .. } => {
            (crate::measure::RaceFailure::ASSERTION.to_owned(), message.clone())
        }
        Stop::Timeout { message, .. } => ("timeout".to_owned(), message.clone()),
        Stop::Skipped | Stop::Rollback => ("skipped".to_owned(), "the run is ending".to_owned()),
    }
}

/// A statement that no database would take, a value without a form, or a lost connection: a mistake in
/// the race, unless the race goes on after errors on purpose.
pub(super) fn is_mistake(stop: &Stop) -> bool {
    match stop {
        Stop::Failure { failure, .. } => {
            failure.mistaken || matches!(failure.cause, Cause::Value | Cause::Connection)
        }
        Stop::Unknown { cause, .. } => *cause == Cause::Connection,
        Stop::Assertion { .. } | Stop::Timeout { .. } | Stop::Skipped | Stop::Rollback => false,
    }
}

/// Takes what a worker heard.
pub(super) fn heard(mut worker: Worker, result: Result<(), Stop>) -> Ended {
    let tables = worker.heard.as_mut().map(|heard| std::mem::take(&mut heard.tables)).unwrap_or_default();
    let affected = std::mem::take(&mut worker.affected);
    let values = worker.values.iter().map(crate::expression::to_text).collect();
    Ended { worker, result, tables, affected, values }
}
