//! Ctrl-C, with real signals: once ends the run gracefully, twice at once.

mod support;

use std::{fs::File, path::Path, process::Stdio};

use deadheat::dialect::Dialect;
use support::{Ended, Program, file, json, schemas_of_runs, server, signal, text, things, value, wait_for};

/// A scenario that nothing but a signal ends.
fn endless(folder: &Path, statement: &str) -> std::path::PathBuf {
    things(folder, Dialect::Postgres);
    let scenario = format!(
        "version: 1
name: endless
targets: {{db: {{database: \"${{DATABASE_URL:-embedded}}\", migrations: migrations}}}}
fixtures: {{things: {{table: things, rows: 3, values: {{n: 0}}}}}}
operations:
  count:
    steps:
      - sql: {statement}
load: {{concurrency: 2, duration: 10m}}
races:
  long:
    isolation: read_committed
    schedules: {{sample: 3000}}
    sessions:
      one: [begin, {{a: {{sql: SELECT pg_sleep(0.01)}}}}, {{b: {{sql: SELECT 1}}}}, {{c: {{sql: SELECT 2}}}}, {{d: {{sql: SELECT 3}}}}, {{e: {{sql: SELECT 4}}}}, {{f: {{sql: SELECT 5}}}}, commit]
      other: {{like: one}}
    invariants:
      there: {{sql: SELECT count(*) AS n FROM things, expect: n >= 0}}
"
    );
    file(folder, "endless.yaml", &scenario)
}

#[test]
fn once_ends_gracefully_and_every_report_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = endless(folder.path(), "UPDATE things SET n = n + 1");
    let server = server(&[], 30);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let at = |name: &str| folder.path().join(name);
    let (result, junit, html, markdown) = (at("r.json"), at("r.xml"), at("r.html"), at("r.md"));
    let mut arguments = vec!["run", text(&path), "--json", text(&result), "--junit", text(&junit)];
    arguments.extend(["--html", text(&html), "--markdown", text(&markdown)]);
    let run = program.start(&arguments);
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'deadheat/%/w%'";
    wait_for("the workers", || value(&server, busy) == "2");
    let written =
        "SELECT coalesce(max(n_tup_upd), 0) > 10 FROM pg_stat_all_tables WHERE relname = 'things'";
    wait_for("their work", || value(&server, written) == "true");
    signal(run.id(), "-INT");
    let ended = Ended::of_started(run).expect_status(130);
    assert!(ended.stderr.contains("ending the run and cleaning up"), "{}", ended.stderr);
    assert!(ended.stdout.contains("the run was interrupted"), "{}", ended.stdout);
    let document = json(&result);
    assert_eq!(document["interrupted"], true);
    assert!(document["totals"]["ok"].as_u64().expect("a number") > 10, "what was done is reported");
    assert_eq!(document["fixtures"]["remaining"], 0);
    for report in [&junit, &html, &markdown] {
        let text = std::fs::read_to_string(report).expect("a report");
        assert!(text.contains("interrupted"), "{}", report.display());
    }
    assert_eq!(program.records(), 0);
    assert_eq!(schemas_of_runs(&server.url()), 0);
    server.stop().expect("stopped");
}

#[test]
fn twice_ends_at_once_and_leaves_the_rows_for_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    // Statements that keep a graceful end waiting for a minute.
    let path = endless(folder.path(), "SELECT pg_sleep(60)");
    let server = server(&[], 30);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let said = folder.path().join("stderr");
    let mut run = program
        .command(&["run", text(&path)])
        .stdout(Stdio::null())
        .stderr(File::create(&said).expect("a file"))
        .spawn()
        .expect("it starts");
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    wait_for("the statements", || value(&server, sleeping) == "2");
    let says = |text: &str| std::fs::read_to_string(&said).expect("a file").contains(text);
    signal(run.id(), "-INT");
    wait_for("the first answer", || says("once more to end at once"));
    signal(run.id(), "-INT");
    wait_for("the end", || run.try_wait().expect("a child").is_some());
    assert_eq!(run.wait().expect("ended").code(), Some(130));
    assert!(
        says("`deadheat clean` removes what is left"),
        "{}",
        std::fs::read_to_string(&said).expect("a file")
    );
    assert_eq!((schemas_of_runs(&server.url()), program.records()), (1, 1));
    program.run(&["clean"]).expect_status(0).expect_stderr("removed schema deadheat_");
    assert_eq!((schemas_of_runs(&server.url()), program.records()), (0, 0));
    server.stop().expect("stopped");
}

#[test]
fn a_race_ends_gracefully_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = endless(folder.path(), "SELECT 1");
    let result = folder.path().join("r.json");
    let server = server(&[], 30);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let run = program.start(&["race", text(&path), "--json", text(&result)]);
    let driven = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(0.01)%'";
    wait_for("the schedules", || value(&server, driven) == "true");
    signal(run.id(), "-INT");
    let ended = Ended::of_started(run).expect_status(130);
    let document = json(&result);
    assert_eq!(document["interrupted"], true, "{}", ended.stdout);
    assert!(document["races"][0]["executed"].as_u64().expect("a number") < 3000);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}
