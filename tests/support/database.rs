//! Servers and files that play the user's own, and what is asked of them past the program.

use deadheat::{
    dialect::Dialect,
    target::{
        Endpoint, Session, SessionSettings,
        embedded::{BinarySource, EmbeddedOptions, EmbeddedServer, ServerKind},
    },
};
use tempfile::TempDir;

use super::block_on;

/// A server that plays the user's own.
pub fn server(settings: &[(&str, &str)], max_connections: u32) -> EmbeddedServer {
    server_of(ServerKind::Postgres, settings, max_connections)
}

/// A server of any kind that plays the user's own.
pub fn server_of(kind: ServerKind, settings: &[(&str, &str)], max_connections: u32) -> EmbeddedServer {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = EmbeddedOptions {
        kind,
        max_connections,
        settings,
        binaries: BinarySource::from_env(kind),
        ..EmbeddedOptions::default()
    };
    EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect("a server")
}

/// A database of each kind, alone in its server or file.
pub enum TestDatabase {
    Server(EmbeddedServer, String),
    File(TempDir, String),
}

impl TestDatabase {
    pub fn url(&self) -> &str {
        match self {
            Self::Server(_, url) | Self::File(_, url) => url,
        }
    }

    pub fn dialect(&self) -> Dialect {
        Endpoint::from_url(self.url()).expect("a URL").dialect()
    }

    /// Ends the server, or removes the file.
    pub fn stop(self) {
        match self {
            Self::Server(server, _) => server.stop().expect("stopped"),
            Self::File(folder, _) => folder.close().expect("removed"),
        }
    }
}

/// PostgreSQL, MariaDB or MySQL, and SQLite. A server that can't be had is a failure.
pub fn databases() -> Vec<TestDatabase> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
    vec![database_of(ServerKind::Postgres, &[]), mysql(&[]), TestDatabase::File(folder, url)]
}

/// MariaDB or MySQL, with an empty database `test`.
pub fn mysql(settings: &[(&str, &str)]) -> TestDatabase {
    database_of(ServerKind::MySql, settings)
}

/// An empty database in a server of any kind.
pub fn database_of(kind: ServerKind, settings: &[(&str, &str)]) -> TestDatabase {
    let server = server_of(kind, settings, 40);
    let url = match kind {
        ServerKind::Postgres => server.url(),
        ServerKind::MySql => {
            run_script(&server.url(), "CREATE DATABASE test");
            server.url().replace("/mysql?", "/test?")
        }
    };
    TestDatabase::Server(server, url)
}

/// A session with a database.
pub async fn session(url: &str) -> Session {
    let endpoint = Endpoint::from_url(url).expect("a URL");
    Session::connect(&endpoint, &SessionSettings::default()).await.expect("a session")
}

/// Runs SQL on a database of any kind.
pub fn run_script(url: &str, text: &str) {
    block_on(async {
        let mut session = session(url).await;
        session.script(text).await.expect("the SQL runs");
        session.close().await;
    });
}

/// The number that a query returns, on a database of any kind.
pub fn number(url: &str, query: &str) -> i64 {
    block_on(async {
        let mut session = session(url).await;
        let number = session.query(query, &[]).await.expect("an answer").single();
        session.close().await;
        number.as_i64().expect("a number")
    })
}

/// How a column is declared that numbers its rows.
pub fn numbered_key(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        Dialect::MySql => "int AUTO_INCREMENT PRIMARY KEY",
        Dialect::Sqlite => "integer PRIMARY KEY",
    }
}

/// How many schemas of runs there are, which on MariaDB and MySQL are databases.
pub fn schemas_of_runs(url: &str) -> i64 {
    number(url, "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'deadheat%'")
}

/// Driver options to connect to a PostgreSQL as its superuser.
pub fn postgres_options(server: &EmbeddedServer) -> sqlx::postgres::PgConnectOptions {
    server.url().parse().expect("a URL")
}

/// Runs SQL on a server.
pub fn sql(server: &EmbeddedServer, text: &str) {
    block_on(async {
        use sqlx::{Connection, Executor};
        let mut connection = sqlx::PgConnection::connect(&server.url()).await.expect("a connection");
        connection
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())))
            .await
            .expect("the SQL runs");
        connection.close().await.expect("closed");
    });
}

/// The first value that a query returns, as text.
pub fn value(server: &EmbeddedServer, text: &str) -> String {
    block_on(async {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect(&server.url()).await.expect("a connection");
        let text = format!("SELECT ({text})::text");
        let (value,): (String,) =
            sqlx::query_as(sqlx::AssertSqlSafe(text)).fetch_one(&mut connection).await.expect("a value");
        connection.close().await.expect("closed");
        value
    })
}
