//! An application and its database while they are watched: the tables, the run, and what is expected of it on
//! each kind of database.

use deadheat::dialect::Dialect;
use serde_json::Value;

use super::support::{Program, file, json, numbered_key, text};

const TABLES: &str = "
    CREATE TABLE orders (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
    CREATE TABLE trackers (id bigint PRIMARY KEY, order_id bigint NOT NULL UNIQUE, n bigint NOT NULL DEFAULT 0,
                           FOREIGN KEY (order_id) REFERENCES orders (id));
    CREATE TABLE bookings (id KEY, order_id bigint NOT NULL, FOREIGN KEY (order_id) REFERENCES orders (id));
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
    causes: {deadlock: \"body.contains('WORD')\"}
operations:
  usual:
    steps: [{http: 'POST /USUAL/{{ random(1, 3) }}'}]
  other:
    steps: [{http: 'POST /HABIT/{{ random(1, 3) }}'}]
load: {concurrency: 6, iterations: COUNT}
thresholds:
  isolation_compliance: \"== 100%\"
";

/// What the application works on.
pub fn tables(dialect: Dialect) -> String {
    TABLES.replace("id KEY", &format!("id {}", numbered_key(dialect)))
}

/// A run against an application that is watched in its database.
pub struct Watched<'a> {
    pub database: &'a str,
    pub service: &'a str,
    /// A word of the database's about a deadlock.
    pub deadlock: &'a str,
    /// Habits of the application: that of one operation, and that of the other one.
    pub habits: [&'a str; 2],
    /// How often it is asked.
    pub count: u32,
    /// One more threshold.
    pub threshold: &'a str,
}

impl Watched<'_> {
    /// Runs it, and gives the result document.
    #[track_caller]
    pub fn run(&self, status: i32) -> Value {
        let folder = tempfile::tempdir().expect("a folder");
        let [usual, habit] = self.habits;
        let scenario = SCENARIO
            .replace("DATABASE", self.database)
            .replace("SERVICE", self.service)
            .replace("WORD", self.deadlock)
            .replace("USUAL", usual)
            .replace("HABIT", habit)
            .replace("COUNT", &self.count.to_string());
        let path = file(folder.path(), "watched.yaml", &format!("{scenario}  {}\n", self.threshold));
        let result = folder.path().join("result.json");
        let arguments = ["run", "--no-color", "--json", text(&result), text(&path)];
        let ended = Program::new().run(&arguments).expect_status(status);
        assert!(ended.stdout.contains("The application in the database"), "{}", ended.stdout);
        let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{}", ended.stdout);
        json(&result)
    }
}

/// Trackers were locked before orders by sessions of a name, and each deadlock was answered once.
#[track_caller]
pub fn expect_wrong_order(document: &Value, name: &str) {
    let violations = document["lock_order"]["violations"].as_array().expect("violations");
    assert!(!violations.is_empty(), "{document:#}");
    for violation in violations {
        assert_eq!((&violation["table"], &violation["after"]), (&"orders".into(), &"trackers".into()));
        assert_eq!(violation["operation"], name);
    }
    let deadlocks = document["application"]["deadlocks"].as_u64().expect("counted");
    let answers =
        document["totals"]["requests"]["statuses"]["500"].as_u64().expect("some were answered 500");
    assert!(answers > 0);
    assert_eq!(deadlocks, answers, "this application does not retry");
}

/// A transaction was seen to idle for longer than the application thinks between two statements.
#[track_caller]
pub fn expect_idling(document: &Value) {
    let application = &document["application"];
    assert!(application["longest_idle_ms"].as_f64() > Some(150.0), "{application}");
    assert!(application["longest_transaction_ms"].as_f64() >= application["longest_idle_ms"].as_f64());
}
