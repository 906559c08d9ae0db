//! JUnit XML, as Jenkins' xUnit schema takes it: a test case for each operation, threshold,
//! requirement, invariant, effect, race at a level, and check.
//!
//! A broken demand is a `<failure>`, something that couldn't be evaluated or run an `<error>`, an
//! inconclusive verdict a `<skipped>`. Times are seconds with three decimals.

use std::{collections::HashSet, time::Duration};

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{cycles, document::Document, texts::visible, transcript};
use crate::{
    measure::{
        ControlOutcome, EffectResults, InvariantResult, OperationResults, ProbeResults, RaceResults,
    },
    units::format_percent,
    verdict::{Conclusion, difference, effect_failure, judge_probe, judge_race},
};

/// Longest message in an attribute.
const MOST_CHARACTERS: usize = 2_000;

/// Suites of one or several scenarios.
#[derive(Debug, Default)]
pub struct JunitReport {
    suites: Vec<TestSuite>,
    names: HashSet<String>,
}

impl JunitReport {
    /// Adds a run.
    pub fn add(&mut self, document: &Document) {
        let mut suite = self.suite(&document.scenario);
        suite.set_time(millis(document.duration_ms));
        suite.extra.insert(clean("timestamp"), clean(&document.started_at));
        for (name, value) in [
            ("seed", document.seed.to_string()),
            ("run_id", document.run_id.clone()),
            ("deadheat", document.environment.deadheat.clone()),
        ] {
            suite.add_property((clean(name), clean(&value)));
        }
        let cases = document
            .operations
            .iter()
            .map(|(name, operation)| operation_case(name, operation))
            .chain(document.thresholds.iter().map(threshold_case))
            .chain(document.requirements.iter().map(requirement_case))
            .chain(document.invariants.iter().map(invariant_case))
            .chain(document.effects.iter().map(effect_case))
            .chain(checks(document));
        let mut names = HashSet::new();
        for Case { group, name, time, status } in cases {
            let classname = format!("{}.{group}", suite.name.as_str());
            let name = unique(&mut names, &classname, &name);
            let mut case = TestCase::new(clean(&name), status);
            case.set_classname(clean(&classname));
            case.set_time(time);
            suite.add_test_case(case);
        }
        if let Some(mut case) = deadlock_case(document) {
            case.set_classname(clean(&format!("{}.checks", suite.name.as_str())));
            suite.add_test_case(case);
        }
        for race in &document.races {
            let mut case = race_case(race);
            case.set_classname(clean(&format!("{}.races", suite.name.as_str())));
            suite.add_test_case(case);
        }
        for probe in &document.probes {
            let mut case = probe_case(probe);
            case.set_classname(clean(&format!("{}.isolation", suite.name.as_str())));
            suite.add_test_case(case);
        }
        self.suites.push(suite);
    }

    /// Adds a scenario that couldn't be run.
    pub fn add_could_not_run(&mut self, scenario: &str, message: &str) {
        let mut suite = self.suite(scenario);
        let classname = format!("{}.checks", suite.name.as_str());
        let mut case = TestCase::new(clean("verdict"), error(message));
        case.set_classname(clean(&classname));
        case.set_time(Duration::ZERO);
        suite.add_test_case(case);
        self.suites.push(suite);
    }

    /// The XML.
    ///
    /// # Errors
    /// When the XML library refuses; nothing of a run makes it do so.
    pub fn render(self) -> Result<String, SerializeError> {
        let mut report = Report::new("deadheat");
        report.add_test_suites(self.suites);
        let skipped = format!(" skipped=\"{}\"", report.skipped);
        let xml = report.to_string()?;
        // The schema knows the attribute on suites, not on the element around them.
        Ok(xml.replacen(&skipped, "", 1))
    }

    fn suite(&mut self, scenario: &str) -> TestSuite {
        let name = unique(&mut self.names, "", scenario);
        TestSuite::new(clean(&name))
    }
}

struct Case {
    group: &'static str,
    name: String,
    time: Duration,
    status: TestCaseStatus,
}

/// An operation fails when an assertion of its own failed or none of its runs was committed; how
/// many failures are too many is a matter of thresholds.
fn operation_case(name: &str, operation: &OperationResults) -> Case {
    let ran = operation.started - operation.skipped;
    let committed = operation.committed();
    let status = if ran == 0 {
        skipped("it was never run")
    } else if operation.assertion > 0 {
        failure(
            "assertion",
            &format!("an assertion didn't hold in {} of {ran} operations", operation.assertion),
        )
    } else if committed == 0 {
        failure("failed", &format!("none of {ran} operations succeeded"))
    } else {
        let mut status = TestCaseStatus::success();
        status.set_description(clean(&format!(
            "{} of {ran} operations succeeded",
            format_percent(committed as f64 / ran as f64)
        )));
        status
    };
    Case { group: "operations", name: name.to_owned(), time: millis(operation.latency_ms.mean), status }
}

