//! What the end-to-end tests share: the built program, and servers that play the user's own.
#![allow(dead_code, reason = "every test file uses another part of it")]

pub mod browser;
pub mod hostile;
pub mod http;
pub mod language_server;
pub mod planted;
pub mod proxy;
pub mod races;
pub mod terminal;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use deadheat::{
    dialect::Dialect,
    target::{
        Endpoint, Session, SessionSettings,
        embedded::{BinarySource, EmbeddedOptions, EmbeddedServer, ServerKind},
    },
};
use tempfile::TempDir;

/// The built program, with records in a folder of its own.
pub struct Program {
    pub state: TempDir,
    environment: Vec<(String, String)>,
}

impl Program {
    pub fn new() -> Self {
        Self { state: tempfile::tempdir().expect("a folder"), environment: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deadheat"));
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        command.env_remove("DATABASE_URL").env("DEADHEAT_STATE_DIR", self.state.path());
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("the program starts"))
    }

    /// Records of runs that weren't cleaned up.
    pub fn records(&self) -> usize {
        std::fs::read_dir(self.state.path()).expect("a folder").count()
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn expect_status(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is missing in:\n{}", self.stderr);
        self
    }
}

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
}

/// PostgreSQL, MariaDB or MySQL, and SQLite. A server that can't be had is a failure.
pub fn databases() -> Vec<TestDatabase> {
    let postgres = server(&[], 40);
    let url = postgres.url();
    let mut databases = vec![TestDatabase::Server(postgres, url)];
    databases.push(mysql(&[]));
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
    databases.push(TestDatabase::File(folder, url));
    databases
}

/// MariaDB or MySQL, with an empty database `test`.
pub fn mysql(settings: &[(&str, &str)]) -> TestDatabase {
    let server = server_of(ServerKind::MySql, settings, 40);
    let url = server.url();
    block_on(async {
        let mut session = session(&url).await;
        session.script("CREATE DATABASE test").await.expect("made");
        session.close().await;
    });
    TestDatabase::Server(server, url.replace("/mysql?", "/test?"))
}

/// A session with a database.
pub async fn session(url: &str) -> Session {
    let endpoint = Endpoint::from_url(url).expect("a URL");
    Session::connect(&endpoint, &SessionSettings::default()).await.expect("a session")
}

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
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

/// Asks again until it is so.
#[track_caller]
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process.
pub fn signal(process: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &process.to_string()]).status().expect("kill");
    assert!(status.success());
}

/// A file in a folder.
pub fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, text).expect("written");
    path
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("the report is there")).expect("the report is JSON")
}
