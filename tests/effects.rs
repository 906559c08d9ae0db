//! Effects: what operations say they changed, compared with what the database shows, and what a
//! difference is called.

mod support;

use deadheat::target::embedded::ServerKind;
use serde_json::Value;
use support::{Program, file, json, number, server, server_of, sql, text, value};

/// Runs a scenario and returns its document.
#[track_caller]
fn document(program: &Program, arguments: &[&str], status: i32) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let arguments = [&["run", "--quiet", "--json", text(&path)][..], arguments].concat();
    program.run(&arguments).expect_status(status);
    json(&path)
}

/// The stock that is left in a schema.
fn stock_in(url: &str, schema: &str) -> i64 {
    number(url, &format!("SELECT stock FROM {schema}.products"))
}

#[test]
fn a_lost_update_loses_what_the_database_shows() {
    let postgres = server(&[], 80);
    let mariadb = server_of(ServerKind::MySql, &[], 80);
    for url in [&postgres.url(), &mariadb.url()] {
        let program = Program::new().with("DATABASE_URL", url);
        let found = document(&program, &["--keep", "scenarios/lost-update.yaml"], 1);
        let schema = found["environment"]["targets"]["db"]["schema"].as_str().expect("a schema");
        let missing = 400 - (10_000 - stock_in(url, schema));
        let effects = &found["effects"][0];
        assert_eq!(
            (&effects["name"], &effects["acknowledged"]),
            (&"products.stock by id".into(), &400.into())
        );
        let broken = serde_json::json!([{"kind": "lost_update", "keys": 1, "amount": missing.to_string()}]);
        assert_eq!(effects["broken"], broken, "{effects}");
        assert_eq!(effects["differences"][0]["acknowledged"], "-400");
        program.run(&["clean"]).expect_status(0);
    }
    postgres.stop().expect("stopped");
    mariadb.stop().expect("stopped");
}

#[test]
fn what_is_locked_loses_nothing_ten_times_in_a_row() {
    let postgres = server(&[], 80);
    let program = Program::new().with("DATABASE_URL", &postgres.url());
    let files = ["scenarios/lost-update-fixed.yaml"; 10];
    let ended = program.run(&[&["run", "--quiet"][..], &files].concat()).expect_status(0);
    assert_eq!(
        ended.stdout.matches("products.stock by id           400    -400      -400  holds").count(),
        10
    );
    postgres.stop().expect("stopped");
    for database in ["embedded:mysql", "sqlite:"] {
        let program = Program::new().with("DATABASE_URL", database);
        let found = document(&program, &["scenarios/lost-update-fixed.yaml"], 0);
        let effects = &found["effects"][0];
        let holds = effects["broken"].as_array().is_some_and(Vec::is_empty) && effects["error"].is_null();
        assert!(holds && effects["expected"] == effects["observed"], "{effects}");
    }
}

const TABLES: &str = "
CREATE TABLE accounts (id int PRIMARY KEY, balance numeric(30, 2) NOT NULL DEFAULT 0);
CREATE TABLE bookings (reference text, account int, amount numeric(30, 2));
-- Ends the connection in the middle of every second commit.
CREATE SEQUENCE commits;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('commits') % 2 = 0 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(1);
    END IF;
    RETURN NULL;
END $$;
CREATE TABLE fatal (id serial);
CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON fatal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
";

/// Runs an operation ten times, twice at a time, on three accounts.
#[track_caller]
fn run(operation: &str, status: i32) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/postgres/0001.sql", TABLES);
    let scenario = format!(
        "version: 1\nname: one\ntargets: {{db: {{database: embedded, migrations: migrations}}}}\n\
         fixtures: {{accounts: {{table: accounts, rows: 1, values: {{id: \"{{{{ n }}}}\"}}}}}}\n\
         operations:\n  op:\n    let: {{account: \"{{{{ pick(accounts) }}}}\"}}\n{operation}\n\
         load: {{concurrency: 2, iterations: 10, release: together}}\n"
    );
    let path = file(folder.path(), "one.yaml", &scenario);
    document(&Program::new(), &[text(&path)], status)
}

/// The same for an operation that changes a balance and does more in one transaction; `more` are the lines of
/// further steps.
#[track_caller]
fn run_in_transaction(change: &str, more: &[&str], effects: &str, status: i32) -> Value {
    let more: String = more.iter().map(|line| format!("            {line}\n")).collect();
    let operation = format!(
        "    steps:
      - transaction:
          steps:
            - sql: UPDATE accounts SET balance = balance {change} WHERE id = {{{{ account.id }}}}
{more}    effects: {{{effects}}}"
    );
    run(&operation, status)
}

fn kinds(effects: &Value) -> Vec<&str> {
    effects["broken"].as_array().expect("a list").iter().filter_map(|one| one["kind"].as_str()).collect()
}

#[test]
fn unknown_outcomes_widen_the_bounds() {
    let found = run_in_transaction(
        "+ 0.10",
        &["- sql: INSERT INTO fatal DEFAULT VALUES"],
        "\"accounts.balance[account.id]\": 0.1",
        0,
    );
    let effects = &found["effects"][0];
    let unknown = found["totals"]["unknown"].as_u64().expect("a number");
    assert!(unknown >= 3, "{}", found["errors"]);
    assert_eq!(effects["unknown"], unknown);
    assert_eq!(effects["acknowledged"], 10 - unknown);
    assert_eq!(kinds(effects), Vec::<&str>::new(), "{effects}");
    // What wasn't answered was rolled back here, and that is no lost update.
    assert_eq!(effects["observed"], effects["expected"]);
}

