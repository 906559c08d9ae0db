//! What differs between databases is said by `check`, with the line.

mod support;

use support::{Program, file, text};

const SCENARIO: &str = "version: 1
name: differs
targets:
  db:
    database: embedded
    migrations: migrations
    isolation: repeatable_read
    lock_order: [things, others]
    statement_timeout: 1s
operations:
  op:
    steps:
      - transaction:
          isolation: read_committed
          steps:
            - sql: {postgres: SELECT 1, mysql: SELECT 1}
            - sql: SELECT id FROM things FOR UPDATE
      - sql: {default: SELECT 1, sqlite: SELECT 2}
      - gate: {lock: {default: SELECT 1 FOR UPDATE}, until: {blocked: 1}}
load: {concurrency: 2, iterations: 2}
thresholds: {deadlock_rate: '< 10%', success_rate: '> 10%'}
invariants:
  named: {sql: {postgres: SELECT 1, sqlite: does_not_apply}}
";

fn check(target: &str, scenario: &str) -> support::Ended {
    let folder = tempfile::tempdir().expect("a folder");
    for kind in ["postgres", "mysql", "sqlite"] {
        file(folder.path(), &format!("migrations/{kind}/0001.sql"), "SELECT 1;");
    }
    let path = file(folder.path(), "differs.yaml", scenario);
    let program = Program::new();
    let mut command = program.command(&["check", "differs.yaml", "--target", &format!("db={target}")]);
    let ended = support::Ended::of(command.current_dir(folder.path()).output().expect("it starts"));
    assert!(text(&path).ends_with("differs.yaml"));
    ended
}

#[test]
fn what_sqlite_cannot_have_is_said_at_its_line() {
    insta::assert_snapshot!("check_on_sqlite", check("sqlite:", SCENARIO).expect_status(2).stderr);
}

#[test]
fn a_statement_without_a_text_for_the_target_is_an_error() {
    insta::assert_snapshot!("check_on_mysql", check("embedded:mysql", SCENARIO).expect_status(2).stderr);
    check("embedded", SCENARIO).expect_status(0);
}

#[test]
fn a_database_of_its_own_needs_tables() {
    let scenario = SCENARIO.replace("    migrations: migrations\n", "");
    for target in ["embedded:mysql", "sqlite:"] {
        let ended = check(target, &scenario).expect_status(2);
        let ended = ended.expect_stderr("has no tables").expect_stderr("differs.yaml:4");
        ended.expect_stderr("give it `migrations`");
    }
    let there = check("mysql://root@127.0.0.1/shop", &scenario).stderr;
    assert!(!there.contains("has no tables"), "tables may be there: {there}");
}

#[test]
fn a_file_without_migrations_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = "version: 1
name: nowhere
targets: {db: {database: \"sqlite:nowhere.db\"}}
operations: {op: {steps: [{sql: SELECT 1}]}}
load: {concurrency: 1, iterations: 1}
";
    let path = file(folder.path(), "nowhere.yaml", scenario);
    let program = Program::new();
    let mut command = program.command(&["run", text(&path)]);
    let ended = support::Ended::of(command.current_dir(folder.path()).output().expect("it starts"));
    ended
        .expect_status(3)
        .expect_stderr("there is no database")
        .expect_stderr("give the target `migrations`");
    assert!(!folder.path().join("nowhere.db").exists() && program.records() == 0);
}

#[test]
fn a_file_that_is_there_already_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/sqlite/0001.sql", "CREATE TABLE t (n int);");
    let theirs = file(folder.path(), "theirs.db", "precious");
    let scenario = "version: 1
name: theirs
targets: {db: {database: embedded, migrations: migrations}}
operations: {op: {steps: [{sql: INSERT INTO t VALUES (1)}]}}
load: {concurrency: 1, iterations: 1}
";
    let path = file(folder.path(), "theirs.yaml", scenario);
    let program = Program::new();
    let target = format!("db=sqlite:{}", theirs.display());
    program
        .run(&["run", text(&path), "--target", &target])
        .expect_status(3)
        .expect_stderr("is there already");
    assert_eq!(std::fs::read_to_string(&theirs).expect("still there"), "precious");
    assert_eq!(program.records(), 0);
    let own = folder.path().join("own.db");
    let target = format!("db=sqlite:{}", own.display());
    // One worker alone proves nothing.
    program.run(&["run", "--quiet", text(&path), "--target", &target]).expect_status(4);
    assert!(!own.exists() && program.records() == 0, "the run's file goes with it");
    program.run(&["run", "--quiet", text(&path), "--target", &target, "--keep"]).expect_status(4);
    assert!(own.exists());
    program.run(&["clean"]).expect_status(0).expect_stderr("removed the database");
    assert!(!own.exists() && program.records() == 0);
}
