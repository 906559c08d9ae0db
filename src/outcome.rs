//! What can happen to an operation, and why: the vocabulary that every room shares.
//!
//! Nothing here knows a driver. `target` classifies server errors into [`Cause`] by code, the
//! engine turns attempts into one [`Outcome`] per operation, `measure` counts them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an attempt failed, classified by SQLSTATE (PostgreSQL's Appendix A) or by how a request
/// failed, never by the text of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// 40P01: the server broke a deadlock by refusing this transaction.
    Deadlock,
    /// 40001: the transaction can't be serialized with others.
    Serialization,
    /// 55P03: a lock wasn't granted in time (`lock_timeout`, `NOWAIT`).
    LockTimeout,
    /// The database is busy (SQLite's `SQLITE_BUSY`).
    Busy,
    /// 23505.
    Unique,
    /// 23503.
    ForeignKey,
    /// 23514.
    Check,
    /// The connection was refused or lost.
    Connection,
    /// The connection was cut after a request had been sent: it may have been carried out.
    Reset,
    /// TLS couldn't be agreed on, or the certificate isn't trusted.
    Tls,
    /// What came isn't HTTP: a broken status line or header.
    Protocol,
    /// The answer is longer than what is read of one.
    TooLarge,
    /// An answer that must be text isn't UTF-8.
    Encoding,
    /// A redirect that isn't followed: too many, or to a host that isn't allowed.
    Redirect,
    /// A payload that should be JSON and isn't, after its expressions were put in.
    Payload,
    /// The status of an answer, 400 to 599.
    Http(u16),
    /// An acknowledged request that didn't change what the scenario says it changes.
    NoEffect,
    /// 57014 (`statement_timeout`), or a request that wasn't answered in time.
    Timeout,
    /// An expression of the scenario could not be evaluated or bound with the values at hand.
    Value,
    /// Any other code, as the server spells it.
    Other(String),
}

impl Cause {
    /// Classifies an SQLSTATE (PostgreSQL's Appendix A).
    pub fn from_sqlstate(code: &str) -> Self {
        match code {
            "40P01" => Self::Deadlock,
            "40001" => Self::Serialization,
            "55P03" => Self::LockTimeout,
            "57014" => Self::Timeout,
            "23505" => Self::Unique,
            "23503" => Self::ForeignKey,
            "23514" => Self::Check,
            // Shutdown and crash of the server, too many clients, and class 08.
            "57P01" | "57P02" | "57P03" | "53300" => Self::Connection,
            other if other.starts_with("08") => Self::Connection,
            other => Self::Other(other.to_owned()),
        }
    }

    /// True for an answer with a status of 500 and above.
    pub fn is_server_error(&self) -> bool {
        matches!(self, Self::Http(500..))
    }

    /// True for the causes that come from transactions meeting each other.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Deadlock | Self::Serialization | Self::LockTimeout | Self::Busy)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => "deadlock",
            Self::Serialization => "serialization",
            Self::LockTimeout => "lock_timeout",
            Self::Busy => "busy",
            Self::Unique => "unique",
            Self::ForeignKey => "foreign_key",
            Self::Check => "check",
            Self::Connection => "connection",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Encoding => "encoding",
            Self::Redirect => "redirect",
            Self::Payload => "payload",
            Self::Http(status) => return write!(f, "http_{status}"),
            Self::NoEffect => "no_effect",
            Self::Timeout => "timeout",
            Self::Value => "value",
            Self::Other(code) => return write!(f, "other({code})"),
        })
    }
}

/// How one operation ended. Every operation that starts ends in exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Ok at the first attempt.
    Ok,
    /// Ok after this many retries (at least 1).
    Recovered(u32),
    /// Every allowed attempt failed with a cause that is retried; this is the last one's.
    Exhausted(Cause),
    /// Failed with a cause that isn't retried.
    Failed(Cause),
    /// An `assert` or `check` of the scenario didn't hold.
    Assertion,
    /// A time limit of the scenario ran out.
    Timeout,
    /// The answer to a commit or a request never came: it may have happened or not.
    Unknown,
    /// Not carried out, because the run was ending.
    Skipped,
}

impl Outcome {
    /// True when the effects of the operation were acknowledged.
    pub fn is_committed(&self) -> bool {
        matches!(self, Self::Ok | Self::Recovered(_))
    }
}

/// The isolation level of a transaction, in the SQL standard's terms.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    /// As SQL spells it: `READ COMMITTED`.
    pub fn sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }

    /// As a scenario spells it: `read_committed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read_uncommitted",
            Self::ReadCommitted => "read_committed",
            Self::RepeatableRead => "repeatable_read",
            Self::Serializable => "serializable",
        }
    }

    /// Reads what a server answers to `SHOW transaction_isolation`, in any case and with `-`, `_`
    /// or a space between the words. Called once for each transaction: it allocates nothing.
    pub fn from_server(text: &str) -> Option<Self> {
        let same = |level: &Self| {
            let name = level.sql();
            name.len() == text.len()
                && name
                    .bytes()
                    .zip(text.bytes())
                    .all(|(a, b)| a == b.to_ascii_uppercase() || (a == b' ' && matches!(b, b'-' | b'_')))
        };
        [Self::ReadCommitted, Self::RepeatableRead, Self::Serializable, Self::ReadUncommitted]
            .into_iter()
            .find(same)
    }
}

/// What a race does at an isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RaceOutcome {
    /// No schedule breaks an invariant or an assertion.
    Holds,
    /// At least one schedule breaks an invariant or an assertion.
    Violated,
    /// No schedule breaks one, and in at least one a session fails: a deadlock, a serialization failure.
    Error,
}

impl RaceOutcome {
    /// As a scenario spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for RaceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_every_spelling() {
        assert_eq!(Isolation::from_server("read committed"), Some(Isolation::ReadCommitted));
        assert_eq!(Isolation::from_server("REPEATABLE-READ"), Some(Isolation::RepeatableRead));
        assert_eq!(Isolation::from_server("snapshot"), None);
    }
}
