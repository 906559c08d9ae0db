//! What went wrong: failures with their first message, and broken invariants with their rows.

use std::fmt::Write as _;

use super::super::{
    cells::{cut, grouped, lines, number, plain, table, text, verdict_cell, wrapped},
    document::Document,
    table::Style,
};
use crate::{measure::InvariantResult, units::format_millis};

const MOST_ERRORS: usize = 8;
const MOST_ROWS: usize = 5;

pub(in crate::report) fn errors(document: &Document, style: &Style) -> String {
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

/// What has no meaning on this kind of database, so that nobody takes its absence for a good sign.
pub(in crate::report) fn does_not_apply(document: &Document, style: &Style) -> String {
    if document.does_not_apply.is_empty() {
        return String::new();
    }
    let mut out = style.heading("What does not apply here");
    for (what, why) in &document.does_not_apply {
        let line = format!("{}: {}", plain(&what.replace('_', " ")), plain(why));
        out.push_str(&wrapped(&line, "", style.width));
    }
    out
}

pub(in crate::report) fn invariants(document: &Document, style: &Style) -> String {
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
