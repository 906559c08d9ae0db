//! The kinds of databases: the vocabulary in which every difference between them is one `match`.

use serde::{Deserialize, Serialize};

/// A kind of database. MariaDB speaks MySQL's dialect.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::MySql, Self::Sqlite];

    /// As scenarios and folders of migrations spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    /// For people.
    pub fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// The placeholder of the parameter with this number, from 1.
    pub fn placeholder(self, number: usize) -> String {
        match self {
            Self::Postgres => format!("${number}"),
            Self::MySql | Self::Sqlite => "?".to_owned(),
        }
    }

    /// A name in quotes, whatever it is made of.
    pub fn quote(self, name: &str) -> String {
        match self {
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// Whether rows can be locked one by one. SQLite has one lock for the whole database.
    pub fn locks_rows(self) -> bool {
        match self {
            Self::Postgres | Self::MySql => true,
            Self::Sqlite => false,
        }
    }

    /// Why a check can't apply on this kind of database; `None`: it can.
    pub fn lacks(self, check: Check) -> Option<&'static str> {
        match (self, check) {
            (Self::Postgres | Self::MySql, _) => None,
            (Self::Sqlite, Check::Isolation) => Some("every transaction on SQLite is serializable"),
            (Self::Sqlite, Check::LockOrder) => Some("SQLite locks the whole database, not tables"),
            (Self::Sqlite, Check::LockWaits) => Some("SQLite doesn't tell who waits"),
            (Self::Sqlite, Check::Deadlocks) => Some("SQLite answers `busy` where others deadlock"),
        }
    }

    /// Values that one statement takes at most.
    pub fn most_values(self) -> usize {
        match self {
            // Counted in 16 bits.
            Self::Postgres | Self::MySql => 60_000,
            // SQLITE_MAX_VARIABLE_NUMBER
            Self::Sqlite => 32_000,
        }
    }
}

/// What not every kind of database has, so that a check of it can't apply there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Isolation,
    LockOrder,
    LockWaits,
    Deadlocks,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Isolation, Self::LockOrder, Self::LockWaits, Self::Deadlocks];

    /// As the result document names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Isolation => "isolation",
            Self::LockOrder => "lock_order",
            Self::LockWaits => "lock_waits",
            Self::Deadlocks => "deadlocks",
        }
    }
}

/// When a transaction on SQLite takes the lock that only one can hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// At its first write.
    #[default]
    Deferred,
    /// At its begin, waiting for it.
    Immediate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_each_database_does() {
        assert_eq!(Dialect::Postgres.quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(Dialect::MySql.quote("a`b"), "`a``b`");
        assert_eq!(Dialect::Sqlite.quote("a b"), "\"a b\"");
    }

    #[test]
    fn names_are_those_that_scenarios_spell() {
        for dialect in Dialect::ALL {
            let spelled = serde_json::to_value(dialect).expect("a name");
            assert_eq!(spelled, dialect.name());
        }
    }
}
