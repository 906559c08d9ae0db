//! The shipped scenarios, run by the built program on a throw-away server: each gives the verdict
//! that it is there for, for the right reason.

mod support;

use support::{Program, json, text};

/// Runs a scenario and returns its result document.
fn result(arguments: &[&str], status: i32) -> serde_json::Value {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let arguments = [&["run", "--json", text(&path)], arguments].concat();
    program.run(&arguments).expect_status(status);
    assert_eq!(program.records(), 0, "nothing is left to clean");
    json(&path)
}

fn outcomes_add_up(document: &serde_json::Value) {
    let operations = document["operations"].as_object().expect("operations").values();
    for counts in operations.chain([&document["totals"]]) {
        let kinds =
            ["ok", "recovered", "exhausted", "failed", "assertion", "timeout", "unknown", "skipped"];
        let sum: u64 = kinds.iter().map(|kind| counts[kind].as_u64().expect("a count")).sum();
        assert_eq!(counts["started"].as_u64(), Some(sum), "{counts}");
    }
}

#[test]
fn payments_pass() {
    let document = result(&["scenarios/payments.yaml", "--var", "multiplier=10", "--seed", "7"], 0);
    outcomes_add_up(&document);
    assert_eq!(document["verdict"], "pass");
    assert_eq!(document["grade"], "outstanding");
    assert_eq!(document["seed"], 7);
    assert_eq!(document["totals"]["started"], 5000);
    assert_eq!(document["environment"]["concurrency"], 50);
    assert_eq!(document["lock_order"]["violations"].as_array().map(Vec::len), Some(0));
    assert_eq!(document["fixtures"]["remaining"], 0);
    let observed = document["isolation"]["observed"].as_array().expect("levels");
    let transactions: u64 = observed.iter().map(|one| one["transactions"].as_u64().unwrap_or(0)).sum();
    assert!(transactions >= 5000, "the level was read in every attempt");
    assert!(observed.iter().all(|one| one["in_force"] == "read_committed"));
    // 40, 20, 20 and 20 per cent, give or take.
    let share = |name: &str| document["operations"][name]["started"].as_f64().expect("a count") / 5000.0;
    assert!((share("payment_intent_succeeded") - 0.4).abs() < 0.04);
    assert!((share("order_status_race") - 0.2).abs() < 0.04);
    assert!(document["overlap"]["shared_rows"].as_u64() > Some(0), "operations met on orders");
}

/// The thresholds that hold, are broken, and don't apply.
fn thresholds(document: &serde_json::Value) -> [Vec<&str>; 3] {
    let all = document["thresholds"].as_array().expect("thresholds");
    let named = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        all.iter().filter(|one| wanted(one)).filter_map(|one| one["metric"].as_str()).collect()
    };
    let applies = |one: &serde_json::Value| one["does_not_apply"].is_null();
    [
        named(&|one| applies(one) && one["holds"] == true),
        named(&|one| applies(one) && one["holds"] == false),
        named(&|one| !applies(one)),
    ]
}

#[test]
fn payments_pass_on_mariadb() {
    let arguments = ["scenarios/payments.yaml", "--var", "multiplier=10", "--target", "db=embedded:mysql"];
    let document = result(&arguments, 0);
    outcomes_add_up(&document);
    assert_eq!((&document["verdict"], &document["totals"]["started"]), (&"pass".into(), &5000.into()));
    let [holding, broken, inapplicable] = thresholds(&document);
    assert_eq!((holding.len(), broken.len(), inapplicable.len()), (9, 0, 0), "{document}");
    let invariants = document["invariants"].as_array().expect("invariants");
    assert!(invariants.len() == 7 && invariants.iter().all(|one| one["violated"] == 0));
    // Some were read, and the report says of how many.
    let isolation = &document["isolation"];
    let observed = isolation["observed"].as_array().expect("levels");
    let read: u64 = observed.iter().filter_map(|one| one["transactions"].as_u64()).sum();
    assert!(read > 0 && Some(read) < isolation["transactions"].as_u64(), "{isolation}");
    assert!(observed.iter().all(|one| one["in_force"] == "read_committed"), "{isolation}");
    assert!(document["waits"]["samples"].as_u64() > Some(0));
}

#[test]
fn payments_pass_on_sqlite_with_what_applies_there() {
    let arguments = ["scenarios/payments.yaml", "--var", "multiplier=4", "--target", "db=sqlite:"];
    let document = result(&arguments, 0);
    outcomes_add_up(&document);
    let [holding, broken, inapplicable] = thresholds(&document);
    assert_eq!(broken, [""; 0]);
    assert_eq!(inapplicable, ["deadlock_rate", "isolation_compliance", "lock_order_violations"]);
    assert_eq!(holding.len(), 6);
    let named: Vec<&String> = document["does_not_apply"].as_object().expect("reasons").keys().collect();
    let expected =
        ["isolation", "lock_order", "lock_waits", "deadlocks", "invariant nothing_is_left_locked"];
    assert_eq!(named, expected);
    let held = document["invariants"].as_array().expect("invariants");
    assert_eq!(held.len(), 6, "what doesn't apply isn't counted as held");
    let reasons = document["reasons"].to_string();
    assert!(reasons.contains("4 demands didn't apply"), "{reasons}");
}

