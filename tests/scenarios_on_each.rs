//! The shipped scenarios run unchanged on MariaDB or MySQL, by `DATABASE_URL` as by `--target`, and on SQLite,
//! and the result says of each check whether it applies.

mod support;

use serde_json::Value;
use support::{Program, TestDatabase, json, mysql, text};

const SCENARIOS: [&str; 5] = [
    "scenarios/payments.yaml",
    "scenarios/payments-wrong-order.yaml",
    "scenarios/lost-update.yaml",
    "scenarios/lost-update.toml",
    "scenarios/lost-update-fixed.yaml",
];

fn run(program: &Program, scenario: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let small: &[&str] = if scenario.contains("payments") {
        &["--var", "multiplier=2", "--var", "base_workers=5"]
    } else {
        &[]
    };
    let always = ["run", "--quiet", "--json", text(&path), scenario];
    let ended = program.run(&[&always[..], small, more].concat());
    // Two of them are there to fail.
    assert!(matches!(ended.status, Some(0 | 1)), "{scenario} {more:?}: {ended:?}");
    assert_eq!(program.records(), 0);
    json(&path)
}

/// A threshold holds, is broken, or doesn't apply, and then it is neither.
fn expect_told(document: &Value, what: &str) {
    for one in document["thresholds"].as_array().expect("thresholds") {
        let counts = one["does_not_apply"].is_null();
        assert!(counts || one["holds"] != true, "{what}: {one} counts as held though it doesn't apply");
    }
    let held = document["invariants"].as_array().expect("invariants");
    let inapplicable = document["does_not_apply"].as_object().expect("reasons");
    for one in held {
        let name = format!("invariant {}", one["name"].as_str().expect("a name"));
        assert!(!inapplicable.contains_key(&name), "{what}: {name} counts though it doesn't apply");
    }
    assert!(inapplicable.values().all(|why| why.as_str().is_some_and(|why| !why.is_empty())), "{what}");
}

#[test]
fn on_a_server_of_the_users_everything_applies() {
    let database = mysql(&[("max-connections", "100")]);
    let TestDatabase::Server(_, url) = &database else { panic!("a server") };
    let program = Program::new().with("DATABASE_URL", url);
    for scenario in SCENARIOS {
        let document = run(&program, scenario, &[]);
        let kind = document["environment"]["targets"]["db"]["kind"].as_str();
        assert!(matches!(kind, Some("MariaDB" | "MySQL")), "{scenario}: {kind:?}");
        assert_eq!(document["does_not_apply"], serde_json::json!({}), "{scenario}");
        expect_told(&document, scenario);
    }
}

#[test]
fn on_sqlite_what_does_not_apply_is_named_and_never_passed() {
    let program = Program::new();
    for scenario in SCENARIOS {
        let document = run(&program, scenario, &["--target", "db=sqlite:"]);
        assert_eq!(document["environment"]["targets"]["db"]["kind"], "SQLite", "{scenario}");
        let named = document["does_not_apply"].as_object().expect("reasons");
        for check in ["isolation", "lock_order", "lock_waits", "deadlocks"] {
            assert!(named.contains_key(check), "{scenario}: {named:?}");
        }
        expect_told(&document, scenario);
    }
}
