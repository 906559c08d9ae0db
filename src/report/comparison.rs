//! Two runs side by side, as text: what `compare` prints, and the section of a report against a baseline.

use super::{
    cells::{lines, plain, right, table, text, verdict_cell, wrapped},
    document::Document,
    table::Style,
};
use crate::{
    units::format_millis,
    verdict::{Comparison, ComparisonSide, Difference, Finding},
};

/// What `compare` prints.
pub fn comparison(comparison: &Comparison, style: &Style) -> String {
    let mut out = String::new();
    for (which, run) in [("before", &comparison.baseline_run), ("after", &comparison.run)] {
        out.push_str(&wrapped(&format!("{which}: {}", run_line(run)), "", style.width));
    }
    out.push_str(&body(comparison, style));
    out.push_str(&operations(comparison, style));
    out
}

/// The comparison as JSON, ending in a line break.
pub fn comparison_json(comparison: &Comparison) -> String {
    let value = serde_json::to_value(comparison).expect("it holds nothing that JSON has no form for");
    format!("{value:#}\n")
}

/// The section of a report; nothing without a baseline.
pub(super) fn section(document: &Document, style: &Style) -> String {
    let Some(comparison) = &document.comparison else { return String::new() };
    let mut out = style.heading(&format!("Against the baseline {}", plain(&comparison.baseline)));
    out.push_str(&wrapped(&run_line(&comparison.baseline_run), "", style.width));
    out.push_str(&body(comparison, style));
    out
}

fn run_line(run: &ComparisonSide) -> String {
    let ComparisonSide { run_id, started_at, seed, seconds } = run;
    let seconds =
        if *seconds == 1 { "1 whole second".to_owned() } else { format!("{seconds} whole seconds") };
    let moment = started_at.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
    format!("run {run_id} of {moment} UTC, seed {seed}, {seconds}")
}

fn body(comparison: &Comparison, style: &Style) -> String {
    let (before, after) = (obstacles(comparison), conclusions(comparison));
    let mut out: String = before.iter().map(|sentence| wrapped(sentence, "", style.width)).collect();
    if !comparison.differences.is_empty() {
        let mut table = table(style, &["metric", "before", "after", "change", "99% interval", "finding"]);
        for one in &comparison.differences {
            let [before, after, change, interval] = cells(one).map(|cell| right(&cell));
            table.add_row(vec![text(&one.metric), before, after, change, interval, finding(one.finding)]);
        }
        out.push_str(&lines(&table));
    }
    out.extend(after.iter().map(|sentence| wrapped(sentence, "", style.width)));
    out
}

/// Everything but the table.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences = vec![run_line(&comparison.baseline_run)];
    sentences.extend(obstacles(comparison));
    sentences.extend(conclusions(comparison));
    sentences
}

fn obstacles(comparison: &Comparison) -> Vec<String> {
    let refused = comparison.incomparable.iter().map(|why| format!("They can't be compared: {why}."));
    let mut sentences: Vec<String> = refused.collect();
    for (what, list) in
        [("Not alike, which may be the reason", &comparison.unlike), ("Different, too", &comparison.notes)]
    {
        if !list.is_empty() {
            sentences.push(format!("{what}: {}.", list.join("; ")));
        }
    }
    sentences
}

fn conclusions(comparison: &Comparison) -> Vec<String> {
    let mut sentences = reasons(comparison);
    sentences.extend(sentence(comparison).map(str::to_owned));
    sentences
}

/// Before, after, change and interval.
pub(super) fn cells(one: &Difference) -> [String; 4] {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let signed = |value: f64| signed(one, value);
    let interval = one.low.zip(one.high).map(|(low, high)| format!("[{}, {}]", signed(low), signed(high)));
    [value(&one.before), value(&one.after), value(&one.change.map(signed)), value(&interval)]
}

/// A change with its sign: relative, in points of a percentage, or as it is.
fn signed(one: &Difference, value: f64) -> String {
    // No "-0.0%".
    let zero = |value: f64, digits: f64| ((value * digits).round() + 0.0) / digits;
    match (one.relative, one.metric.as_str()) {
        (true, _) => format!("{:+.1}%", zero(value * 100.0, 10.0)),
        (false, "success_rate") => format!("{:+.2} pp", zero(value * 100.0, 100.0)),
        (false, _) => format!("{:+.4}", zero(value, 10_000.0)),
    }
}

fn finding(finding: Finding) -> comfy_table::Cell {
    match finding {
        Finding::Better => verdict_cell(finding.words(), true),
        Finding::Worse => verdict_cell(finding.words(), false),
        Finding::NotShown | Finding::Unknown => text(finding.words()),
    }
}

