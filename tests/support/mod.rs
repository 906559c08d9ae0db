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
    process::{Child, Command, Output, Stdio},
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

    /// Starts it; what it says is kept for [`Ended::of_started`].
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// Starts it; nobody hears what it says.
    pub fn start_unheard(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
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

    /// Waits for the end of a program that was started.
    pub fn of_started(program: Child) -> Self {
        Self::of(program.wait_with_output().expect("it ended"))
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

/// A process that ends with this value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a process as a crash does.
pub fn kill(mut process: Child) {
    process.kill().expect("killed");
    process.wait().expect("it ended");
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

/// Writes the migration, below a scenario's folder, of a table `things` with a number each.
pub fn things(folder: &Path, dialect: Dialect) {
    let key = numbered_key(dialect);
    let table = format!("CREATE TABLE things (id {key}, n int NOT NULL);");
    file(folder, &format!("migrations/{}/0001.sql", dialect.name()), &table);
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
