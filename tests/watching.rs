//! An application is watched from outside: each of its mistakes is seen in the database, and an
//! application without mistakes is told to have none.

mod support;

#[path = "watching/application.rs"]
mod application;

use application::{Application, Habit};
use deadheat::target::embedded::EmbeddedServer;
use serde_json::Value;
use support::{Program, file, json, server, sql, text};

const TABLES: &str = "
    CREATE TABLE orders (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
    CREATE TABLE trackers (id bigint PRIMARY KEY, order_id bigint NOT NULL UNIQUE REFERENCES orders (id), n bigint NOT NULL DEFAULT 0);
    CREATE TABLE bookings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders (id));
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
    causes: {deadlock: \"body.contains('deadlock')\"}
operations:
  usual:
    steps: [{http: 'POST /right/{{ random(1, 3) }}'}]
  other:
    steps: [{http: 'POST /HABIT/{{ random(1, 3) }}'}]
load: {concurrency: 6, iterations: COUNT}
thresholds:
  isolation_compliance: \"== 100%\"
  lock_order_violations: \"== 0\"
";

/// A server on which deadlocks are found soon.
fn database(settings: &[(&str, &str)]) -> EmbeddedServer {
    let server = server(&[&[("deadlock_timeout", "50ms")], settings].concat(), 40);
    sql(&server, TABLES);
    server
}

fn url(server: &EmbeddedServer, user: &str) -> String {
    server.url().replace("//postgres@", &format!("//{user}@"))
}

/// Runs the scenario against an application with this habit.
fn watched(server: &EmbeddedServer, user: &str, habit: &str, count: u32, status: i32) -> Value {
    let application = Application::start(server, Habit::named(habit));
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = SCENARIO
        .replace("DATABASE", &url(server, user))
        .replace("SERVICE", &application.url())
        .replace("HABIT", habit)
        .replace("COUNT", &count.to_string());
    let path = file(folder.path(), "watched.yaml", &scenario);
    let result = folder.path().join("result.json");
    let program = Program::new();
    let ended =
        program.run(&["run", "--no-color", "--json", text(&result), text(&path)]).expect_status(status);
    assert!(ended.stdout.contains("The application in the database"), "{}", ended.stdout);
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{}", ended.stdout);
    json(&result)
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
    let violations = document["lock_order"]["violations"].as_array().expect("violations");
    assert!(!violations.is_empty());
    for violation in violations {
        assert_eq!((&violation["table"], &violation["after"]), (&"orders".into(), &"trackers".into()));
        assert_eq!(violation["operation"], "till");
    }
    let deadlocks = document["application"]["deadlocks"].as_u64().expect("counted");
    let answers =
        document["totals"]["requests"]["statuses"]["500"].as_u64().expect("some were answered 500");
    assert!(answers > 0);
    assert_eq!(deadlocks, answers, "this application does not retry");
}

#[test]
fn a_transaction_that_idles_is_timed() {
    let server = database(&[]);
    let document = watched(&server, "postgres", "idle", 60, 0);
    let application = &document["application"];
    assert!(application["longest_idle_ms"].as_f64() > Some(150.0), "{application}");
    assert!(application["longest_transaction_ms"].as_f64() >= application["longest_idle_ms"].as_f64());
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
