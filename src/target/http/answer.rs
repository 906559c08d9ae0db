//! What a service answered.

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};

use super::super::Failure;
use crate::{
    expression::{Row, Value, from_json},
    outcome::Cause,
};

/// Characters of a body that a message shows.
const SHOWN: usize = 200;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    ///
    /// # Errors
    /// When it isn't UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.body).map_err(|error| {
            let message = format!(
                "the answer isn't UTF-8: byte {} of {} is wrong",
                error.valid_up_to() + 1,
                self.body.len()
            );
            Failure::http(Cause::Encoding, message)
        })
    }

    /// The body as JSON; null when it isn't any.
    pub fn json(&self) -> Value {
        match serde_json::from_slice::<serde_json::Value>(&self.body) {
            Ok(json) => from_json(&json),
            Err(_) => Value::from(()),
        }
    }

    /// The headers by name in lower case; several of one name are joined by commas.
    pub fn header_values(&self) -> Value {
        let mut columns: Vec<Box<str>> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        for name in self.headers.keys() {
            columns.push(name.as_str().into());
            values.push(self.header(name.as_str()));
        }
        Value::from_object(Row::new(columns.into(), values))
    }

    /// One header; null when it isn't there.
    pub fn header(&self, name: &str) -> Value {
        let mut all =
            self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        match all.next() {
            None => Value::from(()),
            Some(first) => Value::from(all.fold(first.into_owned(), |joined, next| joined + ", " + &next)),
        }
    }

    /// For messages: status, kind and the beginning of the body.
    pub fn describe(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        let shown: String = text.chars().take(SHOWN).collect();
        let more = text.chars().count().saturating_sub(SHOWN);
        match (shown.is_empty(), more) {
            (true, _) => format!("{} without a body", self.status),
            (false, 0) => format!("{}: {shown}", self.status),
            (false, more) => format!("{}: {shown}… and {more} characters more", self.status),
        }
    }
}
