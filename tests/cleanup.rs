//! Nothing stays: after success, failure, Ctrl-C, a kill, in servers of ours and of the user's.

mod support;

use std::path::{Path, PathBuf};

use deadheat::dialect::Dialect;
use support::{
    Ended, Program, WORK_ON_THINGS, file, json, kill, schemas_of_runs, server, signal, sql, text, things,
    value, wait_for,
};

/// A scenario whose load runs for a minute, unless it is ended.
fn long_scenario(folder: &Path) -> PathBuf {
    things(folder, Dialect::Postgres);
    let target = "targets: {db: {database: \"${DATABASE_URL:-embedded}\", migrations: migrations}}";
    let load = "load: {concurrency: 4, duration: 60s}";
    let scenario = format!("version: 1\nname: long\n{target}{WORK_ON_THINGS}{load}\n");
    file(folder, "long.yaml", &scenario)
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

/// Waits until a run's throw-away server lives, and gives its folder.
fn living_server(program: &Program) -> PathBuf {
    wait_for("the server", || {
        recorded_folders(program).iter().any(|f| f.join("data/postmaster.pid").exists())
    });
    recorded_folders(program).remove(0)
}

#[test]
fn a_killed_run_takes_its_server_with_it_and_clean_removes_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let path = long_scenario(folder.path());
    let run = program.start_unheard(&["run", text(&path)]);
    let server_folder = living_server(&program);
    program.run(&["clean"]).expect_status(0).expect_stderr("nothing was left behind");
    assert!(server_folder.exists(), "clean doesn't touch a living run");
    kill(run);
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
    let run = program.start_unheard(&["run", text(&path)]);
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'deadheat/%/w%'";
    wait_for("the workers", || value(&server, busy) == "4");
    kill(run);
    assert_eq!(schemas_of_runs(&server.url()), 1);
    program.run(&["clean"]).expect_status(0).expect_stderr("removed schema deadheat_");
    assert_eq!(schemas_of_runs(&server.url()), 0);
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
    let (junit, result) = (folder.path().join("report.xml"), folder.path().join("result.json"));
    let run = program.start(&["run", text(&path), "--junit", text(&junit), "--json", text(&result)]);
    let server_folder = living_server(&program);
    // Two seconds of plain running: the progress line comes after five, the load long before.
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(run.id(), "-INT");
    let ended = Ended::of_started(run).expect_status(130);
    assert!(ended.stdout.contains("the run was interrupted"), "{}", ended.stdout);
    assert!(!server_folder.exists());
    assert_eq!(program.records(), 0);
    assert_eq!(json(&result)["interrupted"], true);
    let junit = std::fs::read_to_string(junit).expect("the JUnit report");
    assert!(junit.contains("<skipped"), "{junit}");
}

#[test]
fn a_run_on_the_users_database_leaves_it_as_it_was() {
    let server = server(&[], 60);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let ended = program.run(&["run", "scenarios/payments.yaml", "--var", "multiplier=5"]).expect_status(0);
    assert!(ended.stdout.contains("0 remain"));
    assert_eq!(schemas_of_runs(&server.url()), 0);
    assert_eq!(value(&server, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert_eq!(program.records(), 0);
    // Kept on request, and then removed by `clean`.
    program.run(&["run", "scenarios/lost-update.yaml", "--keep"]).expect_status(1);
    assert_eq!((schemas_of_runs(&server.url()), program.records()), (1, 1));
    program.run(&["clean"]).expect_status(0);
    assert_eq!((schemas_of_runs(&server.url()), program.records()), (0, 0));
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
