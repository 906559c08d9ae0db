//! `fake`: mock objects of payment providers. No provider is ever called.

use std::sync::Arc;

use minijinja::{
    Error, State, Value,
    value::{Object, ObjectRepr},
};

use super::{
    functions::{frame_of, invalid, provider_id},
    payload,
};

/// The object behind the name `fake`.
#[derive(Debug)]
pub(super) struct Fake;

impl Object for Fake {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let (file, parameters): (&str, &[&str]) = match method {
            "id" => return id(state, args),
            "payment_intent" => ("stripe/payment_intent.succeeded.json", &["order"]),
            "payment_intent_failed" => ("stripe/payment_intent.payment_failed.json", &["order"]),
            "payout" => match args.get(1).and_then(Value::as_str) {
                Some("paid") => ("stripe/payout.paid.json", &["amount", "status"]),
                Some("in_transit") => ("stripe/payout.in_transit.json", &["amount", "status"]),
                Some("failed") => ("stripe/payout.failed.json", &["amount", "status"]),
                _ => {
                    return Err(invalid(
                        "fake.payout(amount, status): the status is paid, in_transit or failed",
                    ));
                }
            },
            "event" => ("stripe/event.json", &["type", "object"]),
            _ => {
                return Err(invalid(format!(
                    "fake has no `{method}`; it has id, payment_intent, payment_intent_failed, payout and event"
                )));
            }
        };
        if args.len() != parameters.len() {
            return Err(invalid(format!(
                "fake.{method}({}) takes {} arguments",
                parameters.join(", "),
                parameters.len()
            )));
        }
        payload::render(state, file, parameters.iter().copied().zip(args.iter().cloned()))
    }
}

fn id(state: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let prefix =
        args.first().and_then(Value::as_str).ok_or_else(|| invalid("fake.id(prefix) takes a text"))?;
    Ok(Value::from(frame_of(state)?.with_random(|random| provider_id(random, prefix))))
}
