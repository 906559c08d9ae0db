//! What ran beside the scenario: its control, and the same with other retry policies.

use super::super::{
    cells::{counted, lines, number, right, table, text, time, wrapped},
    document::Document,
    table::Style,
};
use crate::{
    measure::ComparedRun,
    units::{format_millis, format_percent},
};

pub(in crate::report) fn control(document: &Document, style: &Style) -> String {
    let Some(control) = &document.control else { return String::new() };
    let mut out = style.heading("Control");
    for patch in &control.patches {
        out.push_str(&wrapped(patch, "  ", style.width));
    }
    let line = format!(
        "With that it {}: {}, {} of them overlapped, in {}.",
        control.outcome.words(),
        counted(control.started, "operation"),
        control.overlapped,
        format_millis(control.duration_ms)
    );
    out.push_str(&wrapped(&line, "", style.width));
    for reason in control.reasons.iter().take(3) {
        out.push_str(&wrapped(reason, "  ", style.width));
    }
    out
}

pub(in crate::report) fn compared(document: &Document, style: &Style) -> String {
    if document.compared.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Retry policies compared");
    let header = ["retry", "success", "recovered", "exhausted", "failed", "mean", "95%", "99%", "per sec"];
    let mut list = table(style, &header);
    for run in document.compared.iter().filter(|run| run.error.is_none()) {
        list.add_row(vec![
            text(&run.retry),
            right(&success(run)),
            number(run.recovered),
            number(run.exhausted),
            number(run.failed),
            time(run.latency_mean_ms),
            time(run.latency_p95_ms),
            time(run.latency_p99_ms),
            number(run.throughput_per_s.round() as u64),
        ]);
    }
    out.push_str(&lines(&list));
    for run in &document.compared {
        if let Some(error) = &run.error {
            out.push_str(&wrapped(&format!("{} couldn't be run: {error}", run.retry), "", style.width));
        }
    }
    out.push_str(&wrapped(&bought(&document.compared).unwrap_or_default(), "", style.width));
    out
}

/// Operations that ended ok, of those started.
pub(in crate::report) fn success(run: &ComparedRun) -> String {
    match run.started {
        0 => "none".to_owned(),
        started => format_percent(run.committed as f64 / started as f64),
    }
}

/// What a policy brings beside none, in a sentence.
pub(in crate::report) fn bought(runs: &[ComparedRun]) -> Option<String> {
    let share = |run: &ComparedRun| (run.started > 0).then(|| run.committed as f64 / run.started as f64);
    let without = runs.iter().find(|run| run.retry == "none" && run.error.is_none())?;
    let with = runs.iter().find(|run| run.retry != "none" && run.error.is_none())?;
    let (before, after) = (share(without)?, share(with)?);
    Some(format!(
        "With retry {} {} of the operations succeed instead of {}, at a 95% latency of {} instead of {}.",
        with.retry,
        format_percent(after),
        format_percent(before),
        format_millis(with.latency_p95_ms),
        format_millis(without.latency_p95_ms)
    ))
}
