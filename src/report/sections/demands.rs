//! What was demanded and what was measured; and what is left of the test data.

use std::fmt::Write as _;

use super::{
    super::{
        cells::{grouped, lines, plain, right, table, text, verdict_cell, wrapped},
        document::Document,
        table::Style,
    },
    DOES_NOT_APPLY,
};
use crate::verdict::ThresholdResult;

/// It can't be told whether a condition holds.
const UNDECIDED: &str = "undecided";

/// Without these the run proves nothing.
pub(in crate::report) fn requirements(document: &Document, style: &Style) -> String {
    demands("Requirements", "requirement", &document.requirements, style)
}

pub(in crate::report) fn thresholds(document: &Document, style: &Style) -> String {
    demands("Thresholds", "metric", &document.thresholds, style)
}

fn demands(heading: &str, column: &str, demands: &[ThresholdResult], style: &Style) -> String {
    if demands.is_empty() {
        return String::new();
    }
    let mut out = style.heading(heading);
    let mut table = table(style, &[column, "demanded", "measured", "result"]);
    for demand in demands {
        table.add_row(vec![
            text(&demand.metric),
            right(&demand.condition),
            right(demand.observed.as_deref().unwrap_or(match demand.does_not_apply {
                Some(_) => "",
                None => "no samples",
            })),
            match (&demand.does_not_apply, &demand.undecided, demand.holds) {
                (Some(_), _, _) => text(DOES_NOT_APPLY),
                (None, Some(_), _) => text(UNDECIDED),
                (None, None, true) => verdict_cell("holds", true),
                (None, None, false) => verdict_cell("broken", false),
            },
        ]);
    }
    out.push_str(&lines(&table));
    out
}

pub(in crate::report) fn grades(document: &Document, style: &Style) -> String {
    if document.grades.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Grades");
    let mut table = table(style, &["metric", "measured", "grade"]);
    for grade in &document.grades {
        table.add_row(vec![
            text(&grade.metric),
            right(grade.observed.as_deref().unwrap_or(match grade.grade.as_str() {
                DOES_NOT_APPLY => "",
                _ => "no samples",
            })),
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

pub(in crate::report) fn fixtures(document: &Document, style: &Style) -> String {
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
