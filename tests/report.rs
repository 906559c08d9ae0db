//! Reports are views of a result document: one written yesterday gives the same table, the same
//! JUnit and, judged anew, the same verdict.

use deadheat::{
    measure::{ArrivalResults, Distribution, GateResults, InvariantResult, RunResults},
    plan::Threshold,
    report::{Document, JunitReport, Style, json, table},
    scenario::threshold::{Condition, MetricName},
    verdict::{Conclusion, judge},
};

const YESTERDAY: &str = include_str!("data/yesterday.json");
/// Written by the first version that wrote documents.
const OLDER: &str = include_str!("data/older.json");
/// The example shop with two of its bugs, watched.
const WEBHOOKS: &str = include_str!("data/webhooks.json");
const STYLE: Style = Style { color: false, width: 80 };

fn yesterday() -> Document {
    serde_json::from_str(YESTERDAY).expect("a document of version 1")
}

/// The thresholds that the document was judged by.
fn thresholds(document: &Document) -> Vec<Threshold> {
    let threshold = |one: &deadheat::verdict::ThresholdResult| {
        let metric = MetricName::parse(&one.metric).expect("a metric");
        let condition = Condition::parse_for(&metric, &one.condition).expect("a condition");
        Threshold { name: one.metric.clone(), metric, condition }
    };
    document.thresholds.iter().map(threshold).collect()
}

#[test]
fn an_older_document_is_still_read() {
    let older: Document = serde_json::from_str(OLDER).expect("a document of version 1");
    let (results, verdict) = older.into_parts();
    let (now, _) = yesterday().into_parts();
    assert_eq!((results.totals, results.invariants), (now.totals, now.invariants));
    assert_eq!(verdict.requirements, []);
}

#[test]
fn a_document_survives_the_way_there_and_back() {
    if std::env::var_os("UPDATE_DOCUMENT").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/yesterday.json");
        std::fs::write(path, json(&yesterday())).expect("it can be written");
    }
    assert!(json(&yesterday()) == YESTERDAY, "the text is the same");
    let (results, verdict) = yesterday().into_parts();
    assert!(Document::new(results, verdict) == yesterday(), "the parts are the same");
}

#[test]
fn yesterdays_run_is_judged_the_same() {
    let document = yesterday();
    let thresholds = thresholds(&document);
    let (results, written) = document.into_parts();
    let judged = judge(&thresholds, &[], &[], &results, None);
    assert_eq!(
        (judged.verdict, judged.thresholds, judged.reasons),
        (written.verdict, written.thresholds, written.reasons)
    );
}

#[test]
fn the_table_reads_well() {
    let text = table(&yesterday(), &STYLE);
    insta::assert_snapshot!("table", text);
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}");
    assert!(!text.contains('\u{1b}'), "no colour unless asked for");
    let colored = table(&yesterday(), &Style { color: true, width: 80 });
    assert!(colored.contains('\u{1b}'));
}

/// Everything that only some runs have: requests, an open load, gates, an application.
#[test]
fn the_table_of_a_watched_service_reads_well() {
    let mut document: Document = serde_json::from_str(WEBHOOKS).expect("a document of version 1");
    if std::env::var_os("UPDATE_DOCUMENT").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks.json");
        std::fs::write(path, json(&document)).expect("it can be written");
    }
    assert!(json(&document) == WEBHOOKS, "the text is the same");
    let held = Distribution { count: 41, p50: 12.0, max: 104.0, ..Distribution::default() };
    document.gates = vec![GateResults {
        operation: "two_webhooks_meet".to_owned(),
        step: "hold the order".to_owned(),
        opened: 40,
        timed_out: 1,
        held_ms: held,
    }];
    document.arrivals = Some(ArrivalResults { planned: 5100, started: 5000, late: 37, dropped: 100 });
    let requests = &mut document.totals.requests;
    (requests.changes, requests.late_changes, requests.missing_changes) = (1200, 3, 1);
    let application = document.application.as_mut().expect("it was watched");
    application.unknown = vec!["what 3 of its sessions do: track_activities is off for them".to_owned()];
    let text = table(&document, &STYLE);
    insta::assert_snapshot!("table_of_a_watched_service", text);
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}");
}

#[test]
fn a_requirement_that_does_not_hold_is_skipped_and_not_failed() {
    let mut document: Document = serde_json::from_str(WEBHOOKS).expect("a document of version 1");
    document.requirements[0].holds = false;
    let mut report = JunitReport::default();
    report.add(&document);
    let xml = report.render().expect("XML");
    let case = xml.split("<testcase").find(|case| case.contains("webhooks.requirements")).expect("a case");
    assert!(case.contains("<skipped") && case.contains("the run proves nothing unless"), "{case}");
}

