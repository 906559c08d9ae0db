//! An application on MariaDB or MySQL is watched from outside: each of its mistakes is seen in the
//! database, and an application without mistakes is told to have none.

mod support;

#[path = "watching/mysql_application.rs"]
mod application;
#[path = "watching/service.rs"]
mod service;
#[path = "watching/watched.rs"]
mod watched;

use deadheat::dialect::Dialect;
use serde_json::Value;
use support::{TestDatabase, mysql, run_script};
use watched::{Watched, expect_idling, expect_wrong_order, tables};

/// A server whose default level is another one than what the application is made for.
fn database(level: &str) -> TestDatabase {
    let database = mysql(&[("transaction-isolation", level)]);
    run_script(database.url(), &tables(Dialect::MySql));
    database
}

/// Runs the scenario against an application with these habits.
fn watched(database: &TestDatabase, usual: &str, habit: &str, count: u32, status: i32) -> Value {
    let service = application::start(database.url());
    let watched = Watched {
        database: database.url(),
        service: &service.url(),
        deadlock: "Deadlock",
        habits: [usual, habit],
        count,
        threshold: "",
    };
    watched.run(status)
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
    expect_wrong_order(&document, "root");
    assert_eq!(document["application"]["unknown"], serde_json::json!([]));
}

#[test]
fn a_transaction_that_idles_is_timed() {
    let document = watched(&database("REPEATABLE-READ"), "right", "idle", 40, 0);
    expect_idling(&document);
}
