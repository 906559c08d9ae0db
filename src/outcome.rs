//! What can happen to an operation, and why: the vocabulary that every room shares.
//!
//! Nothing here knows a driver. `target` classifies server errors into [`Cause`] by code, the
//! engine turns attempts into one [`Outcome`] per operation, `measure` counts them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an attempt failed, classified by SQLSTATE (PostgreSQL's Appendix A), by MySQL's and MariaDB's
/// error numbers, by SQLite's result codes or by how a request failed, never by the text of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// 40P01; 1213: the server broke a deadlock by refusing this transaction.
    Deadlock,
    /// 40001; 1020; `SQLITE_BUSY_SNAPSHOT`: the transaction can't be serialized with others.
    Serialization,
    /// 55P03; 1205, 3572: a lock wasn't granted in time (`lock_timeout`, `NOWAIT`).
    LockTimeout,
    /// The database is busy (SQLite's `SQLITE_BUSY`, `SQLITE_LOCKED`).
    Busy,
    /// 23505; 1062; `SQLITE_CONSTRAINT_UNIQUE`, `SQLITE_CONSTRAINT_PRIMARYKEY`.
    Unique,
    /// 23503; 1451, 1452; `SQLITE_CONSTRAINT_FOREIGNKEY`.
    ForeignKey,
    /// 23514; 3819, 4025; `SQLITE_CONSTRAINT_CHECK`.
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
    /// 57014 (`statement_timeout`), 1969, 3024, or a request that wasn't answered in time.
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

    /// Classifies an error number of MySQL or MariaDB (MySQL's Server Error Message Reference, MariaDB's
    /// list of error codes). The SQLSTATE tells apart what the two use one number for.
    pub fn from_mysql(number: u16, sqlstate: &str) -> Self {
        match number {
            1213 | 1614 => Self::Deadlock,
            // The record has changed since it was read (MariaDB's `innodb_snapshot_isolation`).
            1020 => Self::Serialization,
            // Not granted in time; `NOWAIT` (MySQL); a branch of a distributed transaction likewise.
            1205 | 3572 | 1613 => Self::LockTimeout,
            1022 | 1062 | 1169 | 1586 => Self::Unique,
            1216 | 1217 | 1451 | 1452 => Self::ForeignKey,
            3819 => Self::Check,
            4025 if sqlstate == "23000" => Self::Check,
            // Interrupted; `max_statement_time` (MariaDB); `max_execution_time` (MySQL).
            1317 | 1969 | 3024 => Self::Timeout,
            // Too many connections, shutdown, broken network, killed, gone.
            1040 | 1053 | 1152..=1161 | 1184 | 1203 | 1226 | 1927 | 3169 | 4031 => Self::Connection,
            2002 | 2003 | 2006 | 2013 | 2055 => Self::Connection,
            other => Self::Other(other.to_string()),
        }
    }

    /// Classifies an extended result code of SQLite (sqlite.org/rescode.html).
    pub fn from_sqlite(code: i32) -> Self {
        match code {
            // BUSY_SNAPSHOT: what the transaction has read isn't the newest any more; waiting is of no use.
            517 => Self::Serialization,
            2067 | 1555 | 2579 => Self::Unique,
            787 => Self::ForeignKey,
            275 => Self::Check,
            // BUSY, LOCKED and their kin.
            other if matches!(other & 0xff, 5 | 6) => Self::Busy,
            9 => Self::Timeout,
            14 | 270 | 526 | 782 | 1038 | 1294 => Self::Connection,
            other => Self::Other(other.to_string()),
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

/// What tells the isolation level of a transaction that is seen from another session: on PostgreSQL its
/// snapshot and its locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelEvidence {
    /// It has read or written and holds no snapshot between two statements. PostgreSQL runs READ
    /// UNCOMMITTED as this.
    ReadCommitted,
    /// It holds a snapshot after a statement that needs none any more: REPEATABLE READ or SERIALIZABLE, or
    /// a cursor is open.
    SnapshotHeld,
    /// It holds a snapshot, has read through an index and written, and nothing notes what it read.
    RepeatableRead,
    /// The server notes what it read (`SIReadLock`).
    Serializable,
    /// The engine tells the level itself (InnoDB).
    Told(Isolation),
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
    fn numbers_are_classified_whatever_the_message_says() {
        for (number, sqlstate, cause) in [
            (1213, "40001", Cause::Deadlock),
            (1205, "HY000", Cause::LockTimeout),
            (3572, "HY000", Cause::LockTimeout),
            (1020, "HY000", Cause::Serialization),
            (1062, "23000", Cause::Unique),
            (1452, "23000", Cause::ForeignKey),
            (3819, "HY000", Cause::Check),
            (4025, "23000", Cause::Check),
            (4025, "HY000", Cause::Other("4025".into())),
            (1927, "70100", Cause::Connection),
            (1040, "08004", Cause::Connection),
            (1064, "42000", Cause::Other("1064".into())),
        ] {
            assert_eq!(Cause::from_mysql(number, sqlstate), cause, "{number}");
        }
        for (code, cause) in [
            (5, Cause::Busy),
            (261, Cause::Busy),
            (6, Cause::Busy),
            (262, Cause::Busy),
            (517, Cause::Serialization),
            (2067, Cause::Unique),
            (1555, Cause::Unique),
            (787, Cause::ForeignKey),
            (275, Cause::Check),
            (1, Cause::Other("1".into())),
        ] {
            assert_eq!(Cause::from_sqlite(code), cause, "{code}");
        }
    }

    #[test]
    fn levels_are_read_in_every_spelling() {
        assert_eq!(Isolation::from_server("read committed"), Some(Isolation::ReadCommitted));
        assert_eq!(Isolation::from_server("REPEATABLE-READ"), Some(Isolation::RepeatableRead));
        assert_eq!(Isolation::from_server("snapshot"), None);
    }
}
