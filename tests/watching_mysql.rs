//! An application on MariaDB or MySQL is watched from outside: each of its mistakes is seen in the
//! database, and an application without mistakes is told to have none.

mod support;

#[path = "watching/mysql_application.rs"]
mod application;

use application::Application;
use serde_json::Value;
use support::{Program, TestDatabase, block_on, file, json, mysql, session, text};

const TABLES: &str = "
    CREATE TABLE orders (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
    CREATE TABLE trackers (id bigint PRIMARY KEY, order_id bigint NOT NULL UNIQUE, n bigint NOT NULL DEFAULT 0,
                           FOREIGN KEY (order_id) REFERENCES orders (id));
    CREATE TABLE bookings (id bigint AUTO_INCREMENT PRIMARY KEY, order_id bigint NOT NULL,
                           FOREIGN KEY (order_id) REFERENCES orders (id));
    INSERT INTO orders (id) VALUES (1), (2), (3);
    INSERT INTO trackers (id, order_id) VALUES (1, 1), (2, 2), (3, 3);";

const SCENARIO: &str = "
version: 1
name: watched
targets:
  db: {database: 'DATABASE', isolation: read_committed, lock_order: [orders, trackers, bookings]}
  api:
    http: SERVICE
    database: db
    causes: {deadlock: \"body.contains('Deadlock')\"}
operations:
  usual:
    steps: [{http: 'POST /USUAL/{{ random(1, 3) }}'}]
  other:
    steps: [{http: 'POST /HABIT/{{ random(1, 3) }}'}]
load: {concurrency: 6, iterations: COUNT}
thresholds:
  isolation_compliance: \"== 100%\"
";

/// A server whose default level is another one than what the application is made for.
fn database(level: &str) -> TestDatabase {
    let database = mysql(&[("transaction-isolation", level)]);
    block_on(async {
        let mut session = session(database.url()).await;
        session.script(TABLES).await.expect("made");
        session.close().await;
    });
    database
}

/// Runs the scenario against an application with these habits.
fn watched(database: &TestDatabase, usual: &str, habit: &str, count: u32, status: i32) -> Value {
    let application = Application::start(database.url());
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = SCENARIO
        .replace("DATABASE", database.url())
        .replace("SERVICE", &application.url())
        .replace("USUAL", usual)
        .replace("HABIT", habit)
        .replace("COUNT", &count.to_string());
    let path = file(folder.path(), "watched.yaml", &scenario);
    let result = folder.path().join("result.json");
    let program = Program::new();
    let ended =
        program.run(&["run", "--no-color", "--json", text(&result), text(&path)]).expect_status(status);
    assert!(ended.stdout.contains("The application in the database"), "{}", ended.stdout);
    json(&result)
}

fn levels(document: &Value) -> Vec<(&str, u64)> {
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    let level = |one: &'_ Value| one["transactions"].as_u64();
    observed.iter().filter_map(|one| Some((one["in_force"].as_str()?, level(one)?))).collect()
}

fn found(document: &Value, level: &str) -> u64 {
    levels(document).iter().filter(|(seen, _)| *seen == level).map(|(_, count)| count).sum()
}

#[test]
fn an_application_without_mistakes_has_none() {
    // Its own level counts, not the server's default.
    let document = watched(&database("REPEATABLE-READ"), "right", "right", 80, 0);
    assert_eq!(document["verdict"], "pass", "{}", document["reasons"]);
    let application = &document["application"];
    assert!(application["levels_told"].as_u64() > Some(5), "{application}");
    assert_eq!(levels(&document).len(), 1, "{:?}", levels(&document));
    assert!(found(&document, "read_committed") > 5);
    assert_eq!(application["names"], serde_json::json!(["root"]), "deadheat's own sessions are left out");
    assert_eq!(application["deadlocks"], 0);
    assert_eq!(document["lock_order"]["violations"], serde_json::json!([]));
    let waits = document["waits"]["pairs"].as_array().expect("waits");
    let among_itself = |one: &&Value| one["waiting"] == "root" && one["blocking"] == "root";
    assert!(waits.iter().any(|one| among_itself(&one) && one["table"] == "orders"), "{waits:?}");
}

#[test]
fn a_level_that_is_set_after_the_transaction_began_is_not_in_force() {
    let document = watched(&database("REPEATABLE-READ"), "right", "late", 80, 1);
    assert!(found(&document, "repeatable_read") > 0, "{:?}", levels(&document));
    assert!(found(&document, "read_committed") > 0, "the other operation: {:?}", levels(&document));
}

#[test]
fn a_request_that_begins_within_another_one_loses_the_level() {
    let document = watched(&database("REPEATABLE-READ"), "right", "nested", 80, 1);
    assert!(found(&document, "repeatable_read") > 0, "{:?}", levels(&document));
    assert!(found(&document, "read_committed") > 0, "the other operation: {:?}", levels(&document));
}

#[test]
fn a_level_that_leaks_through_the_pool_is_seen_in_those_who_did_not_ask_for_it() {
    let document = watched(&database("READ-COMMITTED"), "trusting", "leaking", 120, 1);
    assert!(found(&document, "serializable") > 0, "{:?}", levels(&document));
    // Readers don't meet, which proves nothing: 4.
    let document = watched(&database("READ-COMMITTED"), "trusting", "trusting", 60, 4);
    assert_eq!(found(&document, "serializable"), 0, "{:?}", levels(&document));
}

#[test]
fn a_wrong_lock_order_is_seen_and_its_deadlocks_are_counted() {
    let document = watched(&database("REPEATABLE-READ"), "right", "wrong", 150, 0);
    let violations = document["lock_order"]["violations"].as_array().expect("violations");
    assert!(!violations.is_empty(), "{document:#}");
    for violation in violations {
        assert_eq!((&violation["table"], &violation["after"]), (&"orders".into(), &"trackers".into()));
        assert_eq!(violation["operation"], "root");
    }
    let deadlocks = document["application"]["deadlocks"].as_u64().expect("counted");
    let answers =
        document["totals"]["requests"]["statuses"]["500"].as_u64().expect("some were answered 500");
    assert!(answers > 0);
    assert_eq!(deadlocks, answers, "this application does not retry");
    assert_eq!(document["application"]["unknown"], serde_json::json!([]));
}

#[test]
fn a_transaction_that_idles_is_timed() {
    let document = watched(&database("REPEATABLE-READ"), "right", "idle", 40, 0);
    let application = &document["application"];
    assert!(application["longest_idle_ms"].as_f64() > Some(150.0), "{application}");
    assert!(application["longest_transaction_ms"].as_f64() >= application["longest_idle_ms"].as_f64());
}
