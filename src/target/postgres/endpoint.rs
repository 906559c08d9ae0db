//! Where a PostgreSQL server is, and how to reach it.

use std::{path::Path, str::FromStr};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::super::{ConnectError, SessionSettings};

/// A PostgreSQL server and database, with everything that is needed to connect.
#[derive(Clone)]
pub struct PostgresEndpoint {
    options: PgConnectOptions,
}

impl PostgresEndpoint {
    /// Reads a URL. The message of an error doesn't repeat it, because it may hold a password.
    pub(in crate::target) fn from_url(url: &str) -> Result<Self, ConnectError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            let shown = error.to_string();
            ConnectError::Url(if url.len() > 8 { shown.replace(url, "…") } else { shown })
        })?;
        Ok(Self { options })
    }

    /// User, host, port and database.
    pub(in crate::target) fn describe(&self) -> String {
        format!(
            "{}@{}:{}/{}",
            self.options.get_username(),
            self.host(),
            self.options.get_port(),
            self.database()
        )
    }

    /// The host name or the folder of the Unix socket.
    pub(in crate::target) fn host(&self) -> String {
        self.options
            .get_socket()
            .map_or_else(|| self.options.get_host().to_owned(), |socket| socket.display().to_string())
    }

    /// The name of the database.
    pub(in crate::target) fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// The URL without its password, from which `clean` can connect again.
    pub(in crate::target) fn url_without_password(&self) -> String {
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
    pub(in crate::target) fn environment(&self, schema: Option<&str>) -> Vec<(String, String)> {
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
}
