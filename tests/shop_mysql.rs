//! The example shop on MariaDB or MySQL: it passes without bugs, and each bug is found there by the same
//! check as on PostgreSQL.

#[path = "support/shop.rs"]
mod shop_support;
mod support;

use serde_json::Value;
use shop_support::shop;
use support::{Program, TestDatabase, json, mysql, text};

/// A server on which isolation levels differ.
fn database() -> TestDatabase {
    mysql(&[("transaction-isolation", "SERIALIZABLE"), ("max-connections", "200")])
}

fn run(database: &TestDatabase, bug: &str, arguments: &[&str], status: i32) -> Value {
    let program = Program::new()
        .with("SHOP", text(shop()))
        .with("SHOP_BUGS", bug)
        .with("DATABASE_URL", database.url());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let always = ["run", "--quiet", "--json", text(&path)];
    program.run(&[&always[..], arguments].concat()).expect_status(status);
    assert_eq!(program.records(), 0);
    json(&path)
}

/// Names of what doesn't hold.
fn broken(document: &Value) -> Vec<&str> {
    let listed = |list: &'static str| document[list].as_array().into_iter().flatten();
    let invariants = listed("invariants").filter(|one| one["violated"] != 0 || !one["error"].is_null());
    let thresholds = listed("thresholds").filter(|one| one["holds"] != true);
    let invariants = invariants.filter_map(|one| one["name"].as_str());
    invariants.chain(thresholds.filter_map(|one| one["metric"].as_str())).collect()
}

#[test]
fn the_shop_without_bugs_passes_the_webhooks() {
    let small = ["--var", "multiplier=10", "--var", "operations=400", "scenarios/webhooks.yaml"];
    let document = run(&database(), "", &small, 0);
    assert_eq!(document["totals"]["ok"], 400);
    let application = &document["application"];
    assert!(application["levels_told"].as_u64() > Some(5), "{application}");
    assert!(application["deadlocks"].as_u64().is_some(), "{application}");
}

#[test]
fn the_shop_without_bugs_passes_what_finds_them() {
    let database = database();
    for scenario in ["retry", "lock-order", "duplicates", "last-chairs", "success-and-failure", "isolation"]
    {
        let document = run(&database, "", &[&format!("scenarios/shop/{scenario}.yaml")], 0);
        assert!(broken(&document).is_empty(), "{scenario}: {}", document["reasons"]);
    }
}

#[test]
fn every_bug_is_found_by_its_own_check() {
    let database = database();
    for (bug, scenario, found) in [
        ("retry_never_fires", "retry", "deadlocks"),
        ("wrong_lock_order", "lock-order", "lock_order_violations"),
        ("check_then_insert", "duplicates", "a_payout_is_credited_once"),
        ("stock_read_modify_write", "last-chairs", "stock_is_conserved"),
        ("no_state_machine", "success-and-failure", "paid_or_given_up_not_both"),
        ("fan_out", "fan-out", "money_is_booked_once"),
        ("isolation_too_late", "isolation", "isolation_compliance"),
        ("ack_before_error", "acknowledged", "success_rate"),
        ("work_after_answer", "acknowledged", "success_rate"),
        ("no_tolerance", "signatures", "success_rate{operation:kept_out}"),
    ] {
        let scenario = format!("scenarios/shop/{scenario}.yaml");
        let document = run(&database, bug, &[&scenario], 1);
        let broken = broken(&document);
        assert!(broken.contains(&found), "{bug}: {}", document["reasons"]);
        // Who books three times at once may also deadlock too often for its retries.
        let others = broken.iter().filter(|name| **name != found && **name != "success_rate");
        assert_eq!(others.count(), 0, "{bug}: {}", document["reasons"]);
    }
}