#[test]
fn a_wrong_order_deadlocks_on_mariadb_too() {
    let arguments = ["scenarios/payments-wrong-order.yaml", "--target", "db=embedded:mysql"];
    let document = result(&arguments, 1);
    assert!(document["totals"]["deadlocks"].as_u64() > Some(0), "{}", document["totals"]);
    assert!(document["totals"]["recovered"].as_u64() > Some(0));
    let [_, broken, _] = thresholds(&document);
    assert!(broken.contains(&"lock_order_violations"), "{broken:?}");
    the_wrong_step_is_named(&document);
    let invariants = document["invariants"].as_array().expect("invariants");
    assert!(invariants.iter().all(|one| one["violated"] == 0), "money is safe all the same");
}

/// Most of the deadlocks are between the operation that breaks the declared order and one that keeps it.
#[track_caller]
fn the_wrong_step_is_named(document: &serde_json::Value) {
    let deadlocks = &document["deadlocks"];
    let count = |value: &serde_json::Value| value.as_u64().expect("a count");
    let explained = count(&deadlocks["explained"]);
    assert_eq!(explained + count(&deadlocks["unexplained"]), count(&document["totals"]["deadlocks"]));
    assert!(explained > 0, "{deadlocks}");
    let cycles = deadlocks["cycles"].as_array().expect("cycles");
    let is_right = |cycle: &&serde_json::Value| {
        let parties = cycle["parties"].as_array().expect("parties");
        let wrong = |party: &&serde_json::Value| {
            party["operation"] == "payment_intent_failed"
                && party["step"] == "lock order"
                && party["wanted"]["table"] == "orders"
                && party["held"]["table"] == "payment_trackers"
                && party["held"]["step"] == "lock tracker"
                && party["against_order"] == true
        };
        let right = |party: &&serde_json::Value| {
            party["wanted"]["table"] == "payment_trackers"
                && party["held"]["table"] == "orders"
                && party["held"]["step"] == "lock order"
                && party["against_order"] == false
        };
        parties.len() == 2 && parties.iter().any(|one| wrong(&one)) && parties.iter().any(|one| right(&one))
    };
    assert!(is_right(&&cycles[0]), "the most frequent one: {deadlocks:#}");
    let rightly: u64 = cycles.iter().filter(is_right).map(|cycle| count(&cycle["count"])).sum();
    assert!(rightly * 2 > explained, "{rightly} of {explained}: {deadlocks:#}");
}

#[test]
fn updates_are_lost_on_mariadb_and_refused_on_sqlite() {
    let mariadb = result(&["scenarios/lost-update.yaml", "--target", "db=embedded:mysql"], 1);
    assert_eq!(mariadb["totals"]["ok"], 400);
    assert_eq!(mariadb["invariants"][0]["violated"], 1, "{}", mariadb["invariants"]);
    // SQLite lets nobody write over what it hasn't seen: operations fail, and nothing is lost.
    let sqlite = result(&["scenarios/lost-update.yaml", "--target", "db=sqlite:"], 1);
    assert_eq!(sqlite["invariants"][0]["violated"], 0, "{}", sqlite["invariants"]);
    let causes = sqlite["totals"]["causes"].as_object().expect("causes");
    assert!(causes.keys().all(|cause| cause == "serialization" || cause == "busy"), "{causes:?}");
    assert!(sqlite["totals"]["failed"].as_u64() > Some(0));
    for target in ["db=embedded:mysql", "db=sqlite:"] {
        let mended = result(&["scenarios/lost-update-fixed.yaml", "--target", target], 0);
        assert_eq!(mended["totals"]["ok"], 400, "{target}");
    }
}

