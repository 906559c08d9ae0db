//! What happens to a run when something breaks under it: the run goes on where it can, what isn't known is
//! called unknown, what was acknowledged is there, and the report is written. The rows of the
//! table in `docs/running.md` come from here.

mod support;

use std::{
    os::unix::{fs::MetadataExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use deadheat::target::{
    Endpoint, Session, SessionSettings,
    embedded::{EmbeddedServer, ServerKind},
};
use serde_json::Value;
use support::{Ended, Program, block_on, file, json, proxy::Proxy, server_of, session, text, wait_for};

/// Each operation adds a row in a transaction of its own; what was acknowledged is there, and what is unknown
/// is all that may be there beyond it.
const SCENARIO: &str = r#"
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

/// In a server's folder: where its process is told, and its socket.
const POSTGRES_FILES: (&str, &str) = ("data/postmaster.pid", ".s.PGSQL.5432");

/// A server, a network before it, and a run through it.
struct Faulty {
    server: EmbeddedServer,
    proxy: Proxy,
    url: String,
    program: Program,
    _folder: tempfile::TempDir,
    scenario: PathBuf,
    result: PathBuf,
}

impl Faulty {
    fn new(kind: ServerKind) -> Self {
        // What is acknowledged is to outlive a killed server.
        let settings: &[_] = match kind {
            ServerKind::Postgres => &[],
            ServerKind::MySql => &[("innodb-flush-log-at-trx-commit", "2")],
        };
        Self::with(kind, SCENARIO, settings)
    }

    fn with(kind: ServerKind, scenario: &str, settings: &[(&str, &str)]) -> Self {
        let server = server_of(kind, settings, 40);
        let direct = server.url();
        let key = match kind {
            ServerKind::Postgres => "int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            ServerKind::MySql => "int AUTO_INCREMENT PRIMARY KEY",
        };
        let tables = ["things", "counters"]
            .map(|table| format!("CREATE TABLE {table} (id {key}, n int, note text)"));
        let (socket, scheme, database) = match kind {
            ServerKind::Postgres => (".s.PGSQL.5432", "postgres://postgres", "postgres"),
            ServerKind::MySql => ("mysql.sock", "mysql://root", "test"),
        };
        let direct = direct.replace("/mysql?", "/test?");
        block_on(async {
            if kind == ServerKind::MySql {
                let mut session = session(&server.url()).await;
                session.script("CREATE DATABASE test").await.expect("made");
                session.close().await;
            }
            let mut session = session(&direct).await;
            for table in tables {
                session.script(&table).await.expect("made");
            }
            session.close().await;
        });
        let proxy = Proxy::before(server.folder().join(socket));
        let url = format!("{scheme}@127.0.0.1:{}/{database}", proxy.port());
        let folder = tempfile::tempdir().expect("a folder");
        let scenario = file(folder.path(), "faults.yaml", scenario);
        let result = folder.path().join("result.json");
        let program = Program::new().with("DATABASE_URL", &url);
        Self { server, proxy, url: direct, program, _folder: folder, scenario, result }
    }

    fn start(&self) -> Child {
        let mut run = self.program.command(&["run", text(&self.scenario), "--json", text(&self.result)]);
        let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        wait_for("the load", || self.value("SELECT count(*) FROM things") > 20);
        run
    }

    /// Asks the server, past the network.
    fn value(&self, sql: &str) -> i64 {
        block_on(async {
            let mut session = session(&self.url).await;
            let value = session.query(sql, &[]).await.expect("an answer").single();
            session.close().await;
            value.as_i64().expect("a number")
        })
    }

    /// Tells the server something, past the network.
    fn sql(&self, sql: &str) {
        block_on(async {
            let mut session = session(&self.url).await;
            session.script(sql).await.expect("done");
            session.close().await;
        });
    }

    /// Waits for the end, and reads the result.
    fn end(&self, run: Child) -> (Ended, Value) {
        let ended = Ended::of(run.wait_with_output().expect("it ended"));
        assert!(self.result.exists(), "a report was written: {ended:?}");
        (ended, json(&self.result))
    }

    /// Nothing of the run is left.
    fn expect_clean(self) {
        assert_eq!(self.value("SELECT count(*) FROM counters"), 0, "its fixtures are gone");
        assert_eq!(self.program.records(), 0);
        self.server.stop().expect("stopped");
    }
}

#[track_caller]
fn expect_bounds_hold(result: &Value) {
    let invariant = &result["invariants"][0];
    assert_eq!(invariant["violated"], 0, "{invariant}");
    assert!(invariant["error"].is_null(), "{invariant}");
    let totals = &result["totals"];
    let sum: u64 = ["ok", "recovered", "exhausted", "failed", "assertion", "timeout", "unknown", "skipped"]
        .iter()
        .map(|outcome| totals[*outcome].as_u64().unwrap_or_default())
        .sum();
    assert_eq!(totals["started"].as_u64(), Some(sum), "every operation has one outcome: {totals}");
}

fn count(result: &Value, outcome: &str) -> u64 {
    result["totals"][outcome].as_u64().unwrap_or_default()
}

/// The documentation says so.
#[track_caller]
fn expect_documented(row: &str) {
    let page = std::fs::read_to_string("docs/running.md").expect("readable");
    assert!(page.contains(row), "the table of faults lacks the row\n{row}");
}

/// A server's process, started again by the command line that it had.
struct Restarted(Child);

impl Restarted {
    /// Kills a server and starts it again; `wrapped` may change how.
    fn kill_and_restart(
        server: &EmbeddedServer,
        (file, socket): (&str, &str),
        wrapped: impl FnOnce(Vec<String>) -> Vec<String>,
    ) -> Self {
        let (process, command) = kill(server, file);
        let command = wrapped(command);
        // Nobody may have asked for its status yet, for which it stays in the list of processes.
        let state = Path::new("/proc").join(process).join("stat");
        wait_for("its end", || {
            std::fs::read_to_string(&state).map_or(true, |state| state.contains(") Z "))
        });
        let data = server.folder().join("data");
        wait_for("the end of all its processes", || {
            let processes = std::fs::read_dir("/proc").expect("processes").flatten();
            !processes
                .filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok())
                .any(|folder| folder == data)
        });
        // They name a process that seems to live.
        for lock in [file.to_owned(), format!("{socket}.lock")] {
            let _ = std::fs::remove_file(server.folder().join(lock));
        }
        let mut restarted = Self::start(server, &command);
        wait_for("the server", || {
            // It refuses while processes of the old one still end.
            if restarted.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                restarted = Self::start(server, &command);
            }
            UnixStream::connect(server.folder().join(socket)).is_ok()
        });
        restarted
    }

    fn start(server: &EmbeddedServer, command: &[String]) -> Self {
        let owner = std::fs::metadata(server.folder().join("data")).expect("there");
        let mut restarted = Command::new(&command[0]);
        restarted.args(&command[1..]).current_dir(server.folder());
        let changes_user = owner.uid() != std::fs::metadata("/proc/self").expect("there").uid();
        // What prepares the start needs to be root; it becomes the server's user itself.
        if changes_user && command[0] != "unshare" {
            restarted.uid(owner.uid()).gid(owner.gid());
        }
        restarted.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(restarted.spawn().expect("it starts"))
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a server as a crash does; returns its process and its command line.
fn kill(server: &EmbeddedServer, file: &str) -> (String, Vec<String>) {
    let numbers = std::fs::read_to_string(server.folder().join(file)).expect("its number");
    let process = numbers.lines().next().expect("a line").trim().to_owned();
    let command = std::fs::read(format!("/proc/{process}/cmdline")).expect("its command line");
    let command: Vec<String> = String::from_utf8(command)
        .expect("text")
        .trim_end_matches('\0')
        .split('\0')
        .map(str::to_owned)
        .collect();
    support::signal(process.parse().expect("a number"), "-KILL");
    (process, command)
}

/// Killed and restarted: the run goes on with new connections.
fn restarts(kind: ServerKind, files: (&str, &str)) {
    let faulty = Faulty::new(kind);
    let run = faulty.start();
    let restarted = Restarted::kill_and_restart(&faulty.server, files, |command| command);
    let (ended, result) = faulty.end(run);
    expect_bounds_hold(&result);
    assert!(count(&result, "failed") + count(&result, "exhausted") > 0, "{}", result["totals"]);
    let timeline = result["timeline"].as_array().expect("a timeline");
    let last = timeline.last().expect("an entry");
    assert!(last["committed"].as_u64().unwrap_or_default() > 0, "it went on: {timeline:?}");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    faulty.value("SELECT 1");
    assert_eq!(faulty.value("SELECT count(*) FROM counters"), 0, "its fixtures are gone");
    drop(restarted);
}

#[test]
fn a_postgres_that_is_killed_and_restarted() {
    restarts(ServerKind::Postgres, POSTGRES_FILES);
    expect_documented(
        "| database killed and restarted | goes on with new connections | `connection`, `unknown` where a commit was under way | what was acknowledged is there | written, exit by its thresholds |",
    );
}

#[test]
fn a_mariadb_that_is_killed_and_restarted() {
    restarts(ServerKind::MySql, ("server.pid", "mysql.sock"));
}

#[test]
fn a_database_that_is_killed_and_stays_away() {
    let faulty = Faulty::new(ServerKind::Postgres);
    let run = faulty.start();
    kill(&faulty.server, POSTGRES_FILES.0);
    let (ended, result) = faulty.end(run);
    assert_eq!(ended.status, Some(3), "what couldn't be cleaned up is an error: {ended:?}");
    assert!(ended.stderr.contains("deadheat clean"), "{}", ended.stderr);
    assert!(!result["invariants"][0]["error"].is_null(), "an invariant without an answer says so");
    assert_ne!(result["verdict"], "pass");
    assert_eq!(faulty.program.records(), 1, "`clean` finds what is left");
    expect_documented(
        "| database killed, and it stays away | goes on failing to its end | `connection`, `unknown` | can't be checked, which isn't a pass | written, exit 3: `clean` removes the rest later |",
    );
}

#[test]
fn a_network_that_is_cut() {
    for kind in [ServerKind::Postgres, ServerKind::MySql] {
        let faulty = Faulty::new(kind);
        let run = faulty.start();
        faulty.proxy.cut();
        let (ended, result) = faulty.end(run);
        expect_bounds_hold(&result);
        assert!(count(&result, "recovered") + count(&result, "unknown") > 0, "{}", result["totals"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        faulty.expect_clean();
    }
    expect_documented(
        "| network cut | goes on with new connections | `connection`, retried where the policy says so; `unknown` where a commit was under way | what was acknowledged is there | written, exit by its thresholds |",
    );
}

/// The server has the commit, and nobody hears of it.
#[test]
fn answers_to_commits_that_are_cut_off() {
    for kind in [ServerKind::Postgres, ServerKind::MySql] {
        let faulty = Faulty::new(kind);
        let run = faulty.start();
        faulty.proxy.cut_commits(20);
        wait_for("the cuts", || faulty.proxy.commits_to_cut() == 0);
        let (ended, result) = faulty.end(run);
        expect_bounds_hold(&result);
        assert_eq!(count(&result, "unknown"), 20, "{}", result["errors"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        faulty.expect_clean();
    }
    expect_documented(
        "| answer to a commit cut off | goes on with new connections | each of them `unknown`, never retried | between what was acknowledged and that with the unknown | written, exit by its thresholds |",
    );
}

#[test]
fn a_network_that_falls_silent() {
    for kind in [ServerKind::Postgres, ServerKind::MySql] {
        let faulty = Faulty::new(kind);
        let run = faulty.start();
        faulty.proxy.silence();
        let (ended, result) = faulty.end(run);
        expect_bounds_hold(&result);
        let said = result["errors"].to_string();
        assert!(said.contains("no answer within 1s") || count(&result, "recovered") > 0, "{result}");
        assert_eq!(ended.status, Some(0), "{ended:?}");
        faulty.expect_clean();
    }
    expect_documented(
        "| network half-open: nothing comes, nothing is closed | gives a connection up after the target's `timeout` | `connection`, `unknown` where a commit was under way | what was acknowledged is there | written, exit by its thresholds |",
    );
}

#[test]
fn a_network_that_is_slow() {
    let faulty = Faulty::new(ServerKind::Postgres);
    let run = faulty.start();
    faulty.proxy.set_latency(Duration::from_millis(20));
    faulty.proxy.set_bandwidth(20_000);
    let (ended, result) = faulty.end(run);
    faulty.proxy.set_latency(Duration::ZERO);
    faulty.proxy.set_bandwidth(0);
    expect_bounds_hold(&result);
    assert_eq!(count(&result, "started"), count(&result, "ok") + count(&result, "recovered"));
    let slowest = result["operations"]["add"]["latency_ms"]["p95"].as_f64().expect("a number");
    assert!(slowest > 100.0, "four messages, each late both ways: {slowest}");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    faulty.expect_clean();
    expect_documented(
        "| network slow | goes on | `ok`, with the latency that it has | all there | written, exit by its thresholds |",
    );
}

#[test]
fn connections_that_are_refused() {
    let mut faulty = Faulty::new(ServerKind::Postgres);
    // The server's own limit would hold for this test's sessions too, a role's holds for the run's alone.
    faulty.sql(
        "CREATE ROLE tester LOGIN;
         GRANT ALL ON ALL TABLES IN SCHEMA public TO tester; GRANT USAGE ON SCHEMA public TO tester;
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO tester",
    );
    let url = format!("postgres://tester@127.0.0.1:{}/postgres", faulty.proxy.port());
    faulty.program = Program::new().with("DATABASE_URL", &url);
    let run = faulty.start();
    // Each in a transaction of its own, so that others see it.
    for sql in [
        "ALTER ROLE tester CONNECTION LIMIT 1",
        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
          WHERE application_name LIKE 'deadheat/%' LIMIT 2) AS two",
        "SELECT pg_sleep(1)",
        "ALTER ROLE tester CONNECTION LIMIT -1",
    ] {
        faulty.sql(sql);
    }
    let (ended, result) = faulty.end(run);
    expect_bounds_hold(&result);
    assert!(count(&result, "failed") + count(&result, "exhausted") > 3, "{}", result["errors"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    faulty.expect_clean();
    expect_documented(
        "| connections refused at the server's limit | goes on with those it has | `connection` of those without | what was acknowledged is there | written, exit by its thresholds |",
    );
}

/// The tables' folder is a file system of its own with eight megabytes to spare, which only the server sees.
#[test]
fn a_server_out_of_disk() {
    let filler = "INSERT INTO things (n, note) SELECT 1, string_agg(md5(random()::text), '') FROM generate_series(1, 200)";
    let scenario = SCENARIO
        .replace("INSERT INTO things (n) VALUES (1)", filler)
        .replace("duration: 3s", "iterations: 4000");
    let faulty = Faulty::with(ServerKind::Postgres, &scenario, &[]);
    let restarted = Restarted::kill_and_restart(&faulty.server, POSTGRES_FILES, |command| {
        let script = "cd \"$0\" && size=$(( $(du -sk . | cut -f1) + 8192 )) && cp -a . ../copy \
            && mount -t tmpfs -o size=${size}k none \"$0\" && cp -a ../copy/. \"$0\" \
            && user=$(stat -c %u ..) group=$(stat -c %g ..) && cd .. && chown $user:$group \"$0\" \
            && exec setpriv --reuid=$user --regid=$group --clear-groups \"$@\"";
        let tables = text(&faulty.server.folder().join("data/base")).to_owned();
        let wrapped = ["unshare", "--mount", "/bin/sh", "-c", script, &tables].map(str::to_owned);
        wrapped.into_iter().chain(command).collect()
    });
    wait_for("it to be ready", || {
        let endpoint = Endpoint::from_url(&faulty.url).expect("a URL");
        block_on(Session::connect(&endpoint, &SessionSettings::default())).is_ok()
    });
    let run = faulty.start();
    let (ended, result) = faulty.end(run);
    expect_bounds_hold(&result);
    let errors = result["errors"].to_string();
    assert!(errors.contains("53100") && errors.contains("No space left on device"), "{errors}");
    let ended = ended.expect_status(3).expect_stderr("No space left on device");
    ended.expect_stderr("`deadheat clean` removes what is left");
    // Removing rows takes space too, which comes back here.
    let process = restarted.0.id().to_string();
    let more = ["-t", &process, "--mount", "mount", "-o", "remount,size=500m"];
    let tables = faulty.server.folder().join("data/base");
    let status = Command::new("nsenter").args(more).arg(tables).status().expect("nsenter runs");
    assert!(status.success());
    faulty.program.run(&["clean"]).expect_status(0);
    assert_eq!(faulty.value("SELECT count(*) FROM counters"), 0, "its fixtures are gone");
    assert_eq!(faulty.program.records(), 0);
    drop(restarted);
    expect_documented(
        "| server out of disk | goes on | `other(53100)`, rolled back | what was acknowledged is there | written, exit 3: `clean` removes the rows when there is space |",
    );
}

#[test]
fn an_application_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = "echo $$ >process; exec python3 -u -m http.server $PORT --bind 127.0.0.1 2>requests";
    let scenario = format!(
        "version: 1\nname: app\ntargets: {{api: {{http: start, start: {{command: \"{command}\"}}}}}}\n\
         operations: {{get: {{steps: [{{http: GET /app.yaml, assert: status == 200}}]}}}}\n\
         load: {{concurrency: 4, duration: 3s}}\n"
    );
    let scenario = file(folder.path(), "app.yaml", &scenario);
    let result = folder.path().join("result.json");
    let program = Program::new();
    let mut run = program.command(&["run", text(&scenario), "--json", text(&result)]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    wait_for("the load", || read("requests").lines().count() > 20);
    support::signal(read("process").trim().parse().expect("a number"), "-KILL");
    let ended = Ended::of(run.wait_with_output().expect("it ended"));
    let result = json(&result);
    assert!(count(&result, "ok") > 0 && count(&result, "failed") > 0, "{}", result["totals"]);
    let causes: Vec<&String> = result["totals"]["causes"].as_object().expect("causes").keys().collect();
    assert!(causes.iter().all(|cause| ["connection", "reset"].contains(&cause.as_str())), "{causes:?}");
    // Requests that share nothing prove nothing.
    assert_eq!(ended.status, Some(4), "{ended:?}");
    assert_eq!(program.records(), 0);
    expect_documented(
        "| application under test killed | goes on failing to its end | `connection`; `reset` or `unknown` where a request was under way | as the application left it | written, exit by its thresholds |",
    );
}
