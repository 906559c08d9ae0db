//! What makes a green result mean something: a control that must fail, an upper bound, and runs with other
//! retry policies.

mod support;

use deadheat::target::embedded::EmbeddedServer;
use serde_json::Value;
use support::{Program, file, json, server, text};

const TABLES: &str = "
CREATE TABLE products (id int PRIMARY KEY, stock int NOT NULL);
CREATE TABLE events (reference text, CONSTRAINT once UNIQUE (reference));
CREATE SEQUENCE attempts;
CREATE FUNCTION every_second() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('attempts') % 2 = 0 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF;
    RETURN 1;
END $$;
";

const TAKE: &str = "operations:
  take:
    let: {item: \"{{ pick(chair) }}\"}
    steps:
      - transaction:
          steps:
            - name: lock
              sql: SELECT id FROM products WHERE id = {{ item.id }} FOR UPDATE
            - sql: SELECT stock FROM products WHERE id = {{ item.id }}
              capture: seen
            - sql: UPDATE products SET stock = {{ seen.stock - 1 }} WHERE id = {{ item.id }}
    effects: {\"products.stock[item.id]\": -1}
load: {concurrency: 8, iterations: 80, release: together}
";

fn scenario(folder: &std::path::Path, server: &EmbeddedServer, body: &str) -> std::path::PathBuf {
    file(folder, "migrations/postgres/0001.sql", TABLES);
    let head = format!(
        "version: 1\nname: control\ntargets: {{db: {{database: \"{}\", migrations: migrations}}}}\n\
         fixtures: {{chair: {{table: products, rows: 1, values: {{id: 1, stock: 1000}}}}}}\n",
        server.url()
    );
    file(folder, "control.yaml", &format!("{head}{body}"))
}

#[track_caller]
fn run(server: &EmbeddedServer, body: &str, status: i32) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), server, body);
    let result = folder.path().join("result.json");
    let junit = folder.path().join("result.xml");
    let arguments = ["run", "--quiet", "--json", text(&result), "--junit", text(&junit), text(&path)];
    let program = Program::new();
    program.run(&arguments).expect_status(status);
    assert_eq!(program.records(), 0, "nothing stays");
    assert!(std::fs::read_to_string(&junit).is_ok_and(|xml| xml.contains("control.checks")));
    json(&result)
}

#[test]
fn a_control_that_fails_gives_a_green_result_its_meaning() {
    let server = server(&[], 60);
    for (patch, expect) in [
        ("{operation: take, step: lock, remove: true}, {operation: take, after: 3, sleep: 3ms}", "effects"),
        (
            "{operation: take, step: lock, sql: SELECT 1}, {operation: take, after: sql 2, sleep: 3ms}",
            "effects",
        ),
    ] {
        let found = run(&server, &format!("{TAKE}control: {{patch: [{patch}], expect: {expect}}}\n"), 0);
        let control = &found["control"];
        assert_eq!((&control["outcome"], &control["started"]), (&"failed".into(), &80.into()), "{control}");
        assert_eq!(control["patches"].as_array().map(Vec::len), Some(2));
        let reasons = found["reasons"].to_string();
        assert!(
            reasons.contains("the control failed, as it must: effects on products.stock by id"),
            "{reasons}"
        );
        assert!(reasons.contains("overlapped trials: fewer than"), "{reasons}");
    }
    server.stop().expect("stopped");
}

#[test]
fn a_control_without_power_makes_the_result_inconclusive() {
    let server = server(&[], 60);
    let control = "control: {patch: [{operation: take, after: lock, sleep: 1ms}], iterations: 16}\n";
    let found = run(&server, &format!("{TAKE}{control}"), 4);
    assert_eq!(
        (&found["control"]["outcome"], &found["control"]["started"]),
        (&"passed".into(), &16.into())
    );
    assert_eq!(found["control"]["patches"][0], "take: 1ms after lock");
    let reason =
        "the control did not fail, and should break the scenario: the test had no power to find it";
    assert_eq!(found["reasons"], serde_json::json!([reason]));
    // One that fails by something else proves as little.
    let invariant =
        "invariants: {stock_is_there: {sql: SELECT 1 WHERE (SELECT min(stock) FROM products) < 0}}\n";
    let control =
        "control: {patch: [{operation: take, step: lock, sql: SELECT 1 / 0}], expect: stock_is_there}\n";
    let found = run(&server, &format!("{TAKE}{invariant}{control}"), 4);
    assert_eq!(found["control"]["outcome"], "failed_otherwise", "{}", found["control"]);
    let control = "control: {patch: [{sql: DROP TABLE nothing}]}\n";
    let found = run(&server, &format!("{TAKE}{control}"), 4);
    assert_eq!(found["control"]["outcome"], "could_not_run", "{}", found["control"]);
    server.stop().expect("stopped");
}

