//! Ctrl-C, with real signals: once ends the run gracefully, twice at once.

mod support;

use std::{fs::File, path::Path, process::Stdio};

use support::{Ended, Program, file, json, server, signal, text, value, wait_for};

/// A scenario that nothing but a signal ends.
fn endless(folder: &Path, statement: &str) -> std::path::PathBuf {
    file(
        folder,
        "migrations/postgres/0001.sql",
        "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int NOT NULL);",
    );
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
    let run = program.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let run = run.expect("it starts");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'deadheat/%/w%'";
    wait_for("the workers", || value(&server, busy) == "2");
    let written =
        "SELECT coalesce(max(n_tup_upd), 0) > 10 FROM pg_stat_all_tables WHERE relname = 'things'";
    wait_for("their work", || value(&server, written) == "true");
    signal(run.id(), "-INT");
    let ended = Ended::of(run.wait_with_output().expect("it ended")).expect_status(130);
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
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'deadheat%'";
    assert_eq!(value(&server, schemas), "0");
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
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'deadheat%'";
    assert_eq!((value(&server, schemas).as_str(), program.records()), ("1", 1));
    program.run(&["clean"]).expect_status(0).expect_stderr("removed schema deadheat_");
    assert_eq!((value(&server, schemas).as_str(), program.records()), ("0", 0));
    server.stop().expect("stopped");
}

#[test]
fn a_race_ends_gracefully_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = endless(folder.path(), "SELECT 1");
    let result = folder.path().join("r.json");
    let server = server(&[], 30);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let run = program
        .command(&["race", text(&path), "--json", text(&result)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let driven = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(0.01)%'";
    wait_for("the schedules", || value(&server, driven) == "true");
    signal(run.id(), "-INT");
    let ended = Ended::of(run.wait_with_output().expect("it ended")).expect_status(130);
    let document = json(&result);
    assert_eq!(document["interrupted"], true, "{}", ended.stdout);
    assert!(document["races"][0]["executed"].as_u64().expect("a number") < 3000);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}