/// Why some lines have no interval, each reason once.
fn reasons(comparison: &Comparison) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &comparison.differences {
        let Some(why) = &one.why else { continue };
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, metrics)) => metrics.push(&one.metric),
            None => reasons.push((why, vec![&one.metric])),
        }
    }
    let all = comparison.differences.len();
    let words = |(why, metrics): (&str, Vec<&str>)| match metrics.len() == all {
        true => format!("Nothing can be told: {why}."),
        false => format!("{} can't be told: {why}.", metrics.join(", ")),
    };
    reasons.into_iter().map(words).collect()
}

/// The sum of it.
fn sentence(comparison: &Comparison) -> Option<&'static str> {
    let count = |finding| comparison.differences.iter().filter(|one| one.finding == finding).count();
    let (better, worse) = (count(Finding::Better), count(Finding::Worse));
    match (better + worse, count(Finding::NotShown)) {
        (0, 0) => None,
        (0, _) => Some("No difference can be shown."),
        _ => None,
    }
}

fn operations(comparison: &Comparison, style: &Style) -> String {
    if comparison.operations.is_empty() {
        return String::new();
    }
    let mut out = style.heading("By operation, without intervals: seconds aren't kept by operation");
    let mut table = table(style, &["operation", "per sec", "", "mean", "", "95%", ""]);
    let times = |before: Option<f64>, after: Option<f64>| {
        [before, after].map(|time| right(&time.map_or("–".to_owned(), format_millis)))
    };
    for one in &comparison.operations {
        let mut row = vec![
            text(&one.operation),
            right(&format!("{:.0}", one.throughput_before)),
            right(&format!("{:.0}", one.throughput_after)),
        ];
        row.extend(times(Some(one.latency_mean_before_ms), Some(one.latency_mean_after_ms)));
        row.extend(times(one.latency_p95_before_ms, one.latency_p95_after_ms));
        table.add_row(row);
    }
    out.push_str(&lines(&table));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::OperationPair;

    fn example() -> Comparison {
        let line = |metric: &str, change: f64, finding| Difference {
            metric: metric.to_owned(),
            before: Some("3,591/s".to_owned()),
            after: Some("2,800/s".to_owned()),
            change: Some(change),
            low: Some(change - 0.021),
            high: Some(change + 0.021),
            relative: true,
            finding,
            why: None,
        };
        let run = |run_id: &str| ComparisonSide {
            run_id: run_id.to_owned(),
            started_at: "2026-11-25T10:20:30.123Z".to_owned(),
            seed: 7,
            seconds: 58,
        };
        Comparison {
            baseline: "main".to_owned(),
            baseline_run: run("aaaa"),
            run: run("bbbb"),
            unlike: vec!["version of db: 15.18, 18.4".to_owned()],
            notes: vec!["the text of the scenario".to_owned()],
            differences: vec![
                line("throughput", -0.22, Finding::Worse),
                line("latency.avg", 0.0, Finding::NotShown),
                Difference { relative: false, ..line("success_rate", 0.004, Finding::Better) },
                Difference {
                    low: None,
                    high: None,
                    why: Some("the first document doesn't hold it by second".to_owned()),
                    ..line("latency.p(95)", 0.1, Finding::Unknown)
                },
            ],
            operations: vec![OperationPair {
                operation: "payment_intent_succeeded".to_owned(),
                throughput_before: 1420.0,
                throughput_after: 1108.0,
                latency_mean_before_ms: 40.0,
                latency_mean_after_ms: 51.3,
                latency_p95_before_ms: Some(223.0),
                latency_p95_after_ms: None,
            }],
            ..Comparison::default()
        }
    }

    #[test]
    fn two_runs_stand_side_by_side() {
        let text = comparison(&example(), &Style { color: false, width: 80 });
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_cannot_be_told_is_said_once() {
        let mut short = example();
        for one in &mut short.differences {
            (one.low, one.high, one.finding) = (None, None, Finding::Unknown);
            one.why = Some("the second run has 3 whole seconds, and 10 are needed".to_owned());
        }
        assert_eq!(
            reasons(&short),
            ["Nothing can be told: the second run has 3 whole seconds, and 10 are needed."]
        );
        assert_eq!(sentence(&short), None);
        let mut same = example();
        same.differences.iter_mut().for_each(|one| one.finding = Finding::NotShown);
        assert_eq!(sentence(&same), Some("No difference can be shown."));
    }
}