#[test]
fn the_wrong_order_deadlocks_recovers_and_fails_for_it() {
    let document = result(&["scenarios/payments-wrong-order.yaml"], 1);
    outcomes_add_up(&document);
    assert_eq!(document["verdict"], "fail");
    assert!(document["totals"]["deadlocks"].as_u64() > Some(0));
    assert!(document["totals"]["recovered"].as_u64() > Some(0));
    let violations = document["lock_order"]["violations"].as_array().expect("violations");
    assert!(violations.iter().all(|one| {
        one["operation"] == "payment_intent_failed"
            && one["table"] == "orders"
            && one["after"] == "payment_trackers"
    }));
    assert_eq!(violations.len(), 1);
    let broken: Vec<&str> = document["thresholds"]
        .as_array()
        .expect("thresholds")
        .iter()
        .filter(|one| one["holds"] == false)
        .filter_map(|one| one["metric"].as_str())
        .collect();
    assert!(broken.contains(&"lock_order_violations"), "{broken:?}");
    the_wrong_step_is_named(&document);
    let invariants = document["invariants"].as_array().expect("invariants");
    assert!(invariants.iter().all(|one| one["violated"] == 0), "money is safe all the same");
    // Retries by attempt: each delay at least as long as declared, and in the declared order.
    let attempts = document["retries"]["attempts"].as_array().expect("attempts");
    for (attempt, declared) in attempts.iter().zip([10.0, 20.0, 40.0]) {
        assert_eq!(attempt["declared_ms"].as_f64(), Some(declared));
        assert!(attempt["measured_ms"]["min"].as_f64() >= Some(declared), "{attempt}");
    }
    let retried: u64 = attempts.iter().map(|attempt| attempt["count"].as_u64().unwrap_or(0)).sum();
    assert_eq!(document["totals"]["retries"].as_u64(), Some(retried));
}

#[test]
fn lost_updates_are_counted_though_every_statement_succeeded() {
    let document = result(&["scenarios/lost-update.yaml"], 1);
    assert_eq!(document["totals"]["ok"], 400);
    assert_eq!(document["thresholds"][0]["holds"], true);
    let broken = &document["invariants"][0];
    assert_eq!(broken["violated"], 1);
    let stock: i64 = broken["rows"][0][0].as_str().and_then(|text| text.parse().ok()).expect("the stock");
    let lost = stock - (10_000 - 400);
    assert!(lost > 0);
    assert_eq!(broken["message"].as_str(), Some(format!("{lost} of 400 decrements were lost").as_str()));
}

#[test]
fn the_mended_update_loses_nothing() {
    let document = result(&["scenarios/lost-update-fixed.yaml"], 0);
    assert_eq!(document["verdict"], "pass");
    assert_eq!(document["totals"]["ok"], 400);
}

#[test]
fn one_seed_draws_the_same_work() {
    let run = || {
        let document = result(&["scenarios/payments.yaml", "--var", "multiplier=2", "--seed", "42"], 0);
        let operations = document["operations"].as_object().expect("operations").clone();
        operations.iter().map(|(name, one)| (name.clone(), one["started"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn yaml_and_toml_give_the_same_plan() {
    let program = Program::new();
    let yaml = program.run(&["explain", "scenarios/lost-update.yaml"]).expect_status(0).stdout;
    let toml = program.run(&["explain", "scenarios/lost-update.toml"]).expect_status(0).stdout;
    assert_eq!(yaml, toml);
    insta::assert_snapshot!("explain_lost_update", yaml);
}

#[test]
fn every_shipped_scenario_is_valid() {
    let program = Program::new();
    let mut count = 0;
    let folders = ["scenarios", "scenarios/shop"];
    for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("scenarios").flatten()) {
        if entry.path().is_file() {
            program.run(&["check", text(&entry.path())]).expect_status(0);
            count += 1;
        }
    }
    assert!(count >= 15);
}

#[test]
fn what_init_writes_passes() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    for flags in [&["init", "first"][..], &["init", "second", "--toml"][..]] {
        let status = program.command(flags).current_dir(folder.path()).status().expect("it starts");
        assert!(status.success());
    }
    let again = program.command(&["init", "first"]).current_dir(folder.path()).output().expect("it starts");
    assert_eq!(again.status.code(), Some(2), "a file that is there isn't replaced");
    for file in ["first.yaml", "second.toml"] {
        let path = folder.path().join(file);
        program.run(&["run", "--quiet", text(&path)]).expect_status(0);
    }
}

#[test]
fn a_retry_policy_that_never_fires_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = std::fs::read_to_string("scenarios/payments-wrong-order.yaml").expect("a scenario");
    let mended = written
        .replace("on: [deadlock, serialization]", "on: [serialization]")
        .replace("../migrations", concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let path = support::file(folder.path(), "wrong-cause.yaml", &mended);
    let document = result(&[support::text(&path)], 1);
    let untried = document["retries"]["untried"].as_array().expect("a list");
    let failed = |one: &serde_json::Value| one["failed"].as_u64().unwrap_or_default();
    assert!(untried.iter().all(|one| one["cause"] == "deadlock" && one["fired"] == false), "{untried:#?}");
    let all: u64 = untried.iter().map(failed).sum();
    assert!(all > 0 && document["totals"]["causes"]["deadlock"].as_u64() == Some(all), "{untried:#?}");
}
