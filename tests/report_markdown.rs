//! Markdown and GitHub annotations: golden files, and text from outside that stays text.

mod support;

use std::collections::HashMap;

use deadheat::{
    measure::InvariantResult,
    report::{Document, Places, Reported, Section, annotations, html, markdown},
    verdict::{Conclusion, ThresholdResult},
};
use support::hostile;

const YESTERDAY: &str = include_str!("data/yesterday.json");
const OLDER: &str = include_str!("data/older.json");

fn yesterday() -> Document {
    serde_json::from_str(YESTERDAY).expect("a document of version 1")
}

/// Yesterday's run, in which an invariant was broken too.
fn broken() -> Document {
    let mut document = yesterday();
    document
        .reasons
        .insert(0, "invariant stock_is_conserved is broken: 3 of 40 units are missing".to_owned());
    let invariant = document.invariants.iter_mut().find(|one| one.name == "stock_is_conserved");
    let invariant = invariant.expect("the invariant");
    invariant.violated = 2;
    invariant.message = Some("3 of 40 units are missing".to_owned());
    invariant.columns = vec!["product".to_owned(), "units|left".to_owned()];
    invariant.rows = (1..=6).map(|n| vec![format!("chair {n}"), format!("`{n}`")]).collect();
    invariant.failing_rows = 9;
    document.grades[0].advice = vec!["Lock the order first, then the tracker.".to_owned()];
    document
}

fn ran(document: Document) -> Reported {
    Reported::Ran(Box::new(document))
}

#[test]
fn the_markdown_of_a_run_that_failed() {
    insta::assert_snapshot!("markdown", markdown(&[ran(broken())]));
}

#[test]
fn the_markdown_of_a_watched_service() {
    let document =
        serde_json::from_str(include_str!("data/webhooks.json")).expect("a document of version 1");
    insta::assert_snapshot!("markdown_of_a_service", markdown(&[ran(document)]));
}

#[test]
fn several_runs_begin_with_a_summary() {
    let older: Document = serde_json::from_str(OLDER).expect("a document of version 1");
    let could_not =
        Reported::CouldNotRun { scenario: "x|y.yaml".to_owned(), message: "no `server`".to_owned() };
    let text = markdown(&[ran(older), could_not]);
    let head: Vec<&str> = text.lines().take(6).collect();
    assert_eq!(
        head,
        [
            "| scenario | verdict | grade |",
            "|---|---|---|",
            "| `payments-wrong-order` | ❌ fail | `outstanding` |",
            "| `x\\|y.yaml` | 🚫 could not run |  |",
            "",
            "## ❌ payments-wrong-order: fail, grade: outstanding",
        ]
    );
    assert!(text.ends_with("## 🚫 x\\|y.yaml: could not run\n\n```text\nno `server`\n```\n"), "{text}");
}

#[test]
fn hostile_text_stays_text_and_a_comment_has_room_for_it() {
    let text = markdown(&[ran(hostile::document())]);
    assert!(text.len() < 65_536, "{} bytes", text.len());
    // Outside code spans nothing of it is markup.
    let outside: String = text.lines().map(|line| outside_code(line) + "\n").collect();
    for markup in ["<script", "<img", "](", "@octocat", "://"] {
        assert!(!outside.contains(markup), "{markup} in:\n{outside}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!text.contains(['\u{202e}', '\u{fffe}', '\u{200b}']));
    // Every row of a table has as many cells as its head.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
        assert_eq!(cells(pair[0]), cells(pair[1]), "{}\n{}", pair[0], pair[1]);
    }
}

/// A line without its code spans and without what is escaped by `\`.
#[track_caller]
fn outside_code(line: &str) -> String {
    let mut outside = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['`', '\\']) {
        outside.push_str(&rest[..at]);
        let fence: String = rest[at..].chars().take_while(|c| *c == '`').collect();
        rest = if fence.is_empty() {
            rest[at + 1..].strip_prefix(|_| true).unwrap_or_default()
        } else {
            let inside = &rest[at + fence.len()..];
            let close = inside.find(&fence).unwrap_or_else(|| panic!("an open code span: {line}"));
            &inside[close + fence.len()..]
        };
    }
    outside + rest
}

#[test]
fn annotations_stand_at_the_lines_that_are_known() {
    let mut document = broken();
    document.requirements = vec![ThresholdResult {
        metric: "overlap".to_owned(),
        condition: "> 5%".to_owned(),
        observed: Some("1%".to_owned()),
        holds: false,
        does_not_apply: None,
        undecided: None,
    }];
    document.reasons.push("3 rows of the run are left in the database".to_owned());
    let lines = HashMap::from([
        ((Section::Invariants, "stock_is_conserved".to_owned()), vec![61]),
        ((Section::Thresholds, "lock_order_violations".to_owned()), vec![80]),
    ]);
    let places = Places { file: "scenarios/payments,1.yaml".to_owned(), lines };
    insta::assert_snapshot!("annotations", annotations(&ran(document), &places));
}

#[test]
fn only_what_github_shows_is_annotated() {
    let mut document = yesterday();
    document.invariants = (0..30)
        .map(|n| InvariantResult {
            name: format!("i{n}"),
            checked: 1,
            violated: 1,
            ..InvariantResult::default()
        })
        .collect();
    let text = annotations(&ran(document), &Places::default());
    assert_eq!(text.lines().count(), 10);
    assert!(text.ends_with("::and 22 more; see the report\n"), "{text}");
    let mut passed = yesterday();
    passed.verdict = Conclusion::Pass;
    assert_eq!(annotations(&ran(passed), &Places::default()), "");
}

#[test]
fn hostile_text_becomes_no_command() {
    let text = annotations(
        &ran(hostile::document()),
        &Places { file: "a\n::b.yaml".to_owned(), ..Places::default() },
    );
    assert!(text.lines().all(|line| line.starts_with("::error file=a%0A%3A%3Ab.yaml,")), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn what_does_not_apply_is_neither_held_nor_broken() {
    let mut document = yesterday();
    let threshold = &mut document.thresholds[1];
    (threshold.holds, threshold.observed) = (false, None);
    threshold.does_not_apply = Some("there are no levels <here>".to_owned());
    document.does_not_apply.insert("isolation".to_owned(), "there are no levels <here>".to_owned());
    let text = markdown(&[ran(document.clone())]);
    assert!(text.contains("| `latency` | `avg < 2s` | – | doesn't apply |"), "{text}");
    let page = html(&[ran(document.clone())]).expect("a page");
    assert!(page.contains("doesn't apply</span><small>there are no levels &lt;here&gt;</small>"));
    assert!(page.contains("doesn't apply</span> isolation: there are no levels &lt;here&gt;"));
    assert!(!page.contains("<code>latency</code> has <b>no samples</b>"));
    assert_eq!(annotations(&ran(document), &Places::default()).lines().count(), 1);
}
