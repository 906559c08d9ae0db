//! Operations: how many, how fast, how they ended, what was tried again.

use std::fmt::Write as _;

use super::{
    super::{
        cells::{cut, grouped, lines, number, right, table, text, time, wrapped},
        document::Document,
        table::Style,
    },
    NAME, rows,
};
use crate::{
    measure::OperationResults,
    units::{format_millis, format_percent},
};

pub(in crate::report) fn operations(document: &Document, style: &Style) -> String {
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

pub(in crate::report) fn times(document: &Document, style: &Style) -> String {
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

pub(in crate::report) fn outcomes(document: &Document, style: &Style) -> String {
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

pub(in crate::report) fn retries(document: &Document, style: &Style) -> String {
    let retries = &document.retries;
    let findings = super::super::retries::findings(document);
    if retries.attempts.is_empty() && retries.exhausted.is_empty() && findings.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Retries");
    if let Some(policy) = &retries.policy {
        out.push_str(&wrapped(&format!("Policy: {policy}"), "", style.width));
    }
    for finding in &findings {
        out.push_str(&wrapped(finding, "  ", style.width).replacen("  ", "", 1));
    }
    if retries.attempts.is_empty() {
        return out;
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
    for sentence in super::super::retries::sentences(document) {
        out.push_str(&wrapped(&sentence, "", style.width));
    }
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
