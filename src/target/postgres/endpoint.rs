//! Where a server is, how to reach it, and what it tells about itself.

use std::{net::IpAddr, path::Path, str::FromStr};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::super::{Failure, SessionSettings};
use crate::outcome::Cause;

/// A PostgreSQL server and database, with everything that is needed to connect.
#[derive(Clone)]
pub struct Endpoint {
    options: PgConnectOptions,
    /// Set for a server of ours.
    embedded: bool,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Why a server can't be used.
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
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it isn't one; the message doesn't repeat it, because it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, ConnectError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            let shown = error.to_string();
            ConnectError::Url(if url.len() > 8 { shown.replace(url, "…") } else { shown })
        })?;
        Ok(Self { options, embedded: false })
    }

    /// A server of ours, on a Unix socket in `folder`.
    pub fn embedded(options: PgConnectOptions) -> Self {
        Self { options, embedded: true }
    }

    /// True for a server of ours.
    pub fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// `embedded`, or host, port and database; never a password.
    pub fn describe(&self) -> String {
        if self.embedded {
            return "embedded".to_owned();
        }
        format!(
            "{}@{}:{}/{}",
            self.options.get_username(),
            self.host(),
            self.options.get_port(),
            self.database()
        )
    }

    /// The host name or the folder of the Unix socket.
    pub fn host(&self) -> String {
        self.options
            .get_socket()
            .map_or_else(|| self.options.get_host().to_owned(), |socket| socket.display().to_string())
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// The URL without its password, from which `clean` can connect again.
    pub fn url_without_password(&self) -> String {
        let host = self.host();
        let (authority, query) = if Path::new(&host).is_absolute() {
            ("localhost".to_owned(), format!("?host={host}"))
        } else if host.contains(':') {
            (format!("[{host}]"), String::new())
        } else {
            (host, String::new())
        };
        let (user, port) = (self.options.get_username(), self.options.get_port());
        format!("postgres://{user}@{authority}:{port}/{}{query}", self.database())
    }

    /// Environment variables from which a program of any language finds the database, its password
    /// included: `DATABASE_URL` as libpq reads it, and libpq's own.
    pub fn environment(&self, schema: Option<&str>) -> Vec<(String, String)> {
        let mut url = self.options.to_url_lossy();
        let host = self.host();
        url.set_query(None);
        if Path::new(&host).is_absolute() {
            url.query_pairs_mut().append_pair("host", &host);
        }
        let mut variables = vec![
            ("PGHOST".to_owned(), host),
            ("PGPORT".to_owned(), self.options.get_port().to_string()),
            ("PGUSER".to_owned(), self.options.get_username().to_owned()),
            ("PGDATABASE".to_owned(), self.database().to_owned()),
        ];
        if let Some(password) = url.password() {
            variables.push(("PGPASSWORD".to_owned(), password.to_owned()));
        }
        let mut text = url.to_string();
        if let Some(schema) = schema {
            let options = format!("-c search_path={schema},public");
            // `%20` and not `+`, which libpq doesn't read as a blank.
            let separator = if text.contains('?') { '&' } else { '?' };
            text = format!("{text}{separator}options=-c%20search_path%3D{schema}%2Cpublic");
            variables.push(("PGOPTIONS".to_owned(), options));
        }
        variables.push(("DATABASE_URL".to_owned(), text));
        variables
    }

    /// True when two endpoints mean the same database, whatever their passwords.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.url_without_password() == other.url_without_password()
    }

    /// True when nothing but this machine can be meant.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        Path::new(&host).is_absolute()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Driver options with the settings of a session.
    pub(super) fn options(&self, settings: &SessionSettings) -> PgConnectOptions {
        let mut server: Vec<(&str, String)> = Vec::new();
        if let Some(schema) = &settings.schema {
            server.push(("search_path", format!("{schema},public")));
        }
        if let Some(timeout) = settings.statement_timeout {
            server.push(("statement_timeout", timeout.as_millis().to_string()));
        }
        if let Some(timeout) = settings.lock_timeout {
            server.push(("lock_timeout", timeout.as_millis().to_string()));
        }
        self.options
            .clone()
            .application_name(&settings.application_name)
            .statement_cache_capacity(settings.statements + 20)
            .options(server)
            .disable_statement_logging()
    }

    pub(super) fn connect_error(&self, error: &sqlx::Error) -> ConnectError {
        let server = self.describe();
        match error {
            sqlx::Error::Database(_) => {
                let failure = Failure::from_sqlx(error);
                ConnectError::Refused { server, message: failure.to_string() }
            }
            other => {
                let failure = Failure::from_sqlx(other);
                debug_assert_eq!(failure.cause, Cause::Connection);
                ConnectError::Unreachable { server, message: failure.message.clone() }
            }
        }
    }
}
