//! Looks for what an acknowledged request should have changed.

use std::time::{Duration, Instant};

use super::{step::Stop, worker::Worker};
use crate::{
    expression::{Rows, Value, layered},
    outcome::Cause,
    plan::{Changes, Plan},
    target::Failure,
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// How much longer is looked, to tell a change that comes late from one that never comes.
const PATIENCE: Duration = Duration::from_secs(2);

impl Worker {
    /// Asks the database until the change is there, or until it should be. `at` is the moment of the
    /// answer.
    pub(super) async fn look_for_changes(
        &mut self,
        plan: &Plan,
        step: &str,
        changes: &Changes,
        status: u16,
        at: Instant,
    ) -> Result<(), Stop> {
        let mut first_look = true;
        let found = loop {
            let asked = at.elapsed();
            if self.is_changed(plan, step, changes).await? {
                // The first look takes its time, which isn't the service's.
                break Some(if first_look { Duration::ZERO } else { asked });
            }
            first_look = false;
            if asked > changes.within + PATIENCE || self.shared.settings.stop.is_stopped() {
                break None;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let (late, missing) = match found {
            Some(after) => (after > changes.within, false),
            None => (false, true),
        };
        if self.measured {
            let requests = &mut self.recorder.borrow_mut().operations[self.operation].requests;
            requests.changes += 1;
            requests.late_changes += u64::from(late);
            requests.missing_changes += u64::from(missing);
        }
        let within = match changes.within {
            Duration::ZERO => "by the time of the answer".to_owned(),
            within => format!("within {}", crate::units::format_duration(within)),
        };
        let message = match found {
            Some(_) if !late => return Ok(()),
            Some(after) => format!(
                "acknowledged with {status}, but what it changes wasn't there {within}: it came after {}",
                crate::units::format_duration(after)
            ),
            None => format!(
                "acknowledged with {status}, but what it changes never came ({} waited)",
                crate::units::format_duration(changes.within + PATIENCE)
            ),
        };
        Err(Stop::Failure { step: step.to_owned(), failure: Failure::http(Cause::NoEffect, message) })
    }

    async fn is_changed(&mut self, plan: &Plan, step: &str, changes: &Changes) -> Result<bool, Stop> {
        let rows = self.ask(plan, step, changes.statement).await?;
        let Some(expression) = &changes.expect else { return Ok(!rows.rows.is_empty()) };
        if rows.rows.is_empty() {
            return Ok(false);
        }
        let context = layered(columns(&rows), self.frame.value());
        expression
            .evaluate_in(context)
            .map(|value| value.is_true())
            .map_err(|error| Stop::value(step, &error))
    }
}

/// The first row's columns, and how many rows there are.
fn columns(rows: &Rows) -> Vec<(String, Value)> {
    let mut named: Vec<(String, Value)> = Vec::new();
    if let Some(row) = rows.rows.first() {
        let pairs = row.columns().iter().zip(row.values());
        named.extend(pairs.map(|(name, value)| (name.to_string(), value.clone())));
    }
    named.push(("row_count".to_owned(), Value::from(rows.rows.len())));
    named
}
