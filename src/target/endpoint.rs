//! Where a database is, and how to reach it.

use std::{net::IpAddr, path::Path, time::Duration};

use super::{
    Failure, mysql::MySqlEndpoint, patience::LONGEST_ANSWER, postgres::PostgresEndpoint,
    sqlite::SqliteEndpoint,
};
use crate::{dialect::Dialect, units::format_duration};

/// A database, with everything that is needed to connect.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) place: Place,
    /// Set for a database of ours.
    embedded: bool,
}

/// The place, by kind of database.
#[derive(Clone)]
pub(super) enum Place {
    Postgres(PostgresEndpoint),
    MySql(MySqlEndpoint),
    Sqlite(SqliteEndpoint),
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database URL can't be read: {0}")]
    Url(String),
    #[error("can't reach {server}: {message}")]
    Unreachable { server: String, message: String },
    #[error("{server} refuses the connection: {message}")]
    Refused { server: String, message: String },
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Url(_) => Some("write a URL like `postgres://user:password@127.0.0.1:5432/name`"),
            Self::Unreachable { .. } => Some("is the server running, and are host and port right?"),
            Self::Refused { .. } => None,
        }
    }

    /// Nothing came within this time.
    pub(super) fn no_answer(server: String, limit: Option<Duration>) -> Self {
        let limit = format_duration(limit.unwrap_or(LONGEST_ANSWER));
        Self::Unreachable { server, message: format!("no answer within {limit}") }
    }

    pub(super) fn from_sqlx(server: String, error: &sqlx::Error) -> Self {
        let failure = Failure::from_sqlx(error);
        match error {
            sqlx::Error::Database(_) => Self::Refused { server, message: failure.to_string() },
            _ => Self::Unreachable { server, message: failure.message.clone() },
        }
    }
}

impl Endpoint {
    /// Reads a URL: `postgres://`, `mysql://`, `mariadb://` or `sqlite:PATH`.
    ///
    /// # Errors
    /// When it isn't one; the message doesn't repeat it, because it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, ConnectError> {
        let place = if let Some(path) = url.strip_prefix("sqlite:") {
            Place::Sqlite(SqliteEndpoint::new(path.strip_prefix("//").unwrap_or(path)))
        } else if url.starts_with("mysql:") || url.starts_with("mariadb:") {
            Place::MySql(MySqlEndpoint::from_url(url)?)
        } else {
            Place::Postgres(PostgresEndpoint::from_url(url)?)
        };
        Ok(Self { place, embedded: false })
    }

    /// A database of ours.
    #[must_use]
    pub fn embedded(self) -> Self {
        Self { embedded: true, ..self }
    }

    /// A database that was there before: a file isn't made when it isn't there, and is kept as it was.
    #[must_use]
    pub fn theirs(self) -> Self {
        match self.place {
            Place::Sqlite(place) => Self { place: Place::Sqlite(place.theirs()), ..self },
            Place::Postgres(_) | Place::MySql(_) => self,
        }
    }

    /// The kind of database.
    pub fn dialect(&self) -> Dialect {
        match &self.place {
            Place::Postgres(_) => Dialect::Postgres,
            Place::MySql(_) => Dialect::MySql,
            Place::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// True for a database of ours.
    pub fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// `embedded`, or host, port and database; never a password.
    pub fn describe(&self) -> String {
        match &self.place {
            _ if self.embedded => "embedded".to_owned(),
            Place::Postgres(endpoint) => endpoint.describe(),
            Place::MySql(endpoint) => endpoint.describe(),
            Place::Sqlite(endpoint) => endpoint.describe(),
        }
    }

    /// The host name, the folder of the Unix socket, or the file.
    pub fn host(&self) -> String {
        match &self.place {
            Place::Postgres(endpoint) => endpoint.host(),
            Place::MySql(endpoint) => endpoint.host(),
            Place::Sqlite(endpoint) => endpoint.describe(),
        }
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        match &self.place {
            Place::Postgres(endpoint) => endpoint.database(),
            Place::MySql(endpoint) => endpoint.database(),
            Place::Sqlite(endpoint) => endpoint.database(),
        }
    }

    /// The URL without its password, from which `clean` can connect again.
    pub fn url_without_password(&self) -> String {
        match &self.place {
            Place::Postgres(endpoint) => endpoint.url_without_password(),
            Place::MySql(endpoint) => endpoint.url_without_password(),
            Place::Sqlite(endpoint) => endpoint.url(),
        }
    }

    /// Environment variables from which a program of any language finds the database, its password
    /// included: `DATABASE_URL`, and those that the server's own clients read.
    pub fn environment(&self, schema: Option<&str>) -> Vec<(String, String)> {
        match &self.place {
            Place::Postgres(endpoint) => endpoint.environment(schema),
            Place::MySql(endpoint) => endpoint.environment(schema),
            Place::Sqlite(endpoint) => vec![("DATABASE_URL".to_owned(), endpoint.url())],
        }
    }

    /// True when two endpoints mean the same database, whatever their passwords.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.url_without_password() == other.url_without_password()
    }

    /// True when nothing but this machine can be meant.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        self.dialect() == Dialect::Sqlite
            || Path::new(&host).is_absolute()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}