#[test]
fn a_unique_key_is_dropped_for_the_control_alone() {
    let server = server(&[], 60);
    let body = "operations:
  note:
    let: {item: \"{{ pick(chair) }}\"}
    steps:
      - sql: INSERT INTO events VALUES ({{ 'e' ~ item.id }})
load: {concurrency: 8, iterations: 40, release: together}
invariants: {noted_once: {sql: SELECT reference FROM events GROUP BY reference HAVING count(*) > 1}}
control: {patch: [{sql: ALTER TABLE events DROP CONSTRAINT once}], expect: noted_once}
";
    let found = run(&server, body, 0);
    assert_eq!(found["control"]["outcome"], "failed", "{}", found["control"]);
    assert_eq!(found["totals"]["ok"], 1);
    // A red result needs no control.
    let red = body.replace("expect: noted_once}\n", "}\nthresholds: {success_rate: \"== 100%\"}\n");
    let found = run(&server, &red, 1);
    assert_eq!(found["control"], Value::Null);
    server.stop().expect("stopped");
}

#[test]
fn a_load_ends_when_enough_was_seen() {
    let server = server(&[], 60);
    let load = "load: {concurrency: 8, duration: 20s, release: together, stop_when: {upper_bound: 5%}}\n";
    let (operations, _) = TAKE.split_once("load:").expect("a load");
    let found = run(&server, &format!("{operations}{load}"), 0);
    let overlapped = found["overlap"]["overlapped"].as_u64().expect("a number");
    assert!((60..2_000).contains(&overlapped), "{overlapped}");
    assert!(found["duration_ms"].as_f64() < Some(15_000.0), "{}", found["duration_ms"]);
    let load = load.replace("20s", "300ms").replace("5%", "0.1%");
    let found = run(&server, &format!("{operations}{load}"), 4);
    let reason = found["reasons"][0].as_str().expect("a reason");
    assert!(reason.starts_with("the upper bound of violations is "), "{reason}");
    assert!(reason.ends_with("overlapped trials, and should come down to 0.1%"), "{reason}");
    server.stop().expect("stopped");
}

#[test]
fn what_a_retry_policy_buys_is_shown() {
    let server = server(&[], 60);
    let body = "retry: {on: [serialization], max_retries: 10}
operations:
  try:
    let: {item: \"{{ pick(chair) }}\"}
    steps:
      - transaction:
          steps:
            - sql: SELECT id FROM products WHERE id = {{ item.id }} FOR UPDATE
            - sql: SELECT every_second()
load: {concurrency: 4, iterations: 40, release: together}
thresholds: {success_rate: \"> 90%\"}
compare: {retry: [none, default, {on: [serialization], max_retries: 10, backoff: fixed, delay: 1ms}]}
";
    let found = run(&server, body, 0);
    let [none, usual, other] = [0, 1, 2].map(|n| &found["compared"][n]);
    assert_eq!(
        (&none["retry"], &none["committed"], &none["failed"]),
        (&"none".into(), &20.into(), &20.into())
    );
    assert_eq!((&none["retries"], &none["recovered"]), (&0.into(), &0.into()));
    assert_eq!((&usual["retry"], &usual["committed"]), (&"default".into(), &40.into()));
    assert_eq!(usual["retries"], found["totals"]["retries"]);
    assert!(other["retry"].as_str().is_some_and(|name| name.contains("1ms")), "{other}");
    assert_eq!(other["committed"], 40);
    server.stop().expect("stopped");
}

#[test]
fn mistakes_are_told_at_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = "version: 1
name: mistakes
targets: {db: {database: embedded}}
operations:
  take:
    steps:
      - name: read
        sql: SELECT 1
      - sleep: 1ms
load: {concurrency: 2, duration: 1s, iterations: 5, stop_when: {upper_bound: 5}}
control:
  expect: nonsense
  patch:
    - {operation: tak, step: read, remove: true}
    - {operation: take, step: write, sql: SELECT 2}
    - {operation: take, step: 2, sql: SELECT 2}
    - {target: db, env: {A: b}}
    - {operation: take, sleep: 1ms}
compare: {retry: [default]}
";
    let path = file(folder.path(), "mistakes.yaml", body);
    let shown = |path: &std::path::Path| {
        let ended = Program::new().run(&["check", text(path)]).expect_status(2);
        ended.stderr.replace(text(path), "mistakes.yaml")
    };
    let of_the_load = shown(&path);
    let mended = body.replace(", iterations: 5, stop_when: {upper_bound: 5}", "");
    let path = file(folder.path(), "mistakes.yaml", &mended);
    let of_the_rest = shown(&path);
    let sql = body
        .split("control:")
        .next()
        .expect("a head")
        .replace(", iterations: 5, stop_when: {upper_bound: 5}", "");
    let path = file(
        folder.path(),
        "mistakes.yaml",
        &format!("{sql}control: {{patch: [{{sql: DROP TABLE a}}]}}\n"),
    );
    insta::assert_snapshot!("mistakes_of_controls", [of_the_load, of_the_rest, shown(&path)].join("--\n"));
}