#[test]
fn a_double_application_is_named_with_its_keys() {
    let book =
        "- sql: INSERT INTO bookings VALUES ({{ 'b' ~ worker ~ '-' ~ iteration }}, {{ account.id }}, 1.5)";
    let found = run_in_transaction(
        "+ 1.5",
        &[book, "- if: worker == 0", "  then:", &format!("    {book}")],
        "\"accounts.balance[account.id]\": 1.5,
         \"bookings[reference = 'b' ~ worker ~ '-' ~ iteration]\": 1, \"bookings.amount\": 1.5",
        1,
    );
    let [balance, rows, amount] = [0, 1, 2].map(|n| &found["effects"][n]);
    assert_eq!((kinds(balance), &balance["observed"]), (vec![], &"15".into()));
    assert_eq!(kinds(rows), ["double_application"], "{rows}");
    assert_eq!((&rows["broken"][0]["keys"], &rows["keys"]), (&5.into(), &10.into()));
    assert_eq!(rows["differences"][0]["key"], serde_json::json!(["b0-0"]));
    assert_eq!(
        (kinds(amount), &amount["broken"][0]["amount"]),
        (vec!["double_application"], &"7.5".into())
    );
    let reason = found["reasons"][0].as_str().expect("a reason");
    assert!(
        reason.contains("rows of bookings by reference are broken: double application on 5 keys, 5 in all")
            && reason.contains("reference b0-0: from 0 to 2, and 1 was acknowledged by 1 operations"),
        "{reason}"
    );
}

#[test]
fn what_a_failed_operation_left_is_a_phantom() {
    let found = run(
        "    steps:
      - sql: UPDATE accounts SET balance = balance - 2 WHERE id = {{ account.id }}
      - if: worker == 1
        then:
          - sql: INSERT INTO accounts (id) VALUES ({{ account.id }})
    effects: {\"accounts.balance[account.id]\": -2}",
        1,
    );
    let effects = &found["effects"][0];
    assert_eq!((&effects["acknowledged"], &effects["undone"]), (&5.into(), &5.into()));
    assert_eq!(kinds(effects), ["phantom_effect"], "{effects}");
    assert_eq!(effects["differences"][0]["difference"], "-10");
    assert_eq!(effects["differences"][0]["undone"], "-10");
}

#[test]
fn nothing_acknowledged_is_a_failure() {
    let found = run_in_transaction("- 2", &["- rollback: true"], "\"accounts.balance[account.id]\": -2", 1);
    let effects = &found["effects"][0];
    assert_eq!((&effects["acknowledged"], &effects["observed"]), (&0.into(), &"0".into()));
    let reason =
        "effects on accounts.balance by id: no operation was acknowledged, so there is nothing to compare";
    assert_eq!(found["reasons"][0], reason);
}

#[test]
fn existing_tables_are_compared_where_the_run_changed_them() {
    let postgres = server(&[], 40);
    sql(
        &postgres,
        "CREATE TABLE stock (id serial PRIMARY KEY, units int NOT NULL); INSERT INTO stock (units) VALUES (7)",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = format!(
        "version: 1\nname: one\ntargets: {{db: {{database: \"{}\"}}}}\n\
         fixtures: {{item: {{table: stock, rows: 1, values: {{units: 100}}}}}}\n\
         operations:\n  take:\n    let: {{drawn: \"{{{{ pick(item) }}}}\"}}\n    steps:\n      - sleep: 5ms\n      - sql: UPDATE stock SET units = units - 1\n\
         \x20   effects: {{\"stock.units[drawn.id]\": -1}}\nload: {{concurrency: 2, iterations: 10, release: together}}\n",
        postgres.url()
    );
    let path = file(folder.path(), "one.yaml", &scenario);
    let found = document(&Program::new(), &[text(&path)], 0);
    let effects = &found["effects"][0];
    assert_eq!((&effects["keys"], &effects["observed"]), (&1.into(), &"-10".into()), "{effects}");
    assert_eq!(value(&postgres, "SELECT string_agg(units::text, ',') FROM stock"), "-3");
    postgres.stop().expect("stopped");
}

#[test]
fn mistakes_are_told_at_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = "version: 1
name: mistakes
targets: {db: {database: embedded, migrations: migrations}}
operations:
  op:
    steps:
      - sql: SELECT 1
    effects:
      products.stock[chair.id]: -1
      products.stock[1 + 1]: -1
      products.stock[id = 1: -1
      \"payouts[ref = 1]\": quantity * 2
      users.balance[id = 1]: random(1, 2)
      users.balance[id = 2]: [1]
load: {concurrency: 2, iterations: 10}
";
    file(folder.path(), "migrations/postgres/0001.sql", "");
    let path = file(folder.path(), "mistakes.yaml", scenario);
    let ended = Program::new().run(&["check", text(&path)]).expect_status(2);
    let shown = ended.stderr.replace(text(&path), "mistakes.yaml");
    insta::assert_snapshot!("mistakes_of_effects", shown);
}
