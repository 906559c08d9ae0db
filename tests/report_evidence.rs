//! How reports show effects, a control and compared policies.

use deadheat::{
    measure::{
        BrokenKeys, ComparedRun, ControlOutcome, ControlResults, DifferenceKind, EffectDifference,
        EffectResults, RunResults,
    },
    report::{Document, JunitReport, Reported, Style, edit_texts, html, json, markdown, table},
};

fn difference(key: &str, after: &str, difference: &str, kind: DifferenceKind) -> EffectDifference {
    EffectDifference {
        kind,
        key: vec![key.to_owned(), "paid".to_owned()],
        before: "0".to_owned(),
        after: after.to_owned(),
        acknowledged: "10".to_owned(),
        operations: 4,
        least: "10".to_owned(),
        most: "12.5".to_owned(),
        difference: difference.to_owned(),
        undone: (kind == DifferenceKind::PhantomEffect).then(|| "7".to_owned()),
    }
}

fn document() -> Document {
    let broken = |kind, amount: &str| BrokenKeys { kind, keys: 1, amount: amount.to_owned() };
    let effects = EffectResults {
        name: "payouts.amount by seller_id, status".to_owned(),
        key: vec!["seller_id".to_owned(), "status".to_owned()],
        acknowledged: 1_204,
        unknown: 1,
        undone: 3,
        keys: 20,
        expected: "8213.32".to_owned(),
        observed: "8209.82".to_owned(),
        broken: vec![broken(DifferenceKind::LostUpdate, "3"), broken(DifferenceKind::PhantomEffect, "7")],
        differences: vec![
            difference("17", "19.5", "7", DifferenceKind::PhantomEffect),
            difference("4", "7", "-3", DifferenceKind::LostUpdate),
        ],
        ..EffectResults::default()
    };
    let holds = EffectResults {
        name: "rows of payouts".to_owned(),
        acknowledged: 1_204,
        expected: "1204".to_owned(),
        observed: "1204".to_owned(),
        ..EffectResults::default()
    };
    let control = ControlResults {
        patches: vec!["take, lock: SELECT 1".to_owned(), "take: 3ms after read".to_owned()],
        expected: "effects".to_owned(),
        outcome: ControlOutcome::Passed,
        reasons: vec!["1 effect held".to_owned()],
        started: 200,
        overlapped: 180,
        duration_ms: 812.0,
    };
    let policy = |retry: &str, committed, recovered| ComparedRun {
        started: 400,
        committed,
        recovered,
        failed: 400 - committed,
        retries: recovered,
        latency_mean_ms: 12.0,
        latency_p95_ms: 40.5,
        latency_p99_ms: 81.0,
        throughput_per_s: 390.4,
        ..ComparedRun::of(retry.to_owned(), &RunResults::default())
    };
    let results = RunResults {
        scenario: "evidence".to_owned(),
        effects: vec![effects, holds],
        control: Some(control),
        compared: vec![policy("none", 300, 0), policy("default", 396, 96)],
        ..RunResults::default()
    };
    let verdict = deadheat::verdict::judge(&[], &[], &[], &results, None);
    Document::new(results, verdict)
}

#[test]
fn the_table_reads_well() {
    let text = table(&document(), &Style { color: false, width: 80 });
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!("table", text);
}

#[test]
fn markdown_reads_well() {
    let reported = [Reported::Ran(Box::new(document()))];
    insta::assert_snapshot!("markdown", markdown(&reported));
}

#[test]
fn html_and_junit_have_every_part() {
    let reported = [Reported::Ran(Box::new(document()))];
    let page = html(&reported).expect("a page");
    for part in [
        "phantom effect after a rollback",
        "8209.82",
        "<code>take, lock: SELECT 1</code>",
        "did not fail",
        "Retry policies compared",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let mut junit = JunitReport::default();
    junit.add(&document());
    let xml = junit.render().expect("XML");
    assert!(xml.contains("classname=\"evidence.effects\"") && xml.contains("type=\"effects\""), "{xml}");
    assert!(xml.contains("name=\"control\""), "{xml}");
}

#[test]
fn the_document_is_read_back_and_its_texts_can_be_edited() {
    let document = document();
    let read: Document = serde_json::from_str(&json(&document)).expect("a document");
    assert!(read == document);
    let edited = edit_texts(&document, &|text| format!("{text}!"));
    assert_eq!(edited.effects[0].differences[0].kind, DifferenceKind::PhantomEffect);
    assert_eq!(edited.control.map(|control| control.outcome), Some(ControlOutcome::Passed));
}
