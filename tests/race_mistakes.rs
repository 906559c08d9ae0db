//! What is wrong with a race is found before anything starts, at its line, with what to do.

mod support;

use support::{Program, file, text};

const MISTAKES: &str = "\
version: 1
name: mistakes
targets: {db: {database: embedded, isolation: read_committed}}
operations:
  pay: {let: {amount: 1}, steps: [{sql: 'SELECT {{ amount }}'}]}
load: {concurrency: 1, iterations: 1}
races:
  steps:
    sessions:
      a:
        - bgein
        - read: {sql: SELECT 1, captrue: seen}
        - {sql: SELECT 2, let: {x: 1}}
        - read: {sql: 'SELECT {{ sene }}'}
        - transaction: {steps: [{sql: SELECT 1}]}
      b: {like: c}
      c: {like: b}
      d: {operation: pya}
      e: {operation: pay, with: {amuont: 2}}
      f: {}
  ends:
    sessions:
      a: [begin, {x: {sql: SELECT 1}}]
      b: [{y: {sql: SELECT 1}}, commit]
      c: [begin, begin, commit]
      d: [begin, {z: {sql: SELECT 1}}, {z: {sql: SELECT 2}}, commit]
  schedules:
    sessions:
      a: [begin, {read: {sql: SELECT 1 AS n, capture: seen}}, {write: {sql: 'SELECT {{ seen.n }}'}}, commit]
      b: [begin, {raed: {sql: SELECT 1}}, commit]
    schedules:
      - a a a a b b
      - a.begin write read a.commit b b b
      - a a a a b b b b
      - a a a a b b c
      - a.begin a.begin a a a b b b
      - begin a a a b b b
      - a a a a(x y) b b b
  partial:
    sessions:
      a: [{read: {sql: SELECT 1 AS n, capture: seen}}, {write: {sql: 'SELECT {{ seen.n }}'}}]
      b: [{look: {sql: SELECT 1}}]
    partial: true
    schedules: [write look read]
  many:
    sessions:
      a: [{r1: {sql: SELECT 1}}, {r2: {sql: SELECT 1}}, {r3: {sql: SELECT 1}}, {r4: {sql: SELECT 1}}]
      b: {like: a}
      c: {like: a}
      d: {like: a}
  judged:
    isolation: [read_committed]
    sessions: {a: [{x: {sql: SELECT 1}}], b: [{y: {sql: SELECT 1}}]}
    expect: {serializable: holds}
    invariants: {one: {sql: SELECT 1, when: before}}
  alone:
    sessions: {a: [{x: {sql: SELECT 1}}]}
    schedules: {sample: 0}
    expect: hold
";

#[test]
fn mistakes_are_told_at_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "mistakes.yaml", MISTAKES);
    let ended = Program::new().run(&["check", text(&path)]).expect_status(2);
    let shown = ended.stderr.replace(text(&path), "mistakes.yaml");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_scenario_has_operations_or_races() {
    let folder = tempfile::tempdir().expect("a folder");
    let neither = "version: 1\nname: none\ntargets: {db: {database: embedded}}\n";
    let path = file(folder.path(), "none.yaml", neither);
    Program::new()
        .run(&["check", text(&path)])
        .expect_status(2)
        .expect_stderr("the scenario has neither operations nor races");
    let no_load = format!("{neither}operations: {{op: {{steps: [{{sql: SELECT 1}}]}}}}\n");
    let path = file(folder.path(), "no-load.yaml", &no_load);
    Program::new()
        .run(&["check", text(&path)])
        .expect_status(2)
        .expect_stderr("there are operations and no `load`");
}

#[test]
fn what_the_database_refuses_stands_at_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = "\
version: 1
name: refused
targets: {db: {database: embedded}}
vars: {one: 1}
races:
  one:
    setup: CREATE TABLE t (n int)
    sessions:
      a: [{read: {sql: \"SELECT m FROM t WHERE n = {{ one }}\"}}]
      b: [{write: {sql: UPDATE t SET n = 1}}]
";
    let path = file(folder.path(), "refused.yaml", scenario);
    let program = Program::new();
    program
        .run(&["race", "--quiet", text(&path)])
        .expect_status(2)
        .expect_stderr("read of session a in race one doesn't prepare")
        .expect_stderr("refused.yaml:9:24");
    assert_eq!(program.records(), 0);
    let script = scenario.replace(" WHERE n = {{ one }}", "");
    let path = file(folder.path(), "script.yaml", &script);
    let ended = program.run(&["race", "--quiet", text(&path)]).expect_status(1);
    assert!(ended.stdout.contains("a.read fails: column \"m\" does not exist"), "{}", ended.stdout);
}