fn threshold_case(threshold: &crate::verdict::ThresholdResult) -> Case {
    let crate::verdict::ThresholdResult { metric, condition, observed, holds, does_not_apply, undecided } =
        threshold;
    let status = match (does_not_apply.as_ref().or(undecided.as_ref()), holds, observed) {
        (Some(why), _, _) => skipped(why),
        (None, true, _) => TestCaseStatus::success(),
        (None, false, Some(observed)) => {
            failure("threshold", &format!("{metric} is {observed}, and should be {condition}"))
        }
        (None, false, None) => {
            failure("no samples", &format!("{metric} should be {condition}, but there are no samples"))
        }
    };
    Case { group: "thresholds", name: format!("{metric} {condition}"), time: Duration::ZERO, status }
}

/// A run without what it requires proves nothing, and fails nothing either.
fn requirement_case(requirement: &crate::verdict::ThresholdResult) -> Case {
    let crate::verdict::ThresholdResult { metric, condition, observed, holds, does_not_apply, undecided } =
        requirement;
    let observed = observed.as_deref().unwrap_or("not known");
    let status = match (does_not_apply.as_ref().or(undecided.as_ref()), holds) {
        (Some(why), _) => skipped(why),
        (None, true) => TestCaseStatus::success(),
        (None, false) => {
            skipped(&format!("{metric} is {observed}, and the run proves nothing unless it is {condition}"))
        }
    };
    Case { group: "requirements", name: format!("{metric} {condition}"), time: Duration::ZERO, status }
}

fn invariant_case(invariant: &InvariantResult) -> Case {
    let status = if invariant.violated > 0 {
        let mut text = invariant
            .message
            .clone()
            .unwrap_or_else(|| format!("broken by {} rows", invariant.failing_rows));
        if !invariant.rows.is_empty() {
            text.push_str(&format!("\n{}", invariant.columns.join(", ")));
        }
        for row in &invariant.rows {
            text.push_str(&format!("\n{}", row.join(", ")));
        }
        failure("invariant", &text)
    } else if let Some(message) = &invariant.error {
        error(message)
    } else if invariant.checked == 0 {
        skipped("it was never checked")
    } else {
        TestCaseStatus::success()
    };
    Case { group: "invariants", name: invariant.name.clone(), time: Duration::ZERO, status }
}

/// A key that doesn't agree stands in a line of its own.
fn effect_case(effects: &EffectResults) -> Case {
    let status = match effect_failure(effects) {
        Some(reason) if effects.error.is_some() => error(&reason),
        Some(mut reason) => {
            for one in &effects.differences {
                reason.push_str(&format!("\n{}, {}", one.kind.words(), difference(effects, one)));
            }
            failure("effects", &reason)
        }
        None if effects.untold > 0 => skipped("unknown outcomes couldn't say what they would have changed"),
        None => TestCaseStatus::success(),
    };
    Case { group: "effects", name: effects.name.clone(), time: Duration::ZERO, status }
}

/// A race at a level. The first schedule that broke something is in the body, as a transcript, and
/// printed by the case where that was expected.
fn race_case(race: &RaceResults) -> TestCase {
    let (conclusion, reason) = judge_race(race);
    let mut text = format!("{reason}\n");
    if let Some(record) = race.counter_example.as_ref().or(race.first_error.as_ref()) {
        text.push_str(&transcript::schedule(race, record));
        for invariant in &record.invariants {
            let what = invariant.message.as_deref().unwrap_or_default();
            text.push_str(format!("broken: {} {what}", invariant.name).trim_end());
            text.push('\n');
        }
    }
    let status = match conclusion {
        Conclusion::Pass => TestCaseStatus::success(),
        Conclusion::Fail if race.mistake.is_some() => error(&text),
        Conclusion::Fail => failure("race", &text),
        Conclusion::Inconclusive => skipped(&text),
    };
    let mut case = TestCase::new(clean(&format!("{} at {}", race.race, race.isolation)), status);
    case.set_time(millis(race.duration_ms));
    if conclusion == Conclusion::Pass {
        case.set_system_out(clean(&text));
    }
    case
}

