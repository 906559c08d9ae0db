//! Where a MySQL or MariaDB server is, and how to reach it.

use std::{
    collections::BTreeSet,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex},
};

use sqlx::{ConnectOptions, mysql::MySqlConnectOptions};
use url::Url;

use super::{
    super::{ConnectError, SessionSettings},
    view::SharedView,
};

/// A server and database, with everything that is needed to connect.
#[derive(Clone)]
pub struct MySqlEndpoint {
    options: MySqlConnectOptions,
    /// As written, without its password.
    url: Url,
    password: Option<String>,
    /// Path of the Unix socket.
    socket: Option<String>,
    /// One for all sessions.
    pub(super) view: SharedView,
    /// Numbers of the connections of all sessions. The server gives out none twice.
    pub(super) ours: Arc<Mutex<BTreeSet<i32>>>,
}

impl MySqlEndpoint {
    /// Reads a URL: `mysql://user:password@host:port/name?socket=/path`. The message of an error doesn't
    /// repeat it, because it may hold a password.
    pub(in crate::target) fn from_url(url: &str) -> Result<Self, ConnectError> {
        let text = url.replacen("mariadb:", "mysql:", 1);
        let refused = |message: String| {
            ConnectError::Url(if text.len() > 8 { message.replace(&text, "…") } else { message })
        };
        let mut parsed = Url::parse(&text).map_err(|error| refused(error.to_string()))?;
        // What sqlx would set in every session stays as the server has it: a test of an application's
        // statements must run in the application's modes.
        let options = MySqlConnectOptions::from_str(&text)
            .map_err(|error| refused(error.to_string()))?
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        let socket =
            parsed.query_pairs().find(|(name, _)| name == "socket").map(|(_, path)| path.into_owned());
        let password = parsed.password().map(str::to_owned);
        // A URL without a host has no place for a password either.
        let _ = parsed.set_password(None);
        Ok(Self {
            options,
            url: parsed,
            password,
            socket,
            view: SharedView::default(),
            ours: Arc::default(),
        })
    }

    /// User, host, port and database.
    pub(in crate::target) fn describe(&self) -> String {
        let place = match &self.socket {
            Some(socket) => socket.clone(),
            None => format!("{}:{}", self.host(), self.url.port().unwrap_or(3306)),
        };
        format!("{}@{place}/{}", self.user(), self.database())
    }

    fn user(&self) -> &str {
        if self.url.username().is_empty() { "root" } else { self.url.username() }
    }

    /// The host name or the path of the Unix socket.
    pub(in crate::target) fn host(&self) -> String {
        match &self.socket {
            Some(socket) => socket.clone(),
            None => {
                let host = self.url.host_str().unwrap_or("localhost");
                host.trim_start_matches('[').trim_end_matches(']').to_owned()
            }
        }
    }

    /// The name of the database; empty when none is named.
    pub(in crate::target) fn database(&self) -> &str {
        self.url.path().trim_start_matches('/')
    }

    pub(in crate::target) fn url_without_password(&self) -> String {
        self.url.to_string()
    }

    /// `DATABASE_URL`, and what the command-line client reads.
    pub(in crate::target) fn environment(&self, schema: Option<&str>) -> Vec<(String, String)> {
        let mut url = self.url.clone();
        if let Some(schema) = schema {
            url.set_path(schema);
        }
        let mut variables = Vec::new();
        if Path::new(&self.host()).is_absolute() {
            variables.push(("MYSQL_UNIX_PORT".to_owned(), self.host()));
        } else {
            variables.push(("MYSQL_HOST".to_owned(), self.host()));
            variables.push(("MYSQL_TCP_PORT".to_owned(), self.url.port().unwrap_or(3306).to_string()));
        }
        if let Some(password) = &self.password {
            // It was in this URL before.
            let _ = url.set_password(Some(password));
            variables.push(("MYSQL_PWD".to_owned(), password.clone()));
        }
        variables.push(("DATABASE_URL".to_owned(), url.to_string()));
        variables
    }

    /// Driver options with the settings of a session. The run's own schema is a database of its own.
    pub(super) fn options(&self, settings: &SessionSettings) -> MySqlConnectOptions {
        let options = self.options.clone().statement_cache_capacity(settings.statements + 20);
        match &settings.schema {
            Some(schema) => options.database(schema),
            None => options,
        }
    }
}
