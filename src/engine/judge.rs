//! Judges an answer: what the scenario's expressions say of it, else its status.

use crate::{
    expression::{Frame, Value},
    outcome::Cause,
    plan::Request,
    target::{Failure, http::Answer},
};

/// What an answer is: fine, an assertion that doesn't hold, or a failure with a cause.
pub(super) enum Judged {
    Fine,
    Assertion(String),
    Failure(Failure),
}

/// Puts the answer where expressions find it and asks them. Returns the retries that the service says
/// it made, too.
pub(super) fn judge(request: &Request, frame: &Frame, answer: &Answer) -> (Judged, u64) {
    let slots = &request.answer;
    if let Some(slot) = slots.status {
        frame.store(slot, Value::from(answer.status.as_u16()));
    }
    if let Some(slot) = slots.headers {
        frame.store(slot, answer.header_values());
    }
    if slots.body.is_some() || slots.json.is_some() {
        match (answer.text(), slots.body) {
            (Ok(text), Some(slot)) => frame.store(slot, Value::from(text)),
            (Ok(_), None) => {}
            (Err(failure), _) => return (Judged::Failure(failure), 0),
        }
    }
    if let Some(slot) = slots.json {
        frame.store(slot, answer.json());
    }
    let retries = request
        .service_retries
        .as_ref()
        .and_then(|expression| expression.evaluate(frame).ok()?.as_i64())
        .map_or(0, |retries| u64::try_from(retries).unwrap_or_default());
    (verdict(request, frame, answer), retries)
}

fn verdict(request: &Request, frame: &Frame, answer: &Answer) -> Judged {
    for (cause, expression) in &request.causes {
        match expression.holds(frame) {
            Ok(true) => return Judged::Failure(Failure::http(cause.clone(), answer.describe())),
            Ok(false) => {}
            Err(error) => return Judged::Failure(Failure::value(error.to_string())),
        }
    }
    let status = answer.status.as_u16();
    for assertion in &request.assertions {
        let message = match assertion.holds(frame) {
            Ok(true) => continue,
            Ok(false) => {
                format!("`{}` doesn't hold: the answer was {}", assertion.source(), answer.describe())
            }
            Err(error) => format!("{error}: the answer was {}", answer.describe()),
        };
        // A status that says what went wrong says more than that an assertion didn't hold.
        return match status {
            400..=599 => Judged::Failure(Failure::http(Cause::Http(status), message)),
            _ => Judged::Assertion(message),
        };
    }
    match status {
        400..=599 if request.assertions.is_empty() => {
            Judged::Failure(Failure::http(Cause::Http(status), answer.describe()))
        }
        // A redirect is fine, unless the scenario sends again for whatever isn't 2xx.
        300..=399 if request.retry.retries(&Cause::Http(status)) => {
            Judged::Failure(Failure::http(Cause::Http(status), answer.describe()))
        }
        _ => Judged::Fine,
    }
}
