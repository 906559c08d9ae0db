//! Whether operations really met: overlap, releases, gates, and the starts of an open load.

use std::fmt::Write as _;

use super::super::{
    cells::{cut, grouped, lines, number, table, text, time, wrapped},
    document::Document,
    table::Style,
};
use crate::units::format_percent;

/// Longest text in the first column.
const WHAT: usize = 44;
const MOST_PAIRS: usize = 8;

pub(in crate::report) fn overlap(document: &Document, style: &Style) -> String {
    let overlap = &document.overlap;
    if overlap.trials == 0 {
        return String::new();
    }
    let mut out = style.heading("Overlap");
    let line = format!(
        "{} of {} operations that had drawn a fixture row were on it together with another one, {}. Most in flight at \
         once {}, most on one row {}.",
        grouped(overlap.overlapped),
        grouped(overlap.trials),
        format_percent(overlap.overlapped as f64 / overlap.trials as f64),
        grouped(overlap.most_in_flight),
        grouped(overlap.most_on_one_row),
    );
    out.push_str(&wrapped(&line, "", style.width));
    if overlap.pairs.is_empty() {
        return out;
    }
    let mut table = table(style, &["met on a row", "times"]);
    for pair in overlap.pairs.iter().take(MOST_PAIRS) {
        let name = if pair.one == pair.other {
            format!("{}, another one", cut(&pair.one, WHAT))
        } else {
            format!("{}, {}", cut(&pair.one, WHAT / 2 + 4), cut(&pair.other, WHAT / 2 + 4))
        };
        table.add_row(vec![text(&name), number(pair.meetings)]);
    }
    out.push_str(&lines(&table));
    let more = overlap.pairs.len().saturating_sub(MOST_PAIRS);
    if more > 0 {
        let _ = writeln!(out, "… and {more} more pairs");
    }
    out
}

pub(in crate::report) fn releases(document: &Document, style: &Style) -> String {
    if document.releases.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Release skew");
    let mut table = table(style, &["let go together", "parties", "median", "99%", "largest"]);
    for release in &document.releases {
        let skew = &release.skew_ms;
        table.add_row(vec![
            text(&cut(&release.what, WHAT)),
            number(skew.count),
            time(skew.p50),
            time(skew.p99),
            time(skew.max),
        ]);
    }
    out.push_str(&lines(&table));
    out
}

pub(in crate::report) fn gates(document: &Document, style: &Style) -> String {
    if document.gates.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Gates");
    let mut table = table(style, &["gate", "opened", "timed out", "held, median", "longest"]);
    for gate in &document.gates {
        let name = format!("{}, {}", gate.operation, gate.step);
        table.add_row(vec![
            text(&cut(&name, WHAT - 6)),
            number(gate.opened),
            number(gate.timed_out),
            time(gate.held_ms.p50),
            time(gate.held_ms.max),
        ]);
    }
    out.push_str(&lines(&table));
    out
}

pub(in crate::report) fn arrivals(document: &Document, style: &Style) -> String {
    let Some(arrivals) = &document.arrivals else { return String::new() };
    let mut out = style.heading("Starts of the open load");
    let line = format!(
        "{} planned, {} started, {} of them more than 10ms late, {} dropped.",
        grouped(arrivals.planned),
        grouped(arrivals.started),
        grouped(arrivals.late),
        grouped(arrivals.dropped)
    );
    out.push_str(&wrapped(&line, "", style.width));
    out
}
