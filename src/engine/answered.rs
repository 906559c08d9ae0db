//! What answers mean to the operation: they are counted, judged, and captured.

use std::time::Duration;

use super::{delivery::Delivered, request::failed, step::Stop, worker::Worker};
use crate::{
    expression::Value,
    outcome::Cause,
    plan::{Captured, Request},
    target::http::Answer,
};

impl Worker {
    /// Counts what was sent and what came back.
    pub(super) fn account(&mut self, request: &Request, delivered: &mut [Delivered]) {
        self.met.answered.requested = true;
        for one in delivered.iter() {
            self.met.answered.accepted |= one.statuses.iter().any(|status| (200..300).contains(status));
            let exhausted = one.answer.as_ref().err().is_some_and(|failure| {
                request.retry.retries(&failure.cause) && one.retries.len() >= request.retry.delays.len()
            });
            self.met.exhausted |= exhausted;
            for cause in one.retries.iter().map(|retry| &retry.cause) {
                self.count_conflict(cause);
            }
            if let Err(failure) = &one.answer {
                self.count_conflict(&failure.cause);
            }
            self.met.retries += u32::try_from(one.retries.len()).unwrap_or(u32::MAX);
            self.met.backoff += one.retries.iter().map(|retry| retry.measured).sum::<Duration>();
        }
        if !self.measured {
            return;
        }
        let mut recorder = self.recorder.borrow_mut();
        for one in delivered.iter() {
            for (n, retry) in (1..).zip(&one.retries) {
                recorder.retried(n, &retry.cause, retry.declared, retry.measured);
            }
            if let (Ok(n @ 1..), Some(last)) = (u32::try_from(one.retries.len()), one.retries.last()) {
                match &one.answer {
                    Ok(_) => recorder.recovered_with(n, &last.cause),
                    Err(_) => recorder.exhausted_after(n),
                }
            }
            let record = &mut recorder.operations[self.operation];
            one.times.iter().for_each(|time| record.attempt.record(*time));
            let requests = &mut record.requests;
            requests.sent += one.times.len() as u64;
            requests.resent += one.retries.len() as u64;
            for status in &one.statuses {
                *requests.statuses.entry(*status).or_default() += 1;
            }
            let deadlocked = |cause: &Cause| u64::from(*cause == Cause::Deadlock);
            requests.deadlock_answers +=
                one.retries.iter().map(|retry| deadlocked(&retry.cause)).sum::<u64>();
            requests.deadlock_answers +=
                one.answer.as_ref().err().map_or(0, |failure| deadlocked(&failure.cause));
            requests.service_retries += one.service_retries;
        }
    }

    /// What ended a delivery, as the operation sees it.
    pub(super) fn judged(&mut self, request: &Request, delivered: &Delivered) -> Result<(), Stop> {
        let failure = match (&delivered.answer, &delivered.assertion) {
            (Ok(_), None) => return Ok(()),
            (Ok(_), Some(message)) => {
                return Err(Stop::Assertion { step: request.name.clone(), message: message.clone() });
            }
            (Err(failure), _) => failure,
        };
        let (step, message) = (request.name.clone(), failure.to_string());
        match failure.cause {
            Cause::Reset => {
                self.met.unanswered = true;
                Err(Stop::Unknown { step, cause: Cause::Reset, message })
            }
            Cause::Timeout => {
                self.met.unanswered = true;
                Err(Stop::Timeout { step, message })
            }
            _ => Err(Stop::Failure { step, failure: failure.clone() }),
        }
    }

    pub(super) fn keep_answers(&self, request: &Request, delivered: &[Delivered]) {
        let Some(slot) = request.answer.answers else { return };
        let list = delivered.iter().map(|one| match &one.answer {
            Ok(answer) => Value::from_pairs([
                ("status", Value::from(answer.status.as_u16())),
                ("body", Value::from(String::from_utf8_lossy(&answer.body).into_owned())),
                ("json", answer.json()),
            ]),
            Err(failure) => Value::from_pairs([
                ("status", Value::from(())),
                ("error", Value::from(failure.cause.to_string())),
            ]),
        });
        self.frame.store(slot, list.collect());
    }

    /// Keeps what the step captures of the first answer.
    pub(super) fn capture(&self, request: &Request, answer: &Answer) -> Result<(), Stop> {
        let text = || answer.text().map(Value::from).map_err(|failure| failed(request, failure));
        for (slot, captured) in &request.captures {
            let value = match captured {
                Captured::Answer => Value::from_pairs([
                    ("status", Value::from(answer.status.as_u16())),
                    ("headers", answer.header_values()),
                    ("body", text()?),
                    ("json", answer.json()),
                ]),
                Captured::Status => Value::from(answer.status.as_u16()),
                Captured::Headers => answer.header_values(),
                Captured::Body => text()?,
                Captured::Json => answer.json(),
                Captured::Header(name) => answer.header(name),
                Captured::JsonPath(path) => {
                    let json: serde_json::Value =
                        serde_json::from_slice(&answer.body).unwrap_or(serde_json::Value::Null);
                    let found = path.query(&json).all();
                    match found.as_slice() {
                        [] => Value::from(()),
                        [only] => crate::expression::from_json(only),
                        several => several.iter().map(|one| crate::expression::from_json(one)).collect(),
                    }
                }
            };
            self.frame.store(*slot, value);
        }
        Ok(())
    }
}
