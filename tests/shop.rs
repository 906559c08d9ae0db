//! The example shop: each of its bugs is found, for its own reason; without bugs it passes everything, again
//! and again; and what was started to find that out is gone afterwards.

#[path = "../examples/shop/bugs.rs"]
mod bugs;
#[path = "support/findings.rs"]
mod findings;
#[path = "support/shop.rs"]
mod shop_support;
mod support;

use std::{fs, process::Stdio};

use serde_json::Value;
use shop_support::{Shop, processes_of, shop};
use support::{Ended, Program, json, server, text, wait_for};

/// What finds a bug. Nothing else may: a check that fails beside it would hide that this one doesn't work.
#[derive(Debug, Clone, Copy)]
enum Check {
    /// An invariant of the scenario.
    Invariant(&'static str),
    /// A threshold, and nothing about single operations.
    Threshold(&'static str),
    /// A threshold, and the cause and step of all failures behind it, whose messages hold a text.
    Failure { threshold: &'static str, cause: Option<&'static str>, step: &'static str, says: &'static str },
}

/// Every bug, the scenario that shows it, and the check that finds it.
const TABLE: [(&str, &str, Check); 10] = [
    (
        "retry_never_fires",
        "retry",
        Check::Failure {
            threshold: "deadlocks",
            cause: Some("deadlock"),
            step: "http 1",
            says: "payment failed: error returned from database: deadlock detected",
        },
    ),
    ("wrong_lock_order", "lock-order", Check::Threshold("lock_order_violations")),
    ("check_then_insert", "duplicates", Check::Invariant("a_payout_is_credited_once")),
    ("stock_read_modify_write", "last-chairs", Check::Invariant("stock_is_conserved")),
    ("no_state_machine", "success-and-failure", Check::Invariant("paid_or_given_up_not_both")),
    ("fan_out", "fan-out", Check::Invariant("money_is_booked_once")),
    ("isolation_too_late", "isolation", Check::Threshold("isolation_compliance")),
    (
        "ack_before_error",
        "acknowledged",
        Check::Failure {
            threshold: "success_rate",
            cause: Some("no_effect"),
            step: "http 1",
            says: "what it changes never came",
        },
    ),
    (
        "work_after_answer",
        "acknowledged",
        Check::Failure {
            threshold: "success_rate",
            cause: Some("no_effect"),
            step: "http 1",
            says: "wasn't there by the time of the answer: it came after",
        },
    ),
    (
        "no_tolerance",
        "signatures",
        Check::Failure {
            threshold: "success_rate{operation:kept_out}",
            cause: None,
            step: "stale",
            says: "the answer was 200 OK",
        },
    ),
];

/// What a bug did to what operations declare as their effects. No other may be called broken.
const EFFECTS: [(&str, &str, &str); 2] = [
    ("check_then_insert", "users.balance by id", "double_application"),
    ("stock_read_modify_write", "products.stock by id", "lost_update"),
];

/// Settings of a server on which isolation levels differ and deadlocks are told soon.
const SETTINGS: [(&str, &str); 2] =
    [("default_transaction_isolation", "serializable"), ("deadlock_timeout", "300ms")];

/// Names of what doesn't hold.
fn broken(list: &Value, name: &str, is_broken: impl Fn(&Value) -> bool) -> Vec<String> {
    let list = list.as_array().expect("a list");
    let names = list.iter().filter(|one| is_broken(one)).filter_map(|one| one[name].as_str());
    names.map(str::to_owned).collect()
}

#[track_caller]
fn expect_found(bug: &str, check: Check, document: &Value) {
    let invariants =
        broken(&document["invariants"], "name", |one| one["violated"] != 0 || !one["error"].is_null());
    let thresholds = broken(&document["thresholds"], "metric", |one| one["holds"] != true);
    let failures = document["errors"].as_array().expect("errors");
    let expected: (&[&str], &[&str]) = match &check {
        Check::Invariant(name) => (&[name], &[]),
        Check::Threshold(threshold) | Check::Failure { threshold, .. } => (&[], &[threshold]),
    };
    assert_eq!(
        (invariants.as_slice(), thresholds.as_slice()),
        (
            &expected.0.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..],
            &expected.1.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..],
        ),
        "{bug}: {:?}",
        document["reasons"]
    );
    match check {
        Check::Failure { cause, step, says, .. } => {
            assert!(!failures.is_empty(), "{bug}");
            for failure in failures {
                assert_eq!(
                    (&failure["cause"], &failure["step"]),
                    (&cause.map_or(Value::Null, Value::from), &step.into()),
                    "{bug}"
                );
                let message = failure["message"].as_str().unwrap_or_default();
                assert!(message.contains(says), "{bug}: {message}");
            }
        }
        Check::Threshold(threshold) => {
            let measured = document["thresholds"].as_array().expect("thresholds");
            let measured = measured.iter().find(|one| one["metric"] == threshold);
            assert!(measured.is_some_and(|one| one["observed"].is_string()), "{bug}: it was measured");
        }
        Check::Invariant(_) => assert!(failures.is_empty(), "{bug}: {failures:?}"),
    }
}

