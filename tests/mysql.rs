//! MariaDB or MySQL as the user's own server: schema, cleanup, gates, levels in force.

mod support;

use deadheat::dialect::Dialect;
use support::{
    Program, TestDatabase, file, json, kill, mysql, number, schemas_of_runs, text, things, wait_for,
};

/// Runs a scenario on a server of the user's and returns its result document.
fn run(database: &TestDatabase, scenario: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a folder");
    things(folder.path(), Dialect::MySql);
    let path = file(folder.path(), "one.yaml", scenario);
    let result = folder.path().join("result.json");
    let program = Program::new().with("DATABASE_URL", database.url());
    let ended = program.run(&["run", "--quiet", text(&path), "--json", text(&result)]);
    // Workers that never meet prove nothing: 4.
    assert!(matches!(ended.status, Some(0 | 4)), "{ended:?}");
    assert_eq!((schemas_of_runs(database.url()), program.records()), (0, 0), "nothing stays");
    json(&result)
}

#[test]
fn a_run_has_a_database_of_its_own_and_drops_it() {
    let document = run(
        &mysql(&[]),
        "version: 1
name: own
targets: {db: {database: \"${DATABASE_URL}\", migrations: migrations}}
fixtures: {things: {table: things, rows: 3, values: {n: \"{{ n }}\"}}}
operations:
  count: {let: {one: \"{{ pick(things) }}\"}, steps: [{sql: 'UPDATE things SET n = n + 1 WHERE id = {{ one.id }}'}]}
load: {concurrency: 4, iterations: 100}
invariants:
  all_count: {sql: SELECT sum(n) AS n FROM things, expect: n == before.n + 100}
",
    );
    assert_eq!(document["fixtures"]["created"], 3);
    let target = &document["environment"]["targets"]["db"];
    assert!(matches!(target["kind"].as_str(), Some("MariaDB" | "MySQL")), "{target}");
    assert!(target["schema"].as_str().is_some_and(|schema| schema.starts_with("deadheat_")));
}

#[test]
fn clean_removes_what_a_killed_run_left() {
    let database = mysql(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    things(folder.path(), Dialect::MySql);
    let path = file(
        folder.path(),
        "long.yaml",
        "version: 1
name: long
targets: {db: {database: \"${DATABASE_URL}\", migrations: migrations}}
fixtures: {things: {table: things, rows: 3, values: {n: 0}}}
operations:
  hold: {steps: [{transaction: {steps: [{sql: UPDATE things SET n = n + 1}, {sleep: 200ms}]}}]}
load: {concurrency: 4, duration: 60s}
",
    );
    let program = Program::new().with("DATABASE_URL", database.url());
    let run = program.start_unheard(&["run", text(&path)]);
    let busy = "SELECT COUNT(*) FROM information_schema.processlist
                 WHERE db LIKE 'deadheat%' AND command <> 'Sleep'";
    wait_for("the load", || number(database.url(), busy) >= 3);
    kill(run);
    assert_eq!((schemas_of_runs(database.url()), program.records()), (1, 1));
    program.run(&["clean"]).expect_status(0).expect_stderr("removed schema deadheat_");
    assert_eq!((schemas_of_runs(database.url()), program.records()), (0, 0));
}

#[test]
fn a_gate_opens_when_enough_sessions_wait() {
    let document = run(
        &mysql(&[]),
        "version: 1
name: gate
targets: {db: {database: \"${DATABASE_URL}\", migrations: migrations}}
fixtures: {things: {table: things, rows: 1, values: {n: 0}}}
operations:
  hold:
    steps:
      - if: worker == 0
        then:
          - gate: {lock: 'SELECT n FROM things WHERE id = {{ things[0].id }} FOR UPDATE', until: {blocked: 3}, timeout: 10s}
            steps: [{barrier: {name: locked}}]
        else:
          - barrier: {name: locked}
          - sql: UPDATE things SET n = n + 1 WHERE id = {{ things[0].id }}
load: {concurrency: 4, iterations: 4}
invariants:
  all_were_let_in: {sql: SELECT n FROM things, expect: n == 3}
",
    );
    assert_eq!(document["gates"][0]["opened"], 1, "{}", document["gates"]);
}

/// Transactions by level in force.
fn levels(document: &serde_json::Value) -> Vec<(&str, &str)> {
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    observed
        .iter()
        .filter_map(|one| Some((one["operation"].as_str()?, one["in_force"].as_str()?)))
        .collect()
}

#[test]
fn the_level_in_force_is_not_the_one_that_a_variable_shows() {
    // Each session says SERIALIZABLE in the middle of a transaction, which holds for the next one: the
    // variable shows it at once. A level of its own saves the second operation from what has leaked.
    let document = run(
        &mysql(&[]),
        "version: 1
name: levels
targets: {db: {database: \"${DATABASE_URL}\", migrations: migrations}}
fixtures: {things: {table: things, rows: 4, values: {n: 0}}}
operations:
  leaks:
    steps:
      - sql: SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
      - transaction:
          steps:
            - sql: UPDATE things SET n = n + 1 WHERE id = {{ things[worker].id }}
            - sql: SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE
            - sql: SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')
              assert: row.Value == 'SERIALIZABLE'
            - sleep: 250ms
      - sleep: 5ms
  runs_as_declared:
    steps:
      - transaction:
          isolation: repeatable_read
          steps:
            - sql: UPDATE things SET n = n + 1 WHERE id = {{ things[worker].id }}
            - sleep: 250ms
  inherits:
    steps:
      - transaction:
          steps:
            - sql: SELECT n FROM things WHERE id = {{ things[worker].id }}
            - sleep: 250ms
load: {concurrency: 4, duration: 4s}
require: {operations: '> 20'}
invariants:
  there_are_rows: {sql: SELECT id FROM things, expect: row_count == 4}
",
    );
    let seen = levels(&document);
    assert!(seen.contains(&("leaks", "read_committed")), "{seen:?}");
    assert!(!seen.contains(&("leaks", "serializable")), "{seen:?}");
    assert!(seen.contains(&("runs_as_declared", "repeatable_read")), "{seen:?}");
    assert_eq!(seen.iter().filter(|(name, _)| *name == "runs_as_declared").count(), 1, "{seen:?}");
    assert!(seen.contains(&("inherits", "serializable")), "what leaked is found: {seen:?}");
}
