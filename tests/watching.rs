//! An application is watched from outside: each of its mistakes is seen in the database, and an
//! application without mistakes is told to have none.

mod support;

#[path = "watching/application.rs"]
mod application;
#[path = "watching/service.rs"]
mod service;
#[path = "watching/watched.rs"]
mod watched;

use application::Habit;
use deadheat::{dialect::Dialect, target::embedded::EmbeddedServer};
use serde_json::Value;
use support::{server, sql};
use watched::{Watched, expect_idling, expect_wrong_order, tables};

/// A server on which deadlocks are found soon.
fn database(settings: &[(&str, &str)]) -> EmbeddedServer {
    let server = server(&[&[("deadlock_timeout", "50ms")], settings].concat(), 40);
    sql(&server, &tables(Dialect::Postgres));
    server
}

/// Runs the scenario against an application with this habit.
fn watched(server: &EmbeddedServer, user: &str, habit: &str, count: u32, status: i32) -> Value {
    let service = application::start(server, Habit::named(habit));
    let watched = Watched {
        database: &server.url().replace("//postgres@", &format!("//{user}@")),
        service: &service.url(),
        deadlock: "deadlock",
        habits: ["right", habit],
        count,
        threshold: "lock_order_violations: \"== 0\"",
    };
    watched.run(status)
}

fn holds(document: &Value, metric: &str) -> bool {
    let thresholds = document["thresholds"].as_array().expect("thresholds");
    let one = thresholds.iter().find(|one| one["metric"] == metric).expect("the threshold");
    one["holds"].as_bool().expect("a result")
}

fn unknown(document: &Value) -> String {
    document["application"]["unknown"].to_string()
}

#[test]
fn an_application_without_mistakes_has_none() {
    // Its own level counts, not the server's default.
    let server = database(&[("default_transaction_isolation", "repeatable read")]);
    let document = watched(&server, "postgres", "right", 200, 0);
    assert_eq!(document["verdict"], "pass", "{}", document["reasons"]);
    let application = &document["application"];
    assert!(application["levels_told"].as_u64() > Some(5), "{application}");
    assert!(application["orders_told"].as_u64() > Some(0), "{application}");
    assert_eq!(application["names"], serde_json::json!(["till"]));
    assert_eq!(application["deadlocks"], 0);
    let late = "the last deadlocks: a session tells its own up to ten seconds late";
    assert_eq!(application["unknown"], serde_json::json!([late]), "nothing else is unknown");
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    assert!(observed.iter().all(|one| one["in_force"] == "read_committed" && one["operation"] == "till"));
    assert_eq!(document["lock_order"]["violations"], serde_json::json!([]));
    let waits = document["waits"]["pairs"].as_array().expect("waits");
    assert!(waits.iter().any(|one| one["waiting"] == "till" && one["blocking"] == "till"), "{waits:?}");
    assert!(waits.iter().any(|one| one["table"] == "orders"), "{waits:?}");
}

#[test]
fn a_level_that_is_set_too_late_is_not_in_force() {
    let server = database(&[("default_transaction_isolation", "repeatable read")]);
    let document = watched(&server, "postgres", "late", 200, 1);
    assert!(!holds(&document, "isolation_compliance"), "{}", document["application"]);
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    assert!(observed.iter().any(|one| one["in_force"] == "repeatable_read"), "{observed:?}");
    assert!(
        observed.iter().any(|one| one["in_force"] == "read_committed"),
        "the other operation: {observed:?}"
    );
}

#[test]
fn a_wrong_lock_order_is_seen_and_its_deadlocks_reach_the_client() {
    let server = database(&[]);
    let document = watched(&server, "postgres", "wrong", 150, 1);
    assert!(!holds(&document, "lock_order_violations") && holds(&document, "isolation_compliance"));
    expect_wrong_order(&document, "till");
}

#[test]
fn a_transaction_that_idles_is_timed() {
    let server = database(&[]);
    let document = watched(&server, "postgres", "idle", 60, 0);
    expect_idling(&document);
}

#[test]
fn what_may_not_be_read_is_said() {
    let server = database(&[]);
    sql(&server, "CREATE ROLE stranger LOGIN");
    let document = watched(&server, "stranger", "right", 60, 1);
    assert_eq!(document["application"]["levels_told"], 0);
    assert!(unknown(&document).contains("pg_read_all_stats"), "{}", unknown(&document));
    assert!(!holds(&document, "isolation_compliance"), "no samples");
    sql(&server, "GRANT pg_read_all_stats TO stranger");
    let document = watched(&server, "stranger", "right", 120, 0);
    assert!(document["application"]["levels_told"].as_u64() > Some(0), "{}", document["application"]);
    assert!(!unknown(&document).contains("pg_read_all_stats"));
}

#[test]
fn sessions_that_tell_nothing_are_named() {
    let server = database(&[("track_activities", "off")]);
    let document = watched(&server, "postgres", "right", 60, 1);
    assert!(unknown(&document).contains("track_activities"), "{}", unknown(&document));
    assert_eq!(document["application"]["transactions"], 0);
}
