//! The sections of the terminal report, each a function of the document.

use std::fmt::Write as _;

use super::{
    cells::{cut, grouped, lines, number, plain, right, table, text, time, verdict_cell, wrapped},
    document::Document,
    table::Style,
};
use crate::{
    measure::{InvariantResult, OperationResults},
    units::{format_millis, format_percent},
};

/// Longest name of an operation in a table with many columns.
const NAME: usize = 26;
const MOST_PAIRS: usize = 8;
const MOST_ERRORS: usize = 8;
const MOST_ROWS: usize = 5;

fn rows(document: &Document) -> impl Iterator<Item = (&str, &OperationResults)> {
    let all = (document.operations.len() > 1).then_some(("all", &document.totals));
    document.operations.iter().map(|(name, operation)| (name.as_str(), operation)).chain(all)
}

pub(super) fn operations(document: &Document, style: &Style) -> String {
    let mut out = style.heading("Operations");
    let mut table = table(style, &["operation", "started", "success", "mean", "95%", "slowest", "per sec"]);
    for (name, operation) in rows(document) {
        let share = operation.share(operation.committed());
        let latency = &operation.latency_ms;
        table.add_row(vec![
            text(&cut(name, NAME)),
            number(operation.started),
            right(&share.map_or_else(|| "none".to_owned(), format_percent)),
            time(latency.mean),
            time(latency.p95),
            time(latency.max),
            right(&format!("{:.0}", operation.throughput_per_s)),
        ]);
    }
    out.push_str(&lines(&table));
    out
}

pub(super) fn times(document: &Document, style: &Style) -> String {
    if document.totals.latency_ms.count == 0 {
        return String::new();
    }
    let mut out = style.heading("Times, retries and backoff included");
    let mut table = table(style, &["operation", "fastest", "median", "90%", "95%", "99%", "slowest"]);
    for (name, operation) in rows(document) {
        let latency = &operation.latency_ms;
        let values = [latency.min, latency.p50, latency.p90, latency.p95, latency.p99, latency.max];
        table.add_row(std::iter::once(text(&cut(name, NAME))).chain(values.map(time)));
    }
    out.push_str(&lines(&table));
    out
}

pub(super) fn outcomes(document: &Document, style: &Style) -> String {
    type Count = fn(&OperationResults) -> u64;
    let columns: [(&str, Count); 9] = [
        ("ok", |o| o.ok),
        ("recovered", |o| o.recovered),
        ("exhausted", |o| o.exhausted),
        ("failed", |o| o.failed),
        ("assertion", |o| o.assertion),
        ("timeout", |o| o.timeout),
        ("unknown", |o| o.unknown),
        ("skipped", |o| o.skipped),
        ("deadlocks", |o| o.deadlocks),
    ];
    // When everything was ok, the table above has said it.
    if columns.iter().skip(1).all(|(_, count)| count(&document.totals) == 0) {
        return String::new();
    }
    let shown: Vec<_> = columns.iter().filter(|(_, count)| count(&document.totals) > 0).collect();
    let header: Vec<&str> =
        std::iter::once("operation").chain(shown.iter().map(|(name, _)| *name)).collect();
    let mut out = style.heading("Outcomes");
    let mut table = table(style, &header);
    for (name, operation) in rows(document) {
        let counts = shown.iter().map(|(_, count)| number(count(operation)));
        table.add_row(std::iter::once(text(&cut(name, NAME))).chain(counts));
    }
    out.push_str(&lines(&table));
    if !document.totals.causes.is_empty() {
        let causes: Vec<String> = document
            .totals
            .causes
            .iter()
            .map(|(cause, count)| format!("{cause} {}", grouped(*count)))
            .collect();
        out.push_str(&wrapped(&format!("Causes of failures: {}", causes.join(", ")), "", style.width));
    }
    out
}

