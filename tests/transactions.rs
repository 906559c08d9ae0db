//! How transactions end: rollbacks, retries, levels, and commits without an answer.

mod support;

use support::{Program, file, json, text};

const TABLE: &str = "
CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO counters VALUES (1, 0), (2, 0);
CREATE TABLE notes (what text);
-- Ends the connection in the middle of the commit.
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$;
CREATE TABLE fatal (id serial);
CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON fatal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
-- Two failures, then success: sequences don't roll back.
CREATE SEQUENCE attempts;
CREATE SEQUENCE seen;
CREATE FUNCTION third_time() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('attempts') < 3 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END IF;
    RETURN 1;
END $$;
CREATE FUNCTION never() RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'never' USING ERRCODE = '40P01'; END $$;
";

/// Runs steps once, in one worker, and returns the result document. `checks` are queries that
/// must return no rows afterwards.
fn run(operation: &str, checks: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/postgres/0001.sql", TABLE);
    let each = |(n, sql): (usize, &&str)| format!("  check{n}: {{sql: \"{sql}\"}}\n");
    let invariants: String = checks.iter().enumerate().map(each).collect();
    let invariants = if checks.is_empty() { invariants } else { format!("invariants:\n{invariants}") };
    let scenario = format!(
        "version: 1\nname: one\ntargets: {{db: {{database: embedded, migrations: migrations, isolation: read_committed}}}}\n\
         retry: {{on: [deadlock, serialization], max_retries: 3, delay: 10ms}}\n\
         operations:\n  op:\n    steps:\n{operation}\nload: {{concurrency: 1, iterations: 1}}\n{invariants}"
    );
    let path = file(folder.path(), "one.yaml", &scenario);
    let result = folder.path().join("result.json");
    let ended = Program::new().run(&["run", "--quiet", text(&path), "--json", text(&result)]);
    assert!(matches!(ended.status, Some(1 | 4)), "one worker never passes: {ended:?}");
    let document = json(&result);
    for invariant in document["invariants"].as_array().expect("invariants") {
        assert_eq!(
            (&invariant["violated"], &invariant["error"]),
            (&0.into(), &serde_json::Value::Null),
            "{invariant}"
        );
    }
    document
}

