//! What happens to a run when something breaks under it: the run goes on where it can, what isn't known is
//! called unknown, what was acknowledged is there, and the report is written. The rows of the
//! table in `docs/running.md` come from here.

mod support;

#[path = "support/faulty.rs"]
mod faulty;

use std::{process::Command, time::Duration};

use deadheat::target::{Endpoint, Session, SessionSettings, embedded::ServerKind};
use faulty::{Faulty, SCENARIO, kill_server, restart_killed};
use serde_json::Value;
use support::{Ended, Program, block_on, file, json, proxy::Proxy, run_script, signal, text, wait_for};

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
/// Killed and restarted: the run goes on with new connections.
fn restarts(kind: ServerKind) {
    let faulty = Faulty::new(kind);
    let run = faulty.start();
    let restarted = restart_killed(&faulty.server, kind, |command| command);
    let (ended, result) = faulty.end(run);
    expect_bounds_hold(&result);
    assert!(count(&result, "failed") + count(&result, "exhausted") > 0, "{}", result["totals"]);
    let timeline = result["timeline"].as_array().expect("a timeline");
    let last = timeline.last().expect("an entry");
    assert!(last["committed"].as_u64().unwrap_or_default() > 0, "it went on: {timeline:?}");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    faulty.expect_nothing_left();
    drop(restarted);
}

#[test]
fn a_postgres_that_is_killed_and_restarted() {
    restarts(ServerKind::Postgres);
    expect_documented(
        "| database killed and restarted | goes on with new connections | `connection`, `unknown` where a commit was under way | what was acknowledged is there | written, exit by its thresholds |",
    );
}

#[test]
fn a_mariadb_that_is_killed_and_restarted() {
    restarts(ServerKind::MySql);
}

#[test]
fn a_database_that_is_killed_and_stays_away() {
    let faulty = Faulty::new(ServerKind::Postgres);
    let run = faulty.start();
    kill_server(&faulty.server, ServerKind::Postgres);
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

/// The network before each kind of server fails in the middle of a run, which goes on to a good end.
fn network_fails(fails: impl Fn(&Proxy), expect: impl Fn(&Value)) {
    for kind in [ServerKind::Postgres, ServerKind::MySql] {
        let faulty = Faulty::new(kind);
        let run = faulty.start();
        fails(&faulty.proxy);
        let (ended, result) = faulty.end(run);
        expect_bounds_hold(&result);
        expect(&result);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        faulty.expect_clean();
    }
}

#[test]
fn a_network_that_is_cut() {
    network_fails(Proxy::cut, |result| {
        assert!(count(result, "recovered") + count(result, "unknown") > 0, "{}", result["totals"]);
    });
    expect_documented(
        "| network cut | goes on with new connections | `connection`, retried where the policy says so; `unknown` where a commit was under way | what was acknowledged is there | written, exit by its thresholds |",
    );
}

/// The server has the commit, and nobody hears of it.
#[test]
fn answers_to_commits_that_are_cut_off() {
    let cut_commits = |network: &Proxy| {
        network.cut_commits(20);
        wait_for("the cuts", || network.commits_to_cut() == 0);
    };
    network_fails(cut_commits, |result| {
        assert_eq!(count(result, "unknown"), 20, "{}", result["errors"]);
    });
    expect_documented(
        "| answer to a commit cut off | goes on with new connections | each of them `unknown`, never retried | between what was acknowledged and that with the unknown | written, exit by its thresholds |",
    );
}

#[test]
fn a_network_that_falls_silent() {
    network_fails(Proxy::silence, |result| {
        let said = result["errors"].to_string();
        assert!(said.contains("no answer within 1s") || count(result, "recovered") > 0, "{result}");
    });
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
    run_script(
        &faulty.url,
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
        run_script(&faulty.url, sql);
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
    let restarted = restart_killed(&faulty.server, ServerKind::Postgres, |command| {
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
    faulty.expect_nothing_left();
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
    let run = program.start(&["run", text(&scenario), "--json", text(&result)]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    wait_for("the load", || read("requests").lines().count() > 20);
    signal(read("process").trim().parse().expect("a number"), "-KILL");
    let ended = Ended::of_started(run);
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
