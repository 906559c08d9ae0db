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
    let ended =
        program.run_in(folder.path(), &["check", "differs.yaml", "--target", &format!("db={target}")]);
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
    let ended = program.run_in(folder.path(), &["run", text(&path)]);
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

const RACE: &str = "version: 1
name: differs
targets: {db: {database: embedded}}
races:
  counter:
    setup: CREATE TABLE t (n int); INSERT INTO t VALUES (0)
    isolation: [read_committed, serializable]
    sessions:
      a: [begin, {read: {sql: SELECT n FROM t, capture: seen}}, {write: {sql: 'UPDATE t SET n = {{ seen.n + 1 }}'}}, commit]
      b: {like: a}
    invariants: {all_count: {sql: SELECT n FROM t, expect: n == operations.a.committed}}
    expect: {postgres: {read_committed: violated, serializable: holds}, mysql: {read_committed: violated, serializable: holds}}
";

#[test]
fn levels_of_a_race_that_the_target_lacks_are_said_at_their_lines() {
    let ended = check("sqlite:", RACE).expect_status(2);
    let ended = ended.expect_stderr("`expect` of race `counter` says nothing of SQLite");
    ended.expect_stderr("add `sqlite: …` or `default: …`").expect_stderr("differs.yaml:5:3");
    let ended = check("sqlite:", &RACE.replace("expect: {postgres", "expect: {default: holds, postgres"));
    ended
        .expect_status(0)
        .expect_stderr("race `counter` at read_committed doesn't apply: every transaction on SQLite")
        .expect_stderr("differs.yaml:7:17");
    check("embedded:mysql", RACE).expect_status(0);
    let unknown = RACE.replace("mysql: {", "mysql: {snapshot: holds, ");
    check("embedded:mysql", &unknown).expect_status(2).expect_stderr("isn't judged at a level `snapshot`");
}

/// Its `setup` makes the tables anew for every schedule, on all of them.
#[test]
fn a_race_without_migrations_runs_on_each_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = RACE.replace("expect: {postgres", "expect: {sqlite: holds, postgres");
    let path = file(folder.path(), "counter.yaml", &scenario);
    let program = Program::new();
    for (target, outcomes) in [
        ("embedded", ["violated", "error"]),
        ("embedded:mysql", ["violated", "error"]),
        ("sqlite:", ["error", ""]),
    ] {
        let result = folder.path().join("result.json");
        let target = format!("db={target}");
        let ended = program.run(&["race", text(&path), "--target", &target, "--json", text(&result)]);
        let printed = ended.expect_status(0).stdout;
        let document = support::json(&result);
        let races = document["races"].as_array().expect("races");
        let found: Vec<&str> =
            races.iter().map(|race| race["outcome"].as_str().unwrap_or_default()).collect();
        assert_eq!(found, outcomes, "{target}: {printed}");
        assert_eq!(printed.contains("does not apply"), target == "db=sqlite:", "{printed}");
    }
    assert_eq!(program.records(), 0);
}
