//! What is fuzzed: each target is a function of bytes that must end soon, without a panic, with what it says
//! within bounds. `cargo fuzz` calls them by `fuzz_targets/`, the tests by `tests/fuzz.rs`.

use std::path::Path;

use deadheat::{
    expression::{Frame, Names, RandomStream, Template, from_json},
    import::import_text,
    plan::{ScheduleNames, parse_schedule},
    report::{self, JunitReport, Reported, Style},
    scenario::{
        LoadOptions, load_str,
        threshold::{Condition, MetricName},
    },
    target::{cycle_in_status, cycle_told, latest_deadlock, waiting_threads},
};

/// What reads a foreign text.
pub type Target = fn(&[u8]);

/// A name, as the folder of its seeds is called, and the function.
pub const TARGETS: [(&str, Target); 8] = [
    ("scenario", scenario),
    ("template", template),
    ("threshold", threshold),
    ("schedule", schedule),
    ("specification", specification),
    ("result", result),
    ("deadlock_detail", deadlock_detail),
    ("innodb_status", innodb_status),
];

/// A scenario file in both syntaxes, as far as the plan.
pub fn scenario(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    for path in ["fuzzed.yaml", "fuzzed.toml"] {
        match load_str(Path::new(path), &text, &options) {
            Ok(loaded) => {
                let said = loaded.problems.render(&loaded.source, false);
                assert_bounded(&said);
                match deadheat::plan::compile(&loaded) {
                    Ok(compiled) => drop(deadheat::plan::explain(&compiled.plan)),
                    Err(problems) => assert_bounded(&problems.render_own(false)),
                }
            }
            Err(problems) => assert_bounded(&problems.render_own(false)),
        }
    }
}

/// A template, compiled and evaluated.
pub fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut names = Names::default();
    let (order, list) = (names.declare("order"), names.declare("list"));
    let stream = RandomStream { seed: 7, worker: 0, iteration: 0 };
    let Ok(template) = Template::compile(&text, &names) else { return };
    let frame = Frame::new(names.into(), Default::default(), stream, std::time::UNIX_EPOCH);
    frame.store(order, from_json(&serde_json::json!({"id": 7, "name": "a", "tags": ["b", null]})));
    frame.store(list, from_json(&serde_json::json!([1, -2.5, "c", true, []])));
    match template.evaluate(&frame) {
        Ok(value) => drop(value.to_string()),
        Err(error) => drop(error.to_string()),
    }
}

/// A condition and the name of a metric, which print themselves so that they read the same.
pub fn threshold(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (name, condition) = text.split_once('\n').unwrap_or(("latency", &text));
    if let Ok(condition) = Condition::parse(condition) {
        let printed = condition.to_string();
        let again = Condition::parse(&printed).expect("what is printed can be read");
        assert_eq!(again.to_string(), printed);
    }
    if let Ok(name) = MetricName::parse(name) {
        let again = MetricName::parse(&name.to_string()).expect("what is printed can be read");
        assert_eq!(again, name);
        if let Err(error) = Condition::parse_for(&name, condition) {
            drop(error.to_string());
        }
    }
}

/// A schedule of a race with names that want quotes.
pub fn schedule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sessions =
        vec![("a", vec!["begin", "read", "w 1"]), ("b", vec!["begin", "r2", "commit"]), ("é", vec!["x"])];
    let names = ScheduleNames { sessions };
    for partial in [false, true] {
        if let Err(error) = parse_schedule(&text, &names, partial) {
            assert!(error.range().is_none_or(|range| text.get(range).is_some()), "{error}");
            drop((error.to_string(), error.hint()));
        }
    }
}

/// An isolation test specification, made a scenario.
pub fn specification(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match import_text(Path::new("fuzzed.spec"), &text) {
        Ok(imported) => assert_bounded(&imported.warnings.render_own(false)),
        Err(problems) => assert_bounded(&problems.render_own(false)),
    }
}

/// A result document, in every report.
pub fn result(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let documents = match report::read(&text) {
        Ok(documents) => documents,
        Err(error) => return drop((error.to_string(), error.hint())),
    };
    let mut junit = JunitReport::default();
    let mut reported = Vec::new();
    for document in documents {
        drop(report::table(&document, &Style { color: false, width: 80 }));
        drop(report::race_table(&document, &Style { color: true, width: 20 }));
        drop(report::transcript(&document));
        junit.add(&document);
        let again = report::read(&report::json(&document)).expect("what is written can be read");
        assert_eq!(again.len(), 1);
        reported.push(Reported::Ran(Box::new(document)));
    }
    junit.render().expect("XML");
    report::html(&reported).expect("a page");
    drop(report::markdown(&reported));
}

/// What PostgreSQL says of a deadlock.
pub fn deadlock_detail(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (detail, context) = text.split_once("\n\n").map_or((&*text, None), |(one, two)| (one, Some(two)));
    let cycle = cycle_told(detail, context);
    assert!(cycle.len() != 1, "nobody waits for himself alone");
}

/// What InnoDB says of itself.
pub fn innodb_status(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(waiting_threads(&text));
    let Some(deadlock) = latest_deadlock(&text) else { return };
    for transaction in &deadlock.transactions {
        assert!(cycle_in_status(&text, transaction.thread).len() <= deadlock.transactions.len());
    }
}

/// What is said of a file, however bad it is.
fn assert_bounded(said: &str) {
    assert!(said.len() < 1_000_000, "{} bytes said", said.len());
}