pub(super) fn retries(document: &Document, style: &Style) -> String {
    let retries = &document.retries;
    if retries.attempts.is_empty() && retries.exhausted.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Retries");
    if let Some(policy) = &retries.policy {
        out.push_str(&wrapped(&format!("Policy: {policy}"), "", style.width));
    }
    let mut table =
        table(style, &["retry", "made", "recovered", "declared delay", "mean delay", "95%", "because of"]);
    for attempt in &retries.attempts {
        let causes: Vec<String> =
            attempt.causes.iter().map(|(cause, count)| format!("{cause} {}", grouped(*count))).collect();
        table.add_row(vec![
            text(&attempt.retry.to_string()),
            number(attempt.count),
            number(attempt.recovered),
            time(attempt.declared_ms),
            time(attempt.measured_ms.mean),
            time(attempt.measured_ms.p95),
            right(&causes.join(", ")),
        ]);
    }
    out.push_str(&lines(&table));
    let lost = document.totals.backoff_ms.mean * document.totals.backoff_ms.count as f64;
    let _ = writeln!(
        out,
        "{} operations recovered, {} gave up; {} were spent waiting between attempts.",
        grouped(document.totals.recovered),
        grouped(document.totals.exhausted),
        format_millis(lost)
    );
    out
}

pub(super) fn isolation(document: &Document, style: &Style) -> String {
    let observed = &document.isolation.observed;
    let all: u64 = observed.iter().map(|one| one.transactions).sum();
    let strayed: Vec<_> = observed.iter().filter(|one| one.declared != one.in_force).collect();
    if all == 0 {
        return String::new();
    }
    let mut out = style.heading("Isolation");
    if strayed.is_empty() {
        let mut levels: Vec<&str> = observed.iter().map(|one| one.in_force.sql()).collect();
        levels.sort_unstable();
        levels.dedup();
        let line =
            format!("{} transactions, all at the declared level: {}.", grouped(all), levels.join(", "));
        out.push_str(&wrapped(&line, "", style.width));
        return out;
    }
    for one in strayed {
        let line = format!(
            "{}: {} transactions ran at {} and not at {}.",
            one.operation,
            grouped(one.transactions),
            one.in_force.sql(),
            one.declared.sql()
        );
        out.push_str(&wrapped(&line, "", style.width));
    }
    out
}

pub(super) fn lock_order(document: &Document, style: &Style) -> String {
    let order = &document.lock_order;
    if order.declared.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Lock order");
    for tables in order.declared.values() {
        out.push_str(&wrapped(&format!("Declared: {}", tables.join(", then ")), "", style.width));
    }
    if order.violations.is_empty() {
        let _ = writeln!(out, "No violation in {} transactions.", grouped(order.transactions));
    }
    for one in &order.violations {
        let line = format!(
            "{}, {}: locked {} after {}, {} times.",
            one.operation,
            one.step,
            one.table,
            one.after,
            grouped(one.count)
        );
        out.push_str(&wrapped(&line, "", style.width));
    }
    out
}

