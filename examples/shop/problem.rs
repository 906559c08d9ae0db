//! What goes wrong, and the answers that say so.

use axum::{
    Json,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    database::{ErrorKind, kind_of},
    transaction::Retried,
};

/// Why a request can't be carried out.
#[derive(Debug)]
pub enum Problem {
    /// The database's error, as it came.
    Database(sqlx::Error),
    /// An error that somebody has made a text of. What it was can't be told any more.
    Wrapped(String),
    /// Something that the client should know: a status and a word.
    Refused(StatusCode, &'static str),
}

/// For a row that isn't there.
pub const UNKNOWN: Problem = Problem::Refused(StatusCode::NOT_FOUND, "unknown");

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Problem {
    /// What the database's error means, when it is still there.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Database(error) => kind_of(error),
            _ => ErrorKind::Other,
        }
    }

    fn status_and_word(&self) -> (StatusCode, &'static str) {
        if let Self::Refused(status, word) = self {
            return (*status, word);
        }
        if let Self::Database(sqlx::Error::PoolTimedOut) = self {
            return (StatusCode::SERVICE_UNAVAILABLE, "busy");
        }
        match self.kind() {
            ErrorKind::Deadlock => (StatusCode::INTERNAL_SERVER_ERROR, "deadlock"),
            ErrorKind::Serialization => (StatusCode::INTERNAL_SERVER_ERROR, "serialization"),
            ErrorKind::LockTimeout => (StatusCode::SERVICE_UNAVAILABLE, "lock_timeout"),
            ErrorKind::UnknownReference => (StatusCode::UNPROCESSABLE_ENTITY, "unknown"),
            ErrorKind::Other => (StatusCode::INTERNAL_SERVER_ERROR, "database"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, word) = self.status_and_word();
        let body = match self {
            Self::Refused(..) => json!({"error": word}),
            Self::Wrapped(message) => json!({"error": word, "message": message}),
            Self::Database(error) => json!({"error": word, "message": error.to_string()}),
        };
        (status, Json(body)).into_response()
    }
}

/// The answer to a request whose work was a transaction. `x-retries` says how often that had to be run
/// again.
pub fn answer(retried: Retried<Value>, status: StatusCode) -> Response {
    let Retried { done, retries } = retried;
    let mut response = match done {
        Ok(body) => (status, Json(body)).into_response(),
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert("x-retries", HeaderValue::from(retries));
    response
}
