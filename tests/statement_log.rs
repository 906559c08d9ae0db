//! The log of a server of ours tells what an application locks, statement by statement: the order of locks is
//! judged of every transaction, whoever waited or not, and each deadlock is explained by the application's
//! own statements. On a server of the user's what it tells anyway is read.

#[path = "support/shop.rs"]
mod shop_support;
mod support;

use deadheat::target::embedded::{BinarySource, EmbeddedOptions, EmbeddedServer, ServerKind};
use serde_json::Value;
use shop_support::shop;
use support::{Program, TestDatabase, file, json, mysql, sql, text, value, wait_for};

/// Failures of payments, one after the other: nobody ever waits for anybody.
const ALONE: &str = "
version: 1
name: alone
secrets: {webhook: whsec_test}
targets:
  db:
    database: KIND
    migrations: ROOT/migrations/shop
    lock_order: [orders, payment_trackers, payment_transactions, products, users]
  api:
    http: start
    database: db
    start: {command: '${SHOP}', env: {SHOP_BUGS: '${SHOP_BUGS:-}'}, ready: /health}
fixtures:
  people:   {table: users, rows: 2, values: {email: 'person{{ n }}.{{ run.id }}@example.test', role: seller}}
  orders:   {table: orders, rows: 12, values: {buyer_id: '{{ people[0].id }}', status: pending_payment, total: 19.19}}
  trackers: {table: payment_trackers, per: orders, values: {order_id: '{{ parent.id }}', status: pending, amount: 19.19}}
operations:
  fail:
    let: {order: '{{ orders[iteration] }}'}
    steps:
      - http: POST /webhook/stripe/
        bodies: [{template: stripe/event/payment_intent.payment_failed.json}]
        sign: {scheme: stripe, secret: '{{ secrets.webhook }}'}
        assert: status == 200
load: {concurrency: 1, iterations: 12}
thresholds: {lock_order_violations: '== 0'}
";

/// Runs a scenario on a server of its own, and returns its result and what it prints.
fn run(bug: &str, scenario: &str, kind: &str, more: &[&str], status: i32) -> (Value, String) {
    let program =
        Program::new().with("SHOP", text(shop())).with("SHOP_BUGS", bug).with("DATABASE_URL", kind);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let arguments = [&["run", "--no-color", "--json", text(&path), scenario], more].concat();
    let ended = program.run(&arguments).expect_status(status);
    assert_eq!(program.records(), 0);
    (json(&path), ended.stdout)
}

fn alone(bug: &str, kind: &str, more: &[&str], status: i32) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = ALONE.replace("KIND", kind).replace("ROOT", env!("CARGO_MANIFEST_DIR"));
    let path = file(folder.path(), "alone.yaml", &scenario);
    run(bug, text(&path), kind, more, status)
}

fn each_transaction_is_judged(kind: &str) {
    let (document, printed) = alone("wrong_lock_order", kind, &[], 1);
    let log = &document["application"]["statement_log"];
    assert_eq!((&log["violating"], &log["gaps"]), (&12.into(), &0.into()), "{log}");
    assert_eq!(log["judged"], log["transactions"], "{log}");
    let violations = document["lock_order"]["violations"].as_array().expect("violations");
    let [one] = violations.as_slice() else { panic!("{violations:?}") };
    assert_eq!(
        (&one["table"], &one["after"], &one["count"]),
        (&"orders".into(), &"payment_trackers".into(), &12.into())
    );
    let statement = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    assert!(statement("step").starts_with("SELECT status"), "{one}");
    assert!(statement("after_step").starts_with("SELECT id FROM payment_trackers"), "{one}");
    assert_eq!(document["thresholds"][0]["observed"], "12");
    assert_eq!(document["totals"]["ok"], 12, "no answer tells of it");
    assert!(printed.contains("From the server's log,"), "{printed}");

    // One at a time proves nothing about races, which makes the verdict inconclusive: 4.
    let (document, _) = alone("", kind, &[], 4);
    assert_eq!(document["thresholds"][0]["holds"], true);
    let log = &document["application"]["statement_log"];
    assert_eq!(log["violating"], 0);
    assert!(log["judged"].as_u64() >= Some(12), "{log}");
    assert_eq!(log["judged"], log["transactions"], "{log}");
    assert_eq!(document["lock_order"]["violations"], serde_json::json!([]));
}

#[test]
fn each_transaction_is_judged_on_postgres() {
    each_transaction_is_judged("embedded");
}

#[test]
fn each_transaction_is_judged_on_mariadb() {
    each_transaction_is_judged("embedded:mysql");
}

/// A server of the user's that writes its general log into a table.
fn telling() -> TestDatabase {
    mysql(&[("general-log", "1"), ("log-output", "TABLE")])
}

