//! What a server or a connection answered when something went wrong.

use std::{fmt, time::Duration};

use sqlx::{
    error::DatabaseError,
    mysql::MySqlDatabaseError,
    postgres::{PgDatabaseError, PgErrorPosition},
};

use crate::{outcome::Cause, units::format_duration};

/// Syntax error or access rule violation.
const MISTAKEN: &str = "42";

/// A failed statement, classified. Boxed, because success is what the hot path carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<FailureFacts>);

/// What is known of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureFacts {
    pub cause: Cause,
    /// The server's code, when it answered.
    pub code: Option<String>,
    /// The server's or the driver's message.
    pub message: String,
    /// The server's detail: for a deadlock, who waited for whom.
    pub detail: Option<String>,
    /// Where in its work the server was: for a lock, the table.
    pub context: Option<String>,
    /// The server's own advice.
    pub hint: Option<String>,
    /// Byte offset into the statement, where the server gives one.
    pub position: Option<usize>,
    /// The statement itself is wrong, whatever the tables hold: SQLSTATE class 42, SQLite's plain error.
    pub mistaken: bool,
    /// The connection can't be used any more, and whether the statement took effect is unknown.
    pub connection_lost: bool,
}

impl Failure {
    /// A failure on our side of the connection: a value that has no form in the statement's type.
    pub fn value(message: impl Into<String>) -> Self {
        Self(Box::new(FailureFacts::plain(Cause::Value, message)))
    }

    /// The connection is gone.
    pub fn lost(message: impl Into<String>) -> Self {
        let facts = FailureFacts::plain(Cause::Connection, message);
        Self(Box::new(FailureFacts { connection_lost: true, ..facts }))
    }

    /// Nothing came within this time.
    pub(super) fn no_answer(limit: Duration) -> Self {
        Self::lost(format!("no answer within {}", format_duration(limit)))
    }

    /// As a server answers: classified by its code.
    pub fn answered(code: &str, message: impl Into<String>) -> Self {
        let facts = FailureFacts::plain(Cause::from_sqlstate(code), message);
        let mistaken = code.starts_with(MISTAKEN);
        Self(Box::new(FailureFacts { code: Some(code.to_owned()), mistaken, ..facts }))
    }

    /// A deadlock as PostgreSQL tells it to the victim.
    #[cfg(test)]
    pub(super) fn deadlock(detail: &str, context: &str) -> Self {
        let facts = FailureFacts::plain(Cause::Deadlock, "deadlock detected");
        let (detail, context) = (Some(detail.to_owned()), Some(context.to_owned()));
        Self(Box::new(FailureFacts { detail, context, ..facts }))
    }

    /// A request that failed, for this cause.
    pub fn http(cause: Cause, message: impl Into<String>) -> Self {
        Self(Box::new(FailureFacts::plain(cause, message)))
    }

    pub(super) fn from_sqlx(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => Self::from_database(database.as_ref()),
            sqlx::Error::Encode(error) => Self::value(error.to_string()),
            sqlx::Error::ColumnDecode { index, source } => Self::value(format!("column {index}: {source}")),
            other => Self::lost(other.to_string()),
        }
    }

    /// As the server answered, by its number or code.
    fn from_database(error: &dyn DatabaseError) -> Self {
        let message = error.message();
        let mut facts = if let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() {
            let facts = FailureFacts::plain(Cause::from_sqlstate(postgres.code()), message);
            FailureFacts {
                code: Some(postgres.code().to_owned()),
                mistaken: postgres.code().starts_with(MISTAKEN),
                detail: postgres.detail().map(str::to_owned),
                context: postgres.r#where().map(str::to_owned),
                hint: postgres.hint().map(str::to_owned),
                position: match postgres.position() {
                    Some(PgErrorPosition::Original(at)) => Some(at.saturating_sub(1)),
                    _ => None,
                },
                ..facts
            }
        } else if let Some(mysql) = error.try_downcast_ref::<MySqlDatabaseError>() {
            let cause = Cause::from_mysql(mysql.number(), mysql.code().unwrap_or_default());
            let facts = FailureFacts::plain(cause, message);
            let mistaken = mysql.code().is_some_and(|code| code.starts_with(MISTAKEN));
            FailureFacts { code: Some(mysql.number().to_string()), mistaken, ..facts }
        } else {
            // SQLite's extended result code.
            let code = error.code().map(|code| code.into_owned());
            let number = code.as_deref().and_then(|code| code.parse().ok());
            let facts = FailureFacts::plain(number.map_or(Cause::Connection, Cause::from_sqlite), message);
            FailureFacts { code, mistaken: number == Some(1), ..facts }
        };
        // After 57P01, 1927 and their kin the server closes the connection.
        facts.connection_lost = facts.cause == Cause::Connection;
        Self(Box::new(facts))
    }
}

impl FailureFacts {
    fn plain(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            code: None,
            message: message.into(),
            detail: None,
            context: None,
            hint: None,
            position: None,
            mistaken: false,
            connection_lost: false,
        }
    }
}

impl std::ops::Deref for Failure {
    type Target = FailureFacts;
    fn deref(&self) -> &FailureFacts {
        &self.0
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
