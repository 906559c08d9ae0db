//! Runs that are kept, compared, and held against a baseline: the built program.

mod support;

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use deadheat::{
    dialect::Dialect,
    history::{Limits, Store},
};
use support::{Program, REPORTS, block_on, file, json, kill, things, wait_for};

/// A load of a second on SQLite, which needs no server.
fn scenario(folder: &Path, load: &str, more: &str) {
    things(folder, Dialect::Sqlite);
    let scenario = format!(
        "version: 1
name: count
description: the token is hunter2-hunter2
secrets: {{token: hunter2-hunter2}}
targets: {{db: {{database: \"sqlite:\", migrations: migrations, begin: immediate}}}}
fixtures: {{things: {{table: things, rows: 1, values: {{n: 0}}}}}}
operations:
  count:
    let: {{one: \"{{{{ pick(things, 1) }}}}\"}}
    steps:
      - sleep: 2ms
      - sql: UPDATE things SET n = n + 1
load: {{concurrency: 4, {load}}}
{more}"
    );
    file(folder, "count.yaml", &scenario);
}

/// The document of a run with a timeline of forty seconds put in: so many operations in each, and their
/// latency.
fn lengthened(folder: &Path, from: &str, to: &str, per_second: u64, latency: f64) {
    let mut document = json(&folder.join(from));
    let second = |number: u64| {
        let ended = per_second + number * 7919 % 13;
        serde_json::json!({"second": number, "ended": ended, "committed": ended, "retries": 0, "deadlocks": 0,
            "latency_mean_ms": latency + (number * 31 % 7) as f64 / 100.0, "latency_max_ms": latency * 9.0,
            "latency_p50_ms": latency, "latency_p95_ms": latency * 3.0, "latency_p99_ms": latency * 4.0})
    };
    document["timeline"] = (0..40).map(second).collect::<Vec<_>>().into();
    std::fs::write(folder.join(to), document.to_string()).expect("written");
}

#[test]
fn nothing_is_kept_unless_somebody_asks_and_then_every_run() {
    let folder = tempfile::tempdir().expect("a folder");
    scenario(folder.path(), "iterations: 40", "");
    let program = Program::new();
    let run = |arguments: &[&str]| program.run_in(folder.path(), arguments);
    run(&["run", "count.yaml"]);
    assert!(!folder.path().join(".deadheat").exists());
    run(&["history"]).expect_status(0).expect_stderr("no run was kept here");
    run(&["run", "count.yaml", "--save-baseline", "main", "--seed", "7"])
        .expect_stderr("as the baseline main");
    run(&["run", "count.yaml"]).expect_stderr("kept run ");
    run(&["run", "count.yaml", "--no-history"]);
    let list = run(&["history"]).expect_status(0).stdout;
    assert_eq!(list.matches(" pass ").count(), 2, "{list}");
    assert!(list.lines().last().expect("a line").trim_end().ends_with("main"), "{list}");
    let mode = |name: &str| {
        let path = folder.path().join(".deadheat").join(name);
        path.metadata().expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!((mode("history.sqlite"), mode("")), (0o600, 0o700));
    let documents = block_on(async {
        let path = deadheat::history::path(folder.path());
        let mut store = Store::open(&path, Limits::default()).await.expect("a history");
        store.find("main").await.expect("readable")
    });
    assert_eq!(documents.len(), 1);
    assert!(!documents[0].contains("hunter2"), "secrets aren't kept");
    assert!(documents[0].contains("the token is ***"), "{}", documents[0]);
    run(&["history", "--forget", "main"]).expect_status(0);
    run(&["history", "--forget", "main"])
        .expect_status(2)
        .expect_stderr("there is no run and no baseline `main`");
}

#[test]
fn runs_at_once_and_killed_ones_leave_it_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    scenario(folder.path(), "iterations: 40", "");
    let program = Program::new();
    let start = |file: &str| {
        let mut command = program.command(&["run", file, "--history"]);
        command
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts")
    };
    let mut running: Vec<_> = (0..4).map(|_| start("count.yaml")).collect();
    for run in &mut running {
        assert_eq!(run.wait().expect("it ends").code(), Some(0));
    }
    let long = std::fs::read_to_string(folder.path().join("count.yaml")).expect("there");
    file(folder.path(), "long.yaml", &long.replace("iterations: 40", "duration: 60s"));
    let killed = start("long.yaml");
    wait_for("its record", || program.records() > 0);
    kill(killed);
    program.run_in(folder.path(), &["run", "count.yaml", "--history"]).expect_status(0);
    let list = program.run_in(folder.path(), &["history", "--scenario", "count"]).expect_status(0).stdout;
    assert_eq!(list.matches(" pass ").count(), 5, "{list}");
    program.run_in(folder.path(), &["clean"]).expect_status(0);
}

#[test]
fn runs_are_compared_by_name_and_by_file() {
    let folder = tempfile::tempdir().expect("a folder");
    scenario(folder.path(), "iterations: 40", "");
    let program = Program::new();
    let run = |arguments: &[&str]| program.run_in(folder.path(), arguments);
    run(&["run", "count.yaml", "--json", "short.json", "--save-baseline", "main"]).expect_status(0);
    lengthened(folder.path(), "short.json", "before.json", 1000, 10.0);
    lengthened(folder.path(), "short.json", "after.json", 800, 13.0);
    let text = run(&["compare", "before.json", "after.json"]).expect_status(0).stdout;
    let throughput = text.lines().find(|line| line.trim_start().starts_with("throughput")).expect("a line");
    assert!(throughput.trim_end().ends_with("worse") && throughput.contains("-19."), "{text}");
    let same = run(&["compare", "before.json", "before.json"]).expect_status(0).stdout;
    assert!(same.contains("No difference can be shown."), "{same}");
    // A run of 40 operations is over in no time.
    let short = run(&["compare", "main", "before.json"]).expect_status(0).stdout;
    assert!(
        short.contains("Nothing can be told: the first run has 0 whole seconds, and 10 are needed."),
        "{short}"
    );
    let other = std::fs::read_to_string(folder.path().join("after.json")).expect("there");
    file(folder.path(), "other.json", &other.replace("\"scenario\":\"count\"", "\"scenario\":\"sum\""));
    let refused = run(&["compare", "before.json", "other.json", "--json"]).expect_status(4).stdout;
    assert!(refused.contains("they are of two scenarios: count and sum"), "{refused}");
    run(&["compare", "nobody", "main"])
        .expect_status(2)
        .expect_stderr("there is no run and no baseline `nobody`");
    run(&["compare", "none.json", "main"]).expect_status(3).expect_stderr("can't read none.json");
}

#[test]
fn documents_of_earlier_versions_are_compared() {
    let program = Program::new();
    let ended = program.run(&["compare", "tests/data/older.json", "tests/data/yesterday.json"]);
    assert!(matches!(ended.status, Some(0 | 4)), "{ended:?}");
    assert!(ended.stdout.contains("before: run "), "{}", ended.stdout);
}

#[test]
fn thresholds_refer_to_the_baseline() {
    let folder = tempfile::tempdir().expect("a folder");
    let thresholds =
        "thresholds: {latency: \"avg < baseline * 0.001\", throughput: \"> baseline - 100000/s\"}\n";
    scenario(folder.path(), "iterations: 40", thresholds);
    let program = Program::new();
    let run = |arguments: &[&str]| program.run_in(folder.path(), arguments);
    let without =
        run(&["run", "count.yaml", "--save-baseline", "main", "--json", "r.json"]).expect_status(4);
    let told = "latency should be avg < baseline * 0.001, which can't be told: no baseline was given";
    assert!(without.stdout.replace("\n    ", " ").contains(told), "{}", without.stdout);
    let reports = REPORTS[1..].as_flattened();
    let broken = run(&[&["run", "count.yaml", "--baseline", "main"], reports].concat()).expect_status(1);
    assert!(broken.stdout.contains("Against the baseline main"), "{}", broken.stdout);
    assert!(
        broken.stdout.replace("\n    ", " ").contains("and should be avg < baseline * 0.001 ("),
        "{}",
        broken.stdout
    );
    for report in ["r.html", "r.md"] {
        let text = std::fs::read_to_string(folder.path().join(report)).expect("a report");
        assert!(text.contains("Against the baseline"), "{report}");
    }
    // Another load: what was measured there says nothing here.
    let unlike = run(&["run", "count.yaml", "--baseline", "main", "--var", "nothing=1"]);
    assert_eq!(unlike.status, Some(2), "{unlike:?}");
    let mut document = json(&folder.path().join("r.json"));
    document["environment"]["targets"]["db"]["version"] = "2.0".into();
    file(folder.path(), "old.json", &document.to_string());
    let unlike = run(&["run", "count.yaml", "--baseline", "old.json"]).expect_status(4).stdout;
    assert!(
        unlike.replace("\n    ", " ").contains("isn't like this run: version of db: 2.0, "),
        "{unlike}"
    );
    run(&["run", "count.yaml", "--baseline", "nobody"]).expect_status(2).expect_stderr("`nobody`");
}

#[test]
fn a_mistake_in_such_a_threshold_is_shown_at_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    scenario(folder.path(), "iterations: 40", "thresholds: {latency: \"p(95) < baseline * fast\"}\n");
    let program = Program::new();
    let ended = program.run_in(folder.path(), &["check", "count.yaml"]).expect_status(2);
    assert!(ended.stderr.contains("`fast` is not a factor"), "{}", ended.stderr);
    assert!(ended.stderr.contains("count.yaml:14:43"), "{}", ended.stderr);
}
