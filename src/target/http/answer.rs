//! What a service answered.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode, body::Body};

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

    /// For messages: the status and the beginning of the body, in one line.
    pub fn describe(&self) -> String {
        // Enough bytes for as many characters as are shown, however wide.
        let begin = &self.body[..self.body.len().min(SHOWN * 4)];
        let text = String::from_utf8_lossy(begin);
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = text.trim().chars().take(SHOWN).map(printable).collect();
        if shown.is_empty() {
            return format!("{} without a body", self.status);
        }
        let is_whole = begin.len() == self.body.len() && text.trim().chars().nth(SHOWN).is_none();
        if is_whole {
            format!("{}: {shown}", self.status)
        } else {
            format!("{}: {shown}… ({} bytes in all)", self.status, self.body.len())
        }
    }
}

/// Reads a body to its end, or until it is longer than `largest` bytes.
pub(super) async fn read<B>(
    mut body: B,
    largest: u64,
    failure: impl Fn(B::Error) -> Failure,
) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || Failure::http(Cause::TooLarge, format!("the answer is longer than {largest} bytes"));
    if body.size_hint().lower() > largest {
        return Err(too_large());
    }
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(&failure)?.into_data() else { continue };
        if (whole.len().max(joined.len()) + data.len()) as u64 > largest {
            return Err(too_large());
        }
        // Most answers come in one piece, which isn't copied.
        if whole.is_empty() && joined.is_empty() {
            whole = data;
        } else {
            if joined.is_empty() {
                joined = BytesMut::from(&whole[..]);
            }
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    #[test]
    fn a_message_shows_the_beginning_of_a_body_and_no_control_characters() {
        assert_eq!(answer("").describe(), "200 OK without a body");
        assert_eq!(answer(" a\n\u{1b}[31mb ").describe(), "200 OK: a  [31mb");
        assert_eq!(answer(&"ü".repeat(200)).describe(), format!("200 OK: {}", "ü".repeat(200)));
        let long = format!("200 OK: {}… (402 bytes in all)", "ü".repeat(200));
        assert_eq!(answer(&"ü".repeat(201)).describe(), long);
    }

    #[test]
    fn text_that_is_none_says_where() {
        let broken = Answer { body: Bytes::from_static(b"ab\xffcd"), ..answer("") };
        let failure = broken.text().expect_err("it isn't UTF-8");
        assert_eq!(failure.cause, Cause::Encoding);
        assert_eq!(failure.to_string(), "the answer isn't UTF-8: byte 3 of 5 is wrong");
    }

    #[test]
    fn headers_of_one_name_are_joined() {
        let mut several = answer("");
        several.headers.append("x-a", hyper::header::HeaderValue::from_static("1"));
        several.headers.append("x-a", hyper::header::HeaderValue::from_static("2"));
        assert_eq!(several.header("x-a"), Value::from("1, 2"));
        assert!(several.header("x-b").is_none());
    }
}
