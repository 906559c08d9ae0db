//! What the end-to-end tests share: the built program, what it is given, and what it is held against.
#![allow(dead_code, reason = "every test file uses another part of it")]

pub mod browser;
mod database;
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

pub use database::*;
use deadheat::dialect::Dialect;
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

    /// Runs it in another folder than the project's.
    pub fn run_in(&self, folder: &Path, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).current_dir(folder).output().expect("the program starts"))
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

/// Writes the migration, below a scenario's folder, of a table `things` with a number each.
pub fn things(folder: &Path, dialect: Dialect) {
    let key = numbered_key(dialect);
    let table = format!("CREATE TABLE things (id {key}, n int NOT NULL);");
    file(folder, &format!("migrations/{}/0001.sql", dialect.name()), &table);
}

/// Of a scenario: its work on the table of [`things`], in a transaction to which more steps can be added.
pub const WORK_ON_THINGS: &str = "
fixtures: {things: {table: things, rows: 30, values: {n: 0}}}
operations:
  add:
    let: {one: \"{{ pick(things) }}\"}
    steps:
      - transaction:
          steps:
            - sql: UPDATE things SET n = n + 1 WHERE id = {{ one.id }}
";

/// Writes a scenario that counts on SQLite, which needs no server; `operations` are more of them.
pub fn counting(folder: &Path, name: &str, operations: &str, load: &str) -> PathBuf {
    things(folder, Dialect::Sqlite);
    let scenario = format!(
        "version: 1
name: {name}
targets: {{db: {{database: \"sqlite:\", migrations: migrations, begin: immediate, lock_timeout: 10s}}}}
fixtures: {{things: {{table: things, rows: 3, values: {{n: 0}}}}}}
operations:
  count:
    let: {{one: \"{{{{ pick(things) }}}}\"}}
    steps:
      - sleep: 5ms
      - sql: UPDATE things SET n = n + 1 WHERE id = {{{{ one.id }}}}
{operations}load: {{concurrency: 2, {load}}}
"
    );
    file(folder, "counting.yaml", &scenario)
}

/// The option of each report, and a file for it.
pub const REPORTS: [[&str; 2]; 4] =
    [["--json", "r.json"], ["--junit", "r.xml"], ["--html", "r.html"], ["--markdown", "r.md"]];

/// Python with the packages that `scripts/test` installs.
pub fn python() -> Command {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    assert!(python.exists(), "there is no {}; scripts/test makes it", python.display());
    Command::new(python)
}

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
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
