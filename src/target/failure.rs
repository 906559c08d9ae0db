//! What a server or a connection answered when something went wrong.

use std::fmt;

use crate::outcome::Cause;

/// A failed statement, classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub cause: Cause,
    /// The server's code, when it answered.
    pub code: Option<String>,
    /// The server's or the driver's message.
    pub message: String,
    /// The server's detail: for a deadlock, who waited for whom.
    pub detail: Option<String>,
    /// The server's own advice.
    pub hint: Option<String>,
    /// Byte offset into the statement, where the server gives one.
    pub position: Option<usize>,
    /// The connection can't be used any more, and whether the statement took effect is unknown.
    pub connection_lost: bool,
}

impl Failure {
    /// A failure on our side of the connection: a value that has no form in the statement's type.
    pub fn value(message: impl Into<String>) -> Self {
        Self { cause: Cause::Value, ..Self::plain(message) }
    }

    /// The connection is gone.
    pub fn lost(message: impl Into<String>) -> Self {
        Self { cause: Cause::Connection, connection_lost: true, ..Self::plain(message) }
    }

    fn plain(message: impl Into<String>) -> Self {
        Self {
            cause: Cause::Value,
            code: None,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            connection_lost: false,
        }
    }

    pub(super) fn from_sqlx(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().map(|code| code.into_owned());
                let cause = code.as_deref().map_or(Cause::Connection, Cause::from_sqlstate);
                let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
                Self {
                    // After 57P01 and its kin the server closes the connection.
                    connection_lost: cause == Cause::Connection,
                    cause,
                    message: database.message().to_owned(),
                    detail: postgres.and_then(|error| error.detail()).map(str::to_owned),
                    hint: postgres.and_then(|error| error.hint()).map(str::to_owned),
                    position: postgres.and_then(|error| match error.position() {
                        Some(sqlx::postgres::PgErrorPosition::Original(at)) => Some(at.saturating_sub(1)),
                        _ => None,
                    }),
                    code,
                }
            }
            sqlx::Error::Encode(error) => Self::value(error.to_string()),
            sqlx::Error::ColumnDecode { index, source } => Self::value(format!("column {index}: {source}")),
            other => Self::lost(other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