/// Of the effects that don't hold, all are of the bug's kind.
#[track_caller]
fn expect_effects(bug: &str, document: &Value) {
    let none = Vec::new();
    let effects = document["effects"].as_array().unwrap_or(&none);
    let broken = effects.iter().flat_map(|one| {
        let kinds = one["broken"].as_array().expect("a list").iter();
        kinds.map(|kind| (one["name"].as_str().expect("a name"), kind["kind"].as_str().expect("a kind")))
    });
    let expected = EFFECTS.iter().filter(|(of, ..)| *of == bug).map(|(_, name, kind)| (*name, *kind));
    assert_eq!(broken.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{bug}");
}

/// The finding that names a bug, as the report states it.
fn named(check: Check, document: &Value) -> String {
    let mut parts = findings::reasons(document);
    match check {
        Check::Failure { step, says, .. } => parts.push(format!("step `{step}`: {says}")),
        Check::Threshold("lock_order_violations") => {
            let one = &document["lock_order"]["violations"][0];
            let text = |key: &str| one[key].as_str().expect("text");
            parts.push(format!("{} locked {} after {}", text("operation"), text("table"), text("after")));
        }
        Check::Threshold(_) => {
            let levels = document["isolation"]["observed"].as_array().expect("levels");
            let level = levels.iter().find(|one| one["in_force"] == "serializable").expect("the server's");
            parts.push(format!(
                "declared {}, in force serializable",
                level["declared"].as_str().expect("a level")
            ));
        }
        Check::Invariant(_) => {}
    }
    parts.join("; ")
}

#[test]
fn every_bug_is_found_for_its_own_reason() {
    let names: Vec<&str> = bugs::NAMES.iter().map(|(name, _)| *name).collect();
    let table: Vec<&str> = TABLE.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(names, table, "the table has every bug");
    let server = server(&SETTINGS.map(|pair| pair), 200);
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = Vec::new();
    for (bug, scenario, check) in TABLE {
        let program = Program::new()
            .with("SHOP", text(shop()))
            .with("SHOP_BUGS", bug)
            .with("DATABASE_URL", &server.url());
        let path = folder.path().join(format!("{bug}.json"));
        let file = format!("scenarios/shop/{scenario}.yaml");
        program.run(&["run", "--quiet", "--json", text(&path), &file]).expect_status(1);
        let document = json(&path);
        expect_found(bug, check, &document);
        expect_effects(bug, &document);
        let cells = [format!("`{bug}`"), format!("`{scenario}.yaml`"), named(check, &document)];
        rows.push(findings::row(&[&cells[0], &cells[1], &cells[2]]));
        assert_eq!(program.records(), 0);
    }
    findings::keep("shop", &rows);
    server.stop().expect("stopped");
}

#[test]
fn the_shop_without_bugs_passes_ten_times_in_a_row() {
    let server = server(&SETTINGS, 200);
    let program = Program::new().with("SHOP", text(shop())).with("DATABASE_URL", &server.url());
    let mut files: Vec<String> = fs::read_dir("scenarios/shop")
        .expect("scenarios")
        .map(|entry| format!("scenarios/shop/{}", entry.expect("a file").file_name().to_string_lossy()))
        .collect();
    files.sort();
    assert!(TABLE.iter().all(|(_, name, _)| files.contains(&format!("scenarios/shop/{name}.yaml"))));
    let mut arguments = vec!["run", "--quiet"];
    (0..10).for_each(|_| arguments.extend(files.iter().map(String::as_str)));
    let ended = program.run(&arguments).expect_status(0);
    assert_eq!(ended.stdout.matches("Verdict: pass").count(), 10 * files.len());
    let webhooks = ["--var", "multiplier=10", "--var", "operations=400"];
    let arguments = [&["run", "--quiet"][..], &webhooks, &["scenarios/webhooks.yaml"; 10]].concat();
    let ended = program.run(&arguments).expect_status(0);
    assert_eq!(ended.stdout.matches("Verdict: pass").count(), 10);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn the_documentation_has_the_table() {
    let page = fs::read_to_string("docs/shop.md").expect("the page");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), TABLE.len());
    for ((bug, scenario, check), row) in TABLE.iter().zip(rows) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, named, _, shown, found, _] = cells.as_slice() else { panic!("{row}") };
        assert_eq!(*named, format!("`{bug}`"));
        assert_eq!(*shown, format!("`{scenario}.yaml`"), "{bug}");
        let words: Vec<String> = match check {
            Check::Invariant(name) => vec![format!("invariant `{name}`")],
            Check::Threshold(name) => vec![format!("threshold `{name}`")],
            Check::Failure { cause: Some("no_effect"), says, .. } => {
                let when = if says.contains("never") { "never came" } else { "came after the answer" };
                vec!["`changes`".to_owned(), when.to_owned()]
            }
            Check::Failure { threshold, cause: None, step, .. } => {
                vec![format!("threshold `{threshold}`"), format!("step `{step}`")]
            }
            Check::Failure { threshold, .. } => vec![format!("threshold `{threshold}`")],
        };
        assert!(words.iter().all(|word| found.contains(word.as_str())), "{bug}: {words:?} in {found}");
    }
}