#[test]
fn each_transaction_is_judged_on_a_mariadb_of_the_users_that_tells_its_statements() {
    each_transaction_is_judged(telling().url());
}

/// A PostgreSQL of the user's that tells everything: its log is written as JSON, in small files.
fn telling_postgres() -> EmbeddedServer {
    let kind = ServerKind::Postgres;
    let options = EmbeddedOptions {
        kind,
        max_connections: 40,
        binaries: BinarySource::from_env(kind),
        // With what it takes to write a log at all.
        has_log: true,
        ..EmbeddedOptions::default()
    };
    let server = EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect("a server");
    for setting in ["log_destination = 'jsonlog'", "log_statement = 'all'", "log_rotation_size = '64kB'"] {
        sql(&server, &format!("ALTER SYSTEM SET {setting}"));
    }
    sql(&server, "SELECT pg_reload_conf()");
    wait_for("its file", || value(&server, "pg_current_logfile('jsonlog') IS NOT NULL") == "true");
    server
}

#[test]
fn each_transaction_is_judged_on_a_postgres_of_the_users_that_tells_its_statements() {
    let server = telling_postgres();
    each_transaction_is_judged(&server.url());
    server.stop().expect("stopped");
}

#[test]
fn a_mariadb_of_the_users_that_tells_no_statements_has_no_log() {
    let database = mysql(&[]);
    // Who doesn't wait isn't seen to lock, so that the threshold isn't decided.
    let (document, _) = alone("wrong_lock_order", database.url(), &[], 1);
    assert_eq!(document["application"]["statement_log"], Value::Null);
    assert_eq!(document["lock_order"]["violations"], serde_json::json!([]));
}

#[test]
fn who_wants_no_watching_gets_no_log() {
    let (document, _) = alone("wrong_lock_order", "embedded", &["--no-sampling"], 1);
    assert_eq!(document["application"], Value::Null);
    assert_eq!(document["lock_order"]["transactions"], 0, "nothing was judged, and nothing is claimed");
}

fn deadlocks_are_explained(kind: &str) {
    let (document, printed) = explained(kind);
    let deadlocks = &document["deadlocks"];
    assert_eq!(deadlocks["explained"], document["application"]["deadlocks"], "each of them");
    assert_eq!(deadlocks["unexplained"], 0);
    assert!(printed.contains("The declared order is orders, then payment_trackers"), "{printed}");
}

/// Deadlocks of the shop: whole cycles are in the order that was wrong.
fn explained(kind: &str) -> (Value, String) {
    let (document, printed) = run("wrong_lock_order", "scenarios/shop/lock-order.yaml", kind, &[], 1);
    let deadlocks = &document["deadlocks"];
    assert!(deadlocks["explained"].as_u64() > Some(0), "{deadlocks}");
    let cycles = deadlocks["cycles"].as_array().expect("cycles");
    let mut whole = 0;
    for cycle in cycles {
        let parties = cycle["parties"].as_array().expect("parties");
        let mut places: Vec<(&str, &str, Option<bool>)> = parties
            .iter()
            .map(|party| {
                let table = |what: &str| party[what]["table"].as_str().unwrap_or_default();
                (table("held"), table("wanted"), party["against_order"].as_bool())
            })
            .collect();
        places.sort_unstable();
        // A server tells of a deadlock now and then before the statement is logged that took the lock.
        if places.iter().all(|(held, ..)| !held.is_empty()) {
            assert_eq!(
                places,
                [("orders", "payment_trackers", Some(false)), ("payment_trackers", "orders", Some(true))],
                "{cycle}"
            );
            whole += 1;
        }
        assert!(
            parties.iter().all(|party| !party["step"].as_str().unwrap_or("'").contains('\'')),
            "{cycle}"
        );
    }
    assert!(whole > 0, "{deadlocks}");
    (document, printed)
}

#[test]
fn deadlocks_are_explained_on_postgres() {
    deadlocks_are_explained("embedded");
}

#[test]
fn deadlocks_are_explained_on_mariadb() {
    deadlocks_are_explained("embedded:mysql");
}

#[test]
fn deadlocks_are_explained_on_a_postgres_of_the_users() {
    let server = telling_postgres();
    deadlocks_are_explained(&server.url());
    server.stop().expect("stopped");
}

/// The engine keeps the latest one alone: of those that follow each other fast, some aren't read.
#[test]
fn deadlocks_are_explained_on_a_mariadb_of_the_users() {
    let (document, _) = explained(telling().url());
    let (told, counted) = (&document["deadlocks"]["explained"], &document["application"]["deadlocks"]);
    assert!(told.as_u64() <= counted.as_u64(), "{told} of {counted}");
}