#[test]
fn a_failed_assertion_rolls_back() {
    let document = run(
        "      - transaction:
          steps:
            - sql: UPDATE counters SET n = n + 1
              assert: rows_affected == 1",
        &["SELECT * FROM counters WHERE n <> 0"],
    );
    assert_eq!(document["totals"]["assertion"], 1);
    let message = document["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("2 rows affected"), "{message}");
}

#[test]
fn a_rollback_on_purpose_is_ok_and_leaves_nothing() {
    let document = run(
        "      - transaction:
          steps:
            - sql: UPDATE counters SET n = n + 1
            - rollback: true",
        &["SELECT * FROM counters WHERE n <> 0"],
    );
    assert_eq!(document["totals"]["ok"], 1);
}

#[test]
fn the_whole_transaction_is_tried_again_with_the_same_values() {
    let document = run(
        "      - let: {drawn: \"{{ random(1, 1000000) }}\"}
      - sql: INSERT INTO notes VALUES ('let ' || {{ drawn }}::text)
      - transaction:
          steps:
            - let: {inside: \"{{ random(1, 1000000) }}\"}
            # A sequence doesn't roll back: it still holds what the attempt before drew.
            - sql: SELECT 1 / (last_value IN (1, {{ inside }}))::int, setval('seen', {{ inside }}) FROM seen
            - sql: UPDATE counters SET n = n + 1 WHERE id = 1
            - sql: SELECT third_time()
            - sql: INSERT INTO notes VALUES ('done')",
        &["SELECT * FROM counters WHERE id = 1 AND n <> 1", "SELECT 1 FROM notes HAVING count(*) <> 2"],
    );
    assert_eq!((&document["totals"]["recovered"], &document["totals"]["retries"]), (&1.into(), &2.into()));
    let attempts = document["retries"]["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["recovered"], &attempts[1]["recovered"]), (&0.into(), &1.into()));
    assert_eq!(attempts[1]["causes"]["serialization"], 1);
    assert!(document["totals"]["backoff_ms"]["mean"].as_f64() >= Some(30.0), "10 and 20 ms");
    assert!(
        document["totals"]["latency_ms"]["min"].as_f64() >= Some(30.0),
        "backoff is part of the latency"
    );
    assert!(
        document["totals"]["attempt_ms"]["max"].as_f64() < document["totals"]["latency_ms"]["max"].as_f64()
    );
}

#[test]
fn used_up_retries_are_exhausted_and_no_recovery() {
    let document = run(
        "      - transaction:
          steps:
            - sql: UPDATE counters SET n = n + 1 WHERE id = 1
            - sql: SELECT never()",
        &["SELECT * FROM counters WHERE n <> 0"],
    );
    let totals = &document["totals"];
    assert_eq!(
        (&totals["exhausted"], &totals["recovered"], &totals["retries"]),
        (&1.into(), &0.into(), &3.into())
    );
    assert_eq!((&totals["deadlocks"], &totals["met_deadlock"]), (&4.into(), &1.into()));
    assert_eq!(document["retries"]["exhausted"]["deadlock"], 1);
}

#[test]
fn another_cause_is_not_tried_again() {
    let document = run("      - sql: INSERT INTO counters VALUES (1, 1)", &[]);
    assert_eq!((&document["totals"]["failed"], &document["totals"]["retries"]), (&1.into(), &0.into()));
    assert_eq!(document["totals"]["causes"]["unique"], 1);
}

#[test]
fn a_commit_without_an_answer_is_unknown() {
    let document = run(
        "      - transaction:
          steps:
            - sql: INSERT INTO fatal DEFAULT VALUES",
        &[],
    );
    assert_eq!(document["totals"]["unknown"], 1, "{}", document["errors"]);
    assert_eq!(document["errors"][0]["step"], "commit");
}

#[test]
fn each_transaction_runs_at_its_own_level() {
    let document = run(
        "      - transaction:
          isolation: serializable
          steps:
            - sql: SELECT n FROM counters
      - transaction:
          steps:
            - sql: SELECT n FROM counters",
        &[],
    );
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    let levels: Vec<&str> = observed.iter().filter_map(|one| one["in_force"].as_str()).collect();
    assert_eq!(levels, ["read_committed", "serializable"]);
    assert!(observed.iter().all(|one| one["declared"] == one["in_force"]));
}

#[test]
fn choices_loops_and_captures_do_what_they_say() {
    let document = run(
        "      - sql: SELECT id, n FROM counters ORDER BY id
        capture: {all_rows: all, first: first, number: value}
      - check: all_rows | length == 2 and first.id == 1 and number == 1
      - repeat: {for: one, in: \"{{ all_rows }}\"}
        steps:
          - repeat: \"{{ one.id }}\"
            steps:
              - sql: UPDATE counters SET n = n + 1 + {{ i }} WHERE id = {{ one.id }}
      - sql: SELECT id FROM counters WHERE id = 99
        capture: nothing
      - if: nothing is none
        then:
          - sql: INSERT INTO notes VALUES ('none')
        else:
          - sql: INSERT INTO notes VALUES ('some')",
        &[
            "SELECT * FROM counters WHERE n <> CASE id WHEN 1 THEN 1 ELSE 3 END",
            "SELECT * FROM notes WHERE what <> 'none'",
        ],
    );
    assert_eq!(document["totals"]["ok"], 1, "{}", document["errors"]);
}

#[test]
fn a_missing_row_and_a_lone_barrier_say_what_is_wrong() {
    let document = run(
        "      - sql: SELECT id FROM counters WHERE id = 99
        capture: nothing
      - sql: UPDATE counters SET n = 1 WHERE id = {{ nothing.id }}",
        &["SELECT * FROM counters WHERE n <> 0"],
    );
    assert_eq!(document["totals"]["causes"]["value"], 1);
    let message = document["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("there is no row to take `id` from"), "{message}");
}

#[test]
fn invariants_are_looked_at_when_they_say() {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/postgres/0001.sql", TABLE);
    let scenario = "version: 1
name: moments
targets: {db: {database: embedded, migrations: migrations}}
operations:
  op:
    steps:
      - transaction:
          steps:
            - sql: UPDATE counters SET n = n + 1 WHERE id = 1
      - sleep: 20ms
load: {concurrency: 2, iterations: 60}
invariants:
  broken_before: {sql: SELECT id FROM counters, when: before}
  broken_during: {sql: 'SELECT n FROM counters WHERE id = 1', expect: n < 5, when: 'every 10ms'}
  held_during: {sql: 'SELECT n FROM counters WHERE id = 1', expect: n >= before.n, when: during}
  held_after: {sql: 'SELECT n FROM counters WHERE id = 1', expect: n == operations.op.committed, when: after}
  held_in_the_end: {sql: 'SELECT 1 WHERE clock_timestamp() < now() - interval $$1s$$', when: eventually}
  never_holds: {sql: SELECT 1, when: eventually, timeout: 100ms}
  cannot_be_evaluated: {sql: SELECT 1 AS one, expect: two == 1}
";
    let path = file(folder.path(), "moments.yaml", scenario);
    let result = folder.path().join("result.json");
    Program::new().run(&["run", "--quiet", text(&path), "--json", text(&result)]).expect_status(1);
    let document = json(&result);
    let state = |one: &serde_json::Value| match (one["violated"].as_u64(), one["error"].as_str()) {
        (Some(0), None) => "holds".to_owned(),
        (Some(0), Some(_)) => "error".to_owned(),
        _ => one["phase"].as_str().unwrap_or("?").to_owned(),
    };
    let invariants = document["invariants"].as_array().expect("invariants");
    let found: Vec<String> = invariants.iter().map(state).collect();
    assert_eq!(found, ["before", "during", "holds", "holds", "holds", "eventually", "error"]);
    assert!(invariants[1]["first_violation_ms"].as_f64() > Some(0.0), "{}", invariants[1]);
    assert_eq!(invariants[0]["failing_rows"], 2, "failing rows are counted and shown");
}
