//! Nothing stays: after success, failure, Ctrl-C, a kill, in servers of ours and of the user's.

mod support;

use std::{path::PathBuf, process::Stdio};

use support::{Program, file, server, signal, sql, text, value, wait_for};

/// A scenario whose load runs for a minute, unless it is ended.
fn long_scenario(folder: &std::path::Path) -> PathBuf {
    file(
        folder,
        "migrations/postgres/0001.sql",
        "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int NOT NULL);",
    );
    file(
        folder,
        "long.yaml",
        "version: 1
name: long
targets: {db: {database: \"${DATABASE_URL:-embedded}\", migrations: migrations}}
fixtures: {things: {table: things, rows: 3, values: {n: 0}}}
operations:
  count:
    let: {one: \"{{ pick(things) }}\"}
    steps:
      - transaction:
          steps:
            - sql: UPDATE things SET n = n + 1 WHERE id = {{ one.id }}
load: {concurrency: 4, duration: 60s}
",
    )
}

/// The folders of throw-away servers that the records name.
fn recorded_folders(program: &Program) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(program.state.path()).expect("a folder").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        for line in text.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).expect("a record");
            folders.extend(entry["embedded"]["folder"].as_str().map(PathBuf::from));
        }
    }
    folders
}

fn schemas(server: &deadheat::target::embedded::EmbeddedServer) -> String {
    value(server, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'deadheat%'")
}

#[test]
fn a_killed_run_takes_its_server_with_it_and_clean_removes_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let path = long_scenario(folder.path());
    let mut run = program
        .command(&["run", text(&path)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("the server", || {
        recorded_folders(&program).iter().any(|f| f.join("data/postmaster.pid").exists())
    });
    let server_folder = recorded_folders(&program).remove(0);
    program.run(&["clean"]).expect_status(0).expect_stderr("nothing was left behind");
    assert!(server_folder.exists(), "clean doesn't touch a living run");
    signal(run.id(), "-KILL");
    run.wait().expect("it ended");
    wait_for("the guard to remove the folder", || !server_folder.exists());
    program.run(&["clean"]).expect_status(0).expect_stderr("removed the server");
    assert_eq!(program.records(), 0);
    program.run(&["clean"]).expect_status(0).expect_stderr("nothing was left behind");
}

#[test]
fn clean_removes_the_schema_of_a_killed_run_from_the_users_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(&[], 30);
    sql(&server, "CREATE TABLE things (id int PRIMARY KEY, n int); INSERT INTO things VALUES (1, 7)");
    let program = Program::new().with("DATABASE_URL", &server.url());
    let path = long_scenario(folder.path());
    let mut run = program
        .command(&["run", text(&path)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'deadheat/%/w%'";
    wait_for("the workers", || value(&server, busy) == "4");
    signal(run.id(), "-KILL");
    run.wait().expect("it ended");
    assert_eq!(schemas(&server), "1");
    program.run(&["clean"]).expect_status(0).expect_stderr("removed schema deadheat_");
    assert_eq!(schemas(&server), "0");
    assert_eq!(
        value(&server, "SELECT n FROM public.things WHERE id = 1"),
        "7",
        "rows of others are as they were"
    );
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn clean_keeps_the_record_while_the_database_is_away() {
    let program = Program::new();
    let line = r#"{"schema":{"url":"postgres://user@127.0.0.1:1/gone","schema":"deadheat_abc"}}"#;
    file(program.state.path(), "abc.jsonl", &format!("{line}\n"));
    program
        .run(&["clean"])
        .expect_status(3)
        .expect_stderr("can't reach user@127.0.0.1:1/gone")
        .expect_stderr("PGPASSWORD");
    assert_eq!(program.records(), 1);
    let line = r#"{"schema":{"url":"postgres://user@127.0.0.1:1/gone","schema":"public"}}"#;
    file(program.state.path(), "abc.jsonl", &format!("{line}\n"));
    program.run(&["clean"]).expect_status(3).expect_stderr("schema public isn't one of ours");
}

#[test]
fn ctrl_c_ends_gracefully_with_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let path = long_scenario(folder.path());
    let (junit, json) = (folder.path().join("report.xml"), folder.path().join("result.json"));
    let run = program
        .command(&["run", text(&path), "--junit", text(&junit), "--json", text(&json)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for("the server", || {
        recorded_folders(&program).iter().any(|f| f.join("data/postmaster.pid").exists())
    });
    let server_folder = recorded_folders(&program).remove(0);
    // Two seconds of plain running: the progress line comes after five, the load long before.
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(run.id(), "-INT");
    let ended = support::Ended::of(run.wait_with_output().expect("it ended")).expect_status(130);
    assert!(ended.stdout.contains("the run was interrupted"), "{}", ended.stdout);
    assert!(!server_folder.exists());
    assert_eq!(program.records(), 0);
    assert_eq!(support::json(&json)["interrupted"], true);
    let junit = std::fs::read_to_string(junit).expect("the JUnit report");
    assert!(junit.contains("<skipped"), "{junit}");
}

#[test]
fn a_run_on_the_users_database_leaves_it_as_it_was() {
    let server = server(&[], 60);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let ended = program.run(&["run", "scenarios/payments.yaml", "--var", "multiplier=5"]).expect_status(0);
    assert!(ended.stdout.contains("0 remain"));
    assert_eq!(schemas(&server), "0");
    assert_eq!(value(&server, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert_eq!(program.records(), 0);
    // Kept on request, and then removed by `clean`.
    program.run(&["run", "scenarios/lost-update.yaml", "--keep"]).expect_status(1);
    assert_eq!((schemas(&server), program.records()), ("1".to_owned(), 1));
    program.run(&["clean"]).expect_status(0);
    assert_eq!((schemas(&server), program.records()), ("0".to_owned(), 0));
    server.stop().expect("stopped");
}

#[test]
fn a_kept_server_lives_until_clean() {
    let program = Program::new();
    program.run(&["run", "scenarios/lost-update-fixed.yaml", "--keep", "--quiet"]).expect_status(0);
    let folder = recorded_folders(&program).remove(0);
    assert!(folder.join("data/postmaster.pid").exists());
    program.run(&["clean"]).expect_status(0);
    assert!(!folder.exists());
    assert_eq!(program.records(), 0);
}
