//! What is wrong on purpose in the shipped scenarios is named by the finding that `docs/findings.md` says, and
//! ten runs of the same without the mistake find nothing.

#[path = "support/findings.rs"]
mod findings;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use support::{Program, file, json, server, text};

/// Runs a scenario that is wrong. Returns its document and what the terminal said, in one line.
fn wrong(program: &Program, scenario: &str, more: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let arguments = [&["run", "--quiet", "--json", text(&path), scenario][..], more].concat();
    let ended = program.run(&arguments).expect_status(1);
    (json(&path), ended.stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn wrong_scenarios_are_named_and_right_ones_are_not() {
    let server = server(&[("deadlock_timeout", "100ms")], 120);
    let program = Program::new().with("DATABASE_URL", &server.url());

    let (document, _) = wrong(&program, "scenarios/lost-update.yaml", &[]);
    assert_eq!(document["effects"][0]["broken"][0]["kind"], "lost_update");
    let lost = findings::reasons(&document).join("; ");

    let (document, said) =
        wrong(&program, "scenarios/payments-wrong-order.yaml", &["--var", "multiplier=10"]);
    let advice = said.split("The declared order is ").nth(1).expect("a deadlock that is explained");
    let advice = advice.split_once(". ").expect("a sentence").0;
    assert!(document["deadlocks"]["explained"].as_u64() > Some(0));
    // How long it took is the machine's, and not what is wrong.
    let reasons = findings::reasons(&document);
    let violations = reasons.iter().find(|reason| reason.starts_with("lock_order_violations "));
    let violations = violations.expect("violations are a reason");
    let order = format!("{violations}; the declared order is {advice}");

    findings::keep(
        "load",
        &[
            findings::row(&["`lost-update.yaml`", &lost]),
            findings::row(&["`payments-wrong-order.yaml`", &order]),
        ],
    );

    // Ten times with fewer operations; tests/effects.rs does so with `lost-update-fixed.yaml`.
    let written = fs::read_to_string("scenarios/payments.yaml").expect("the scenario");
    let migrations = Path::new("migrations").canonicalize().expect("the folder");
    let shorter = written
        .replace("iterations: 5000", "iterations: 400")
        .replace("../migrations", migrations.to_str().expect("text"));
    assert!(shorter.len() < written.len() + 200 && shorter.contains("iterations: 400"));
    let folder = tempfile::tempdir().expect("a folder");
    let right = file(folder.path(), "payments.yaml", &shorter);
    let arguments = [&["run", "--quiet", "--var", "multiplier=4"][..], &[text(&right); 10]].concat();
    let ended = program.run(&arguments);
    assert_eq!(ended.stdout.matches("Verdict: pass").count(), 10, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

/// Files of races that are wrong on purpose; the others hold what the literature knows.
const RACES: [&str; 10] = [
    "admin-edit-against-webhook",
    "double-payout",
    "gap-locks",
    "idempotency",
    "last-item",
    "opposite-lock-order",
    "refund-twice",
    "sqlite-busy",
    "succeeded-against-failed",
    "upgrade-deadlock",
];

/// What a race does wrong at a level, in the report's words; `None`: nothing.
fn finding(race: &Value) -> Option<String> {
    if race["outcome"] == "violated" {
        let broken = race["counter_example"]["invariants"].as_array().expect("invariants");
        let broken = broken.iter().find(|one| one["violated"] != 0).expect("one that is broken");
        let anomalies = race["anomalies"].as_object().expect("anomalies").keys();
        let anomalies: String = anomalies.map(|name| format!(", {name}")).collect();
        return Some(format!("broken {}{anomalies}", broken["name"].as_str().expect("a name")));
    }
    let causes = race["causes"].as_object().expect("causes");
    let causes: Vec<&str> = causes.keys().map(String::as_str).collect();
    (race["expect"] == "error").then(|| format!("failed sessions: {}", causes.join(", ")))
}

#[test]
fn wrong_races_are_named_and_fixed_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result.json");
    let program = Program::new();
    let mut rows = Vec::new();
    for name in RACES {
        let path = format!("scenarios/races/{name}.yaml");
        program.run(&["race", "--quiet", "--json", text(&result), &path]).expect_status(0);
        let driven = json(&result)["races"].as_array().expect("races").clone();
        let mut names: Vec<&str> = driven.iter().filter_map(|one| one["race"].as_str()).collect();
        names.dedup();
        for race in names {
            let of_it = driven.iter().filter(|one| one["race"] == race);
            let found: Vec<(&str, String)> =
                of_it.filter_map(|one| Some((one["isolation"].as_str()?, finding(one)?))).collect();
            let texts: BTreeSet<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
            for text in texts {
                let levels = found.iter().filter(|(_, one)| one == text);
                let levels: Vec<String> = levels.map(|(level, _)| level.replace('_', " ")).collect();
                let cells = [format!("`{name}.yaml`"), format!("`{race}`"), levels.join(", ")];
                rows.push(findings::row(&[&cells[0], &cells[1], &cells[2], text]));
            }
        }
        fixed_races_find_nothing(&driven);
    }
    findings::keep("races", &rows);
    assert_eq!(program.records(), 0);
}

/// A twin that is fixed is driven through each of its interleavings, each a run of its own: ten and more.
fn fixed_races_find_nothing(driven: &[Value]) {
    let fixed = |one: &&Value| one["race"].as_str().is_some_and(|name| name.ends_with("_fixed"));
    let mut runs: BTreeMap<&str, u64> = BTreeMap::new();
    for race in driven.iter().filter(fixed) {
        assert_eq!(finding(race), None, "{race}");
        assert_eq!((&race["violated"], &race["causes"]["deadlock"]), (&0.into(), &Value::Null), "{race}");
        *runs.entry(race["race"].as_str().expect("a name")).or_default() +=
            race["executed"].as_u64().expect("a number");
    }
    assert!(!runs.is_empty() && runs.values().all(|runs| *runs >= 10), "{runs:?}");
}