#[test]
fn the_junit_report_keeps_the_rules() {
    let mut report = JunitReport::default();
    report.add(&yesterday());
    report.add(&yesterday());
    report.add_could_not_run("broken.yaml", "can't reach the \u{1b}[31mserver\u{fffe}");
    let xml = report.render().expect("XML");
    insta::assert_snapshot!("junit", xml);
    let forbidden =
        |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!xml.contains(forbidden));
    let mut names = std::collections::HashSet::new();
    for line in xml.lines().filter(|line| line.contains("<testcase")) {
        let attributes =
            line.trim().trim_start_matches("<testcase ").split(" time=").next().expect("a name");
        assert!(names.insert(attributes.to_owned()), "twice: {attributes}");
        let time = line.split(" time=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a time");
        assert_eq!(time.split('.').nth(1).map(str::len), Some(3), "three decimals: {time}");
    }
    let suites = xml.lines().nth(1).expect("the suites");
    assert!(!suites.contains("skipped"), "the schema knows no `skipped` there: {suites}");
}

#[test]
fn text_from_outside_plays_no_tricks() {
    let mut document = yesterday();
    document.scenario = "evil\u{1b}[2J\u{202e}name <script>".to_owned();
    document.invariants = vec![InvariantResult {
        name: "]]>\u{0}".to_owned(),
        checked: 1,
        violated: 1,
        columns: vec!["a\u{7}".to_owned()],
        rows: vec![vec!["\u{1b}]0;title\u{7}".to_owned()]],
        failing_rows: 1,
        ..InvariantResult::default()
    }];
    let text = table(&document, &STYLE);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n') && !text.contains('\u{202e}'));
    let mut report = JunitReport::default();
    report.add(&document);
    let xml = report.render().expect("XML");
    assert!(!xml.chars().any(|c| c.is_control() && c != '\n') && !xml.contains("<script>"));
}

/// The verdicts that need no server.
#[test]
fn nothing_measured_never_passes() {
    let metric = MetricName::parse("success_rate").expect("a metric");
    let condition = Condition::parse_for(&metric, "> 80%").expect("a condition");
    let threshold = Threshold { name: "success_rate".to_owned(), metric, condition };
    let empty = judge(&[], &[], &[], &RunResults::default(), None);
    assert_eq!(empty.verdict, Conclusion::Inconclusive);
    let named = judge(&[threshold], &[], &[], &RunResults::default(), None);
    assert_eq!(named.verdict, Conclusion::Fail);
    assert_eq!(named.reasons[0], "success_rate should be > 80%, but there are no samples");
}

#[test]
fn without_overlap_or_contention_a_run_proves_nothing() {
    let (mut results, _) = yesterday().into_parts();
    results.lock_order.violations.clear();
    results.invariants.iter_mut().for_each(|invariant| invariant.violated = 0);
    assert_eq!(judge(&[], &[], &[], &results, None).verdict, Conclusion::Pass);
    let mut alone = results.clone();
    alone.overlap.most_in_flight = 1;
    assert_eq!(judge(&[], &[], &[], &alone, None).verdict, Conclusion::Inconclusive);
    let mut apart = results.clone();
    (apart.overlap.shared_rows, apart.overlap.conflicts, apart.waits.waits) = (0, 0, 0);
    assert_eq!(judge(&[], &[], &[], &apart, None).verdict, Conclusion::Inconclusive);
    let mut cut_off = results.clone();
    cut_off.interrupted = true;
    assert_eq!(judge(&[], &[], &[], &cut_off, None).verdict, Conclusion::Inconclusive);
    let mut left = results.clone();
    left.fixtures.remaining = 3;
    assert_eq!(judge(&[], &[], &[], &left, None).verdict, Conclusion::Fail);
    let mut unasked = results;
    unasked.invariants[0].error = Some("no".to_owned());
    assert_eq!(judge(&[], &[], &[], &unasked, None).verdict, Conclusion::Fail);
}

#[test]
fn the_worst_grade_counts_and_a_broken_invariant_fails_it() {
    let path = std::path::Path::new("scenarios/payments.yaml");
    let (compiled, _) = deadheat::run::load_plan(path, &[], &[]).expect("the scenario is valid");
    let grades = compiled.plan.grades;
    let (mut results, _) = yesterday().into_parts();
    results.invariants.iter_mut().for_each(|invariant| invariant.violated = 0);
    let totals = &mut results.totals;
    (totals.started, totals.ok, totals.recovered, totals.exhausted) = (1000, 720, 40, 240);
    (totals.met_deadlock, totals.throughput_per_s) = (120, 500.0);
    totals.latency_ms.mean = 100.0;
    let judged = judge(&[], &[], &grades, &results, None);
    let given: Vec<&str> = judged.grades.iter().map(|grade| grade.grade.as_str()).collect();
    assert_eq!(given, ["good", "fast", "manageable", "kept", "enough"]);
    // "good" is the third of four bands, "manageable" the second of three.
    assert_eq!(judged.grade.as_deref(), Some("good"));
    let advice = judged.grades[0].advice.join(" ");
    assert!(advice.contains("Retries were used up") && !advice.contains("Assertions failed"), "{advice}");
    results.invariants[0].violated = 1;
    assert_eq!(judge(&[], &[], &grades, &results, None).grade.as_deref(), Some("failed"));
    results.totals = deadheat::measure::OperationResults::default();
    assert_eq!(judge(&[], &[], &grades, &results, None).grades[0].grade, "no data");
}
