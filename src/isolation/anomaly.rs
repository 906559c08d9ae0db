//! What can be wrong with a history, and the levels that rule it out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{dialect::Dialect, outcome::Isolation};

/// An isolation level as a property of histories, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Writes aren't interleaved.
    ReadUncommitted,
    /// Only committed, final versions are read.
    ReadCommitted,
    /// A transaction's reads are of one snapshot, and its writes needn't be: what MySQL and MariaDB mean.
    RepeatableRead,
    /// Reads and writes are of one snapshot: what PostgreSQL means by `REPEATABLE READ`.
    SnapshotIsolation,
    /// As if one transaction had followed the other.
    Serializable,
    /// Likewise, in an order in which none comes before one that had ended before it began.
    StrictSerializable,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::SnapshotIsolation,
        Self::Serializable,
        Self::StrictSerializable,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::SnapshotIsolation => "snapshot isolation",
            Self::Serializable => "serializable",
            Self::StrictSerializable => "strict serializable",
        }
    }

    /// What a kind of database promises under the name of a level (the manuals of PostgreSQL 15, section
    /// 13.2, of MySQL 8.0, section 17.7.2.1, and of SQLite, "Isolation in SQLite").
    pub fn promised(dialect: Dialect, isolation: Isolation) -> Self {
        match (dialect, isolation) {
            (Dialect::Sqlite, _) | (_, Isolation::Serializable) => Self::Serializable,
            (_, Isolation::ReadUncommitted) => Self::ReadUncommitted,
            (_, Isolation::ReadCommitted) => Self::ReadCommitted,
            (Dialect::Postgres, Isolation::RepeatableRead) => Self::SnapshotIsolation,
            (Dialect::MySql, Isolation::RepeatableRead) => Self::RepeatableRead,
        }
    }

    /// The strongest level that rules out none of the anomalies.
    pub(super) fn strongest(anomalies: impl Iterator<Item = Anomaly>) -> Option<Self> {
        let Some(broken) = anomalies.map(Anomaly::rules_out).min() else {
            return Some(Self::StrictSerializable);
        };
        Self::ALL.into_iter().rfind(|level| *level < broken)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Something that a history shows, from the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// A read holds a value that nobody appended.
    Unwritten,
    /// A read holds a value twice.
    Duplicate,
    /// A transaction doesn't see what it appended itself.
    Internal,
    /// A transaction sees what it appends only later.
    FutureRead,
    /// Dirty write: a cycle of writes.
    G0,
    /// A read of what was rolled back.
    G1a,
    /// A read of what its writer went on to change.
    G1b,
    /// Two reads of a list that can't be versions of one list.
    IncompatibleOrder,
    /// Circular information flow: a cycle of writes and reads of them.
    G1c,
    /// Read skew: a transaction reads something older and something newer than another one's commit.
    ReadSkew,
    /// A cycle with one anti-dependency, closed by a write.
    GSingle,
    /// Two transactions read the same version and both appended to it.
    LostUpdate,
    /// A cycle with several anti-dependencies, none after another: no snapshot explains it.
    GNonadjacent,
    /// Write skew and its kin: a cycle with several anti-dependencies.
    G2Item,
    /// Serializable, but not in an order that keeps to real time.
    RealTime,
}

impl Anomaly {
    /// In the terms of the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unwritten => "unwritten value",
            Self::Duplicate => "duplicate",
            Self::Internal => "internal inconsistency",
            Self::FutureRead => "future read",
            Self::G0 => "G0 (dirty write)",
            Self::G1a => "G1a (aborted read)",
            Self::G1b => "G1b (intermediate read)",
            Self::IncompatibleOrder => "incompatible order",
            Self::G1c => "G1c (circular information flow)",
            Self::ReadSkew => "G-single (read skew)",
            Self::GSingle => "G-single (closed by a write)",
            Self::LostUpdate => "P4 (lost update)",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2Item => "G2-item (write skew)",
            Self::RealTime => "real-time violation",
        }
    }

    /// The weakest level at which it can't happen.
    pub fn rules_out(self) -> Level {
        match self {
            Self::Unwritten | Self::Duplicate | Self::Internal | Self::FutureRead | Self::G0 => {
                Level::ReadUncommitted
            }
            Self::G1a | Self::G1b | Self::IncompatibleOrder | Self::G1c => Level::ReadCommitted,
            Self::ReadSkew => Level::RepeatableRead,
            Self::GSingle | Self::LostUpdate | Self::GNonadjacent => Level::SnapshotIsolation,
            Self::G2Item => Level::Serializable,
            Self::RealTime => Level::StrictSerializable,
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