/// How many deadlocks are too many is a matter of thresholds: the case passes, and prints what they were.
fn deadlock_case(document: &Document) -> Option<TestCase> {
    let explained = cycles::explained(document);
    let each = explained.iter().map(|one| {
        let lines = [&one.heading].into_iter().chain(&one.parties).chain([&one.advice]);
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    let text: String = each.collect();
    let mut case = TestCase::new(clean("deadlocks"), TestCaseStatus::success());
    case.set_time(Duration::ZERO);
    case.set_system_out(clean(&text));
    (!text.is_empty()).then_some(case)
}

/// A probe at a level, with an example of each anomaly.
fn probe_case(probe: &ProbeResults) -> TestCase {
    let (conclusion, reason) = judge_probe(probe);
    let mut text = format!("{reason}\n");
    for anomaly in &probe.anomalies {
        text.push_str(&format!("{}: {}\n", anomaly.kind, anomaly.count));
        anomaly.explanation.iter().for_each(|sentence| text.push_str(&format!("  {sentence}\n")));
    }
    let status = match conclusion {
        Conclusion::Pass => TestCaseStatus::success(),
        Conclusion::Fail => failure("isolation", &text),
        Conclusion::Inconclusive => skipped(&text),
    };
    let mut case = TestCase::new(clean(probe.name()), status);
    case.set_time(millis(probe.duration_ms));
    if conclusion == Conclusion::Pass {
        case.set_system_out(clean(&text));
    }
    case
}

fn checks(document: &Document) -> Vec<Case> {
    let case =
        |name: &str, status| Case { group: "checks", name: name.to_owned(), time: Duration::ZERO, status };
    let mut cases = Vec::new();
    let strayed: Vec<String> = document
        .isolation
        .observed
        .iter()
        .filter(|one| one.declared != one.in_force)
        .map(|one| format!("{}: {} of {} transactions", one.operation, one.in_force, one.transactions))
        .collect();
    if let Some(why) = document.does_not_apply.get("isolation") {
        cases.push(case("isolation", skipped(why)));
    } else if !document.isolation.observed.is_empty() {
        cases.push(case("isolation", pass_or("isolation", &strayed)));
    }
    let violations: Vec<String> = document
        .lock_order
        .violations
        .iter()
        .map(|one| {
            format!(
                "{}, {}: {} after {}, {} times",
                one.operation, one.step, one.table, one.after, one.count
            )
        })
        .collect();
    // A declared order that a scenario breaks on purpose is judged by its threshold.
    if !document.lock_order.declared.is_empty() {
        cases.push(case("lock order", pass_or("lock order", &violations)));
    }
    for (what, why) in document.does_not_apply.iter().filter(|(what, _)| *what != "isolation") {
        cases.push(case(&what.replace('_', " "), skipped(why)));
    }
    if let Some(control) = &document.control {
        let text = format!("{}: {}", control.outcome.words(), control.reasons.join("\n"));
        cases.push(case(
            "control",
            match control.outcome {
                ControlOutcome::Failed => TestCaseStatus::success(),
                ControlOutcome::FailedOtherwise | ControlOutcome::Passed => skipped(&text),
                ControlOutcome::CouldNotRun => error(&text),
            },
        ));
    }
    let fixtures = &document.fixtures;
    cases.push(case(
        "cleanup",
        match &fixtures.note {
            Some(note) => error(note),
            None if fixtures.cleaned && fixtures.remaining > 0 => {
                failure("cleanup", &format!("{} rows are left", fixtures.remaining))
            }
            None if !fixtures.cleaned => skipped("everything was kept, as asked"),
            None => TestCaseStatus::success(),
        },
    ));
    let reasons = document.reasons.join("\n");
    cases.push(case(
        "verdict",
        match document.verdict {
            Conclusion::Pass => TestCaseStatus::success(),
            Conclusion::Fail => failure("verdict", &reasons),
            Conclusion::Inconclusive => skipped(&reasons),
        },
    ));
    cases
}

fn pass_or(kind: &str, problems: &[String]) -> TestCaseStatus {
    if problems.is_empty() { TestCaseStatus::success() } else { failure(kind, &problems.join("\n")) }
}

fn failure(kind: &str, message: &str) -> TestCaseStatus {
    with_message(TestCaseStatus::non_success(NonSuccessKind::Failure), kind, message)
}

fn error(message: &str) -> TestCaseStatus {
    with_message(TestCaseStatus::non_success(NonSuccessKind::Error), "could not run", message)
}

fn skipped(message: &str) -> TestCaseStatus {
    with_message(TestCaseStatus::skipped(), "inconclusive", message)
}

/// The first line as the message, all of it as the body.
fn with_message(mut status: TestCaseStatus, kind: &str, message: &str) -> TestCaseStatus {
    status.set_type(clean(kind));
    status.set_message(clean(message.lines().next().unwrap_or_default()));
    status.set_description(clean(message));
    status
}

fn unique(names: &mut HashSet<String>, group: &str, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !names.insert(format!("{group}\u{1f}{candidate}")) {
        number += 1;
        candidate = format!("{name} ({number})");
    }
    candidate
}

/// With everything spelled out that could hide or that XML has no place for (XML 1.0, section 2.2), and not
/// too long.
fn clean(text: &str) -> XmlString {
    let allowed = |c: &char| {
        matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            && *c != '\u{7f}'
    };
    let mut cleaned: String = visible(text).chars().filter(allowed).take(MOST_CHARACTERS).collect();
    if text.chars().count() > MOST_CHARACTERS {
        cleaned.push('…');
    }
    XmlString::new(cleaned)
}

fn millis(millis: f64) -> Duration {
    Duration::from_secs_f64((millis / 1e3).max(0.0))
}