pub(super) fn waits(document: &Document, style: &Style) -> String {
    let waits = &document.waits;
    if waits.waits == 0 {
        return String::new();
    }
    let mut out = style.heading("Lock waits, as sampled");
    for pair in waits.pairs.iter().take(MOST_PAIRS) {
        let place = pair.table.as_ref().map_or_else(String::new, |table| format!(" on {table}"));
        let times =
            if pair.waits == 1 { "once".to_owned() } else { format!("{} times", grouped(pair.waits)) };
        let line = format!(
            "{} waited for {}{place} {times}, {} in all.",
            pair.waiting,
            pair.blocking,
            format_millis(pair.total_ms)
        );
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    let more = waits.pairs.len().saturating_sub(MOST_PAIRS);
    if more > 0 {
        let _ = writeln!(out, "… and {more} more pairs");
    }
    let line = format!(
        "{} waits lost {} in all, the longest {}. Deepest queue {}, most waiting at once {}. {} samples, one every {}, each \
         taking {}.",
        grouped(waits.waits),
        format_millis(waits.total_ms),
        format_millis(waits.longest_ms),
        waits.deepest_queue,
        waits.most_waiting,
        waits.samples,
        format_millis(waits.interval_ms),
        format_millis(waits.sample_ms)
    );
    out.push_str(&wrapped(&line, "", style.width));
    out
}

pub(super) fn errors(document: &Document, style: &Style) -> String {
    if document.errors.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Failures");
    for error in document.errors.iter().take(MOST_ERRORS) {
        let cause = error.cause.as_ref().map_or_else(|| "assertion".to_owned(), ToString::to_string);
        let line = format!(
            "{} times {cause} in {}, {}: {}",
            grouped(error.count),
            error.operation,
            error.step,
            cut(&error.message, 300)
        );
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    out
}

pub(super) fn invariants(document: &Document, style: &Style) -> String {
    if document.invariants.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Invariants");
    let mut list = table(style, &["invariant", "checked", "result"]);
    for invariant in &document.invariants {
        let (word, well) = match (invariant.violated, &invariant.error) {
            (0, None) if invariant.checked > 0 => ("holds", true),
            (0, None) => ("not checked", false),
            (0, Some(_)) => ("error", false),
            _ => ("broken", false),
        };
        list.add_row(vec![text(&invariant.name), number(invariant.checked), verdict_cell(word, well)]);
    }
    out.push_str(&lines(&list));
    for invariant in
        document.invariants.iter().filter(|invariant| invariant.violated > 0 || invariant.error.is_some())
    {
        out.push_str(&broken(invariant, style));
    }
    out
}

fn broken(invariant: &InvariantResult, style: &Style) -> String {
    let mut out = format!("\n{}: expected {}\n", plain(&invariant.name), plain(&invariant.expect));
    if let Some(description) = &invariant.description {
        out.push_str(&wrapped(description, "  ", style.width));
    }
    if let Some(message) = &invariant.message {
        out.push_str(&wrapped(message, "  ", style.width));
    }
    if let Some(error) = &invariant.error {
        out.push_str(&wrapped(&format!("it couldn't be evaluated: {error}"), "  ", style.width));
    }
    if invariant.violated > 0 {
        let when = match (&invariant.phase, invariant.first_violation_ms) {
            (_, Some(at)) => format!("first broken {} into the load", format_millis(at)),
            (Some(phase), None) => {
                format!("broken {phase} the load").replace("eventually the load", "in the end")
            }
            (None, None) => "broken".to_owned(),
        };
        let line =
            format!("{when}, in {} of {} checks", grouped(invariant.violated), grouped(invariant.checked));
        out.push_str(&wrapped(&line, "  ", style.width));
    }
    if !invariant.rows.is_empty() {
        let header: Vec<String> = invariant.columns.iter().map(|column| plain(column)).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut table = table(style, &header);
        for row in invariant.rows.iter().take(MOST_ROWS) {
            table.add_row(row.iter().map(|value| text(&cut(value, 60))));
        }
        out.push_str(&lines(&table));
        let more = invariant.failing_rows.saturating_sub(MOST_ROWS as u64);
        if more > 0 {
            let _ = writeln!(out, "… and {} more rows", grouped(more));
        }
    }
    out
}

pub(super) fn thresholds(document: &Document, style: &Style) -> String {
    if document.thresholds.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Thresholds");
    let mut table = table(style, &["metric", "demanded", "measured", "result"]);
    for threshold in &document.thresholds {
        table.add_row(vec![
            text(&threshold.metric),
            right(&threshold.condition),
            right(threshold.observed.as_deref().unwrap_or("no samples")),
            verdict_cell(if threshold.holds { "holds" } else { "broken" }, threshold.holds),
        ]);
    }
    out.push_str(&lines(&table));
    out
}

pub(super) fn grades(document: &Document, style: &Style) -> String {
    if document.grades.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Grades");
    let mut table = table(style, &["metric", "measured", "grade"]);
    for grade in &document.grades {
        table.add_row(vec![
            text(&grade.metric),
            right(grade.observed.as_deref().unwrap_or("no samples")),
            right(&grade.grade),
        ]);
    }
    out.push_str(&lines(&table));
    for grade in document.grades.iter().filter(|grade| !grade.advice.is_empty()) {
        let _ = writeln!(out, "\nAdvice on {} ({}):", plain(&grade.metric), plain(&grade.grade));
        for advice in &grade.advice {
            out.push_str(&wrapped(advice, "    ", style.width).replacen("    ", "  - ", 1));
        }
    }
    out
}

pub(super) fn fixtures(document: &Document, style: &Style) -> String {
    let fixtures = &document.fixtures;
    let mut out = style.heading("Test data");
    let made = match fixtures.created {
        1 => "1 row made".to_owned(),
        rows => format!("{} rows made", grouped(rows)),
    };
    let line = match (&fixtures.note, fixtures.cleaned) {
        (Some(note), _) => format!("{made}; cleanup failed: {note}"),
        (None, false) => format!("{made} and kept, as asked."),
        (None, true) => format!("{made}, {} remain.", grouped(fixtures.remaining)),
    };
    out.push_str(&wrapped(&line, "", style.width));
    out
}
