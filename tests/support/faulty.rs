//! A run that something breaks under: a server, a network before it, and a run through that network; and a
//! server's process that is killed and started again.

use std::{
    os::unix::{fs::MetadataExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use deadheat::target::embedded::{EmbeddedServer, ServerKind};
use serde_json::Value;
use tempfile::TempDir;

use super::support::{
    Ended, Program, Running, TestDatabase, database_of, file, json, number, numbered_key, proxy::Proxy,
    run_script, signal, text, wait_for,
};

/// Each operation adds a row in a transaction of its own; what was acknowledged is there, and what is unknown
/// is all that may be there beyond it.
pub const SCENARIO: &str = r#"
version: 1
name: faults
targets: {db: {database: "${DATABASE_URL}", isolation: read_committed, timeout: 1s}}
fixtures: {counters: {table: counters, rows: 4, values: {n: 0}}}
retry: {on: [deadlock, connection], max_retries: 2, delay: 10ms}
operations:
  add:
    let: {counter: "{{ pick(counters) }}"}
    steps:
      - transaction:
          steps:
            - sql: INSERT INTO things (n) VALUES (1)
            - sql: UPDATE counters SET n = n + 1 WHERE id = {{ counter.id }}
load: {concurrency: 8, duration: 3s}
invariants:
  what_was_acknowledged_is_there:
    sql: SELECT count(*) AS n FROM things
    expect: n >= before.n + operations.add.committed and n <= before.n + operations.add.committed + operations.add.unknown
thresholds: {success_rate: "> 1%"}
"#;

/// A server, a network before it, and a run through it.
pub struct Faulty {
    pub server: EmbeddedServer,
    pub proxy: Proxy,
    /// Past the network.
    pub url: String,
    pub program: Program,
    _folder: TempDir,
    scenario: PathBuf,
    result: PathBuf,
}

impl Faulty {
    pub fn new(kind: ServerKind) -> Self {
        // What is acknowledged is to outlive a killed server.
        let settings: &[_] = match kind {
            ServerKind::Postgres => &[],
            ServerKind::MySql => &[("innodb-flush-log-at-trx-commit", "2")],
        };
        Self::with(kind, SCENARIO, settings)
    }

    pub fn with(kind: ServerKind, scenario: &str, settings: &[(&str, &str)]) -> Self {
        let database = database_of(kind, settings);
        let key = numbered_key(database.dialect());
        for table in ["things", "counters"] {
            run_script(database.url(), &format!("CREATE TABLE {table} (id {key}, n int, note text)"));
        }
        let TestDatabase::Server(server, direct) = database else { unreachable!("a server was asked for") };
        let (scheme, database) = match kind {
            ServerKind::Postgres => ("postgres://postgres", "postgres"),
            ServerKind::MySql => ("mysql://root", "test"),
        };
        let proxy = Proxy::before(server.folder().join(Files::of(kind).socket));
        let url = format!("{scheme}@127.0.0.1:{}/{database}", proxy.port());
        let folder = tempfile::tempdir().expect("a folder");
        let scenario = file(folder.path(), "faults.yaml", scenario);
        let result = folder.path().join("result.json");
        let program = Program::new().with("DATABASE_URL", &url);
        Self { server, proxy, url: direct, program, _folder: folder, scenario, result }
    }

    /// Starts the run, and waits for its load.
    pub fn start(&self) -> Child {
        let run = self.program.start(&["run", text(&self.scenario), "--json", text(&self.result)]);
        wait_for("the load", || self.number("SELECT count(*) FROM things") > 20);
        run
    }

    /// Asks the server, past the network.
    pub fn number(&self, query: &str) -> i64 {
        number(&self.url, query)
    }

    /// Waits for the end, and reads the result.
    pub fn end(&self, run: Child) -> (Ended, Value) {
        let ended = Ended::of_started(run);
        assert!(self.result.exists(), "a report was written: {ended:?}");
        (ended, json(&self.result))
    }

    /// Nothing of the run is left.
    pub fn expect_nothing_left(&self) {
        assert_eq!(self.number("SELECT count(*) FROM counters"), 0, "its fixtures are gone");
        assert_eq!(self.program.records(), 0);
    }

    /// Nothing of the run is left, and the server ends as it should.
    pub fn expect_clean(self) {
        self.expect_nothing_left();
        self.server.stop().expect("stopped");
    }
}

/// In a server's folder: where its process is told, and its socket.
struct Files {
    process: &'static str,
    socket: &'static str,
}

impl Files {
    fn of(kind: ServerKind) -> Self {
        match kind {
            ServerKind::Postgres => Self { process: "data/postmaster.pid", socket: ".s.PGSQL.5432" },
            ServerKind::MySql => Self { process: "server.pid", socket: "mysql.sock" },
        }
    }
}

/// Kills a server and starts it again by the command line that it had; `wrapped` may change how.
pub fn restart_killed(
    server: &EmbeddedServer,
    kind: ServerKind,
    wrapped: impl FnOnce(Vec<String>) -> Vec<String>,
) -> Running {
    let files = Files::of(kind);
    let (process, command) = kill_server(server, kind);
    let command = wrapped(command);
    // Nobody may have asked for its status yet, for which it stays in the list of processes.
    let state = Path::new("/proc").join(process).join("stat");
    wait_for("its end", || std::fs::read_to_string(&state).map_or(true, |state| state.contains(") Z ")));
    let data = server.folder().join("data");
    wait_for("the end of all its processes", || {
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        !processes
            .filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok())
            .any(|folder| folder == data)
    });
    // They name a process that seems to live.
    for lock in [files.process.to_owned(), format!("{}.lock", files.socket)] {
        let _ = std::fs::remove_file(server.folder().join(lock));
    }
    let mut restarted = start_again(server, &command);
    wait_for("the server", || {
        // It refuses while processes of the old one still end.
        if restarted.0.try_wait().is_ok_and(|ended| ended.is_some()) {
            restarted = start_again(server, &command);
        }
        UnixStream::connect(server.folder().join(files.socket)).is_ok()
    });
    restarted
}

fn start_again(server: &EmbeddedServer, command: &[String]) -> Running {
    let owner = std::fs::metadata(server.folder().join("data")).expect("there");
    let mut restarted = Command::new(&command[0]);
    restarted.args(&command[1..]).current_dir(server.folder());
    let changes_user = owner.uid() != std::fs::metadata("/proc/self").expect("there").uid();
    // What prepares the start needs to be root; it becomes the server's user itself.
    if changes_user && command[0] != "unshare" {
        restarted.uid(owner.uid()).gid(owner.gid());
    }
    restarted.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(restarted.spawn().expect("it starts"))
}

/// Kills a server as a crash does; returns its process and its command line.
pub fn kill_server(server: &EmbeddedServer, kind: ServerKind) -> (String, Vec<String>) {
    let numbers =
        std::fs::read_to_string(server.folder().join(Files::of(kind).process)).expect("its number");
    let process = numbers.lines().next().expect("a line").trim().to_owned();
    let command = std::fs::read(format!("/proc/{process}/cmdline")).expect("its command line");
    let command: Vec<String> = String::from_utf8(command)
        .expect("text")
        .trim_end_matches('\0')
        .split('\0')
        .map(str::to_owned)
        .collect();
    signal(process.parse().expect("a number"), "-KILL");
    (process, command)
}