/// What every run of `webhooks.yaml` here has in common.
const SMALL: [&str; 4] = ["--var", "multiplier=10", "--var", "operations=400"];

#[test]
fn a_shop_that_is_running_already_is_tested_on_its_own_tables() {
    let server = server(&[], 150);
    let migration = fs::read_to_string("migrations/shop/postgres/001_shop.sql").expect("the migration");
    support::sql(&server, &migration);
    let shop = Shop::start(&server.url());
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let api = format!("api={}", shop.url);
    let run = |more: &[&str], status| {
        let always = ["run", "--json", text(&path), "--target", &api, "scenarios/webhooks.yaml"];
        let ended = program.run(&[&always[..], &SMALL, more].concat()).expect_status(status);
        (ended, json(&path))
    };

    // Its database is named: everything is checked, and its tables are as they were afterwards.
    let db = format!("db={}", server.url());
    let (ended, document) = run(&["--target", &db], 0);
    assert!(ended.stderr.contains("api is running already"), "{}", ended.stderr);
    assert_eq!(document["environment"]["targets"]["api"]["location"], shop.url.as_str());
    assert_eq!(document["totals"]["ok"], 400);
    assert_eq!(support::value(&server, "SELECT count(*) FROM orders"), "0");
    assert_eq!(support::value(&server, "SELECT count(*) FROM payouts"), "0");
    assert_eq!(program.records(), 0);

    // It isn't: all requests are made, and what can't be known is said.
    let (_, document) = run(&[], 4);
    assert_eq!(document["totals"]["ok"], 400);
    assert_eq!(document["invariants"].as_array().map(Vec::len), Some(0));
    let reasons = document["reasons"].to_string();
    assert!(reasons.contains("the database of api isn't known"), "{reasons}");
    assert_eq!(program.records(), 0);
    drop(shop);
    server.stop().expect("stopped");
}

/// Starts a run and waits until its load is under way.
fn run_until_loaded(program: &Program, log: &std::path::Path) -> std::process::Child {
    let file = fs::File::create(log).expect("a file");
    let arguments =
        ["run", "scenarios/webhooks.yaml", "--var", "multiplier=4", "--var", "operations=1000000"];
    let child = program
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::from(file))
        .spawn()
        .expect("it starts");
    wait_for("the load", || {
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(!said.contains("error"), "{said}");
        said.contains("connecting 20 workers")
    });
    child
}

#[test]
fn however_a_run_ends_its_shop_and_its_server_end_too() {
    let folder = tempfile::tempdir().expect("a folder");
    // A name of its own, by which its processes are found.
    let own = folder.path().join("shop-of-this-test");
    fs::hard_link(shop(), &own).or_else(|_| fs::copy(shop(), &own).map(|_| ())).expect("a second name");
    let state = tempfile::tempdir().expect("a folder");
    let program = Program::new().with("SHOP", text(&own)).with("DEADHEAT_STATE_DIR", text(state.path()));
    let servers = || {
        let records = fs::read_dir(state.path()).expect("a folder").flatten();
        let texts = records.filter_map(|record| fs::read_to_string(record.path()).ok());
        let lines: Vec<Value> = texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect();
        lines
            .iter()
            .filter_map(|line| line["embedded"]["folder"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    for (signal, status) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let mut run = run_until_loaded(&program, &folder.path().join("log"));
        let server = servers().pop().expect("a server in the records");
        assert!(!processes_of(text(&own)).is_empty() && !processes_of(&server).is_empty());
        support::signal(run.id(), signal);
        assert_eq!(run.wait().expect("it ended").code(), status, "{signal}");
        wait_for("the processes to end", || {
            processes_of(text(&own)).is_empty() && processes_of(&server).is_empty()
        });
        wait_for("the folder to go", || !std::path::Path::new(&server).exists());
    }
    program.run(&["clean"]).expect_status(0);
    assert_eq!(servers().len(), 0);
}

#[test]
fn a_run_can_be_ended_while_its_shop_starts_and_says_why_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let slow = support::file(folder.path(), "slow-shop", "#!/bin/sh\necho compiling >&2\nexec sleep 600\n");
    let command = format!("sh {}", text(&slow));
    let program = Program::new().with("SHOP", &command);
    let log = folder.path().join("log");
    let mut run = program
        .command(&["run", "scenarios/webhooks.yaml"])
        .stderr(Stdio::from(fs::File::create(&log).expect("a file")))
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("its words", || {
        fs::read_to_string(&log).unwrap_or_default().contains("starting api: compiling")
    });
    support::signal(run.id(), "-INT");
    assert_eq!(run.wait().expect("it ended").code(), Some(130));
    assert_eq!(program.records(), 0);
    wait_for("the shop to end", || processes_of(text(&slow)).is_empty());

    let ended: Ended = Program::new()
        .with("SHOP", text(shop()))
        .with("SHOP_BUGS", "fanout")
        .run(&["run", "scenarios/shop/fan-out.yaml"])
        .expect_status(3);
    assert!(ended.stderr.contains("SHOP_BUGS: there is no bug `fanout`"), "{}", ended.stderr);
}
