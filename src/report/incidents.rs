//! The operations which met where something broke, in sentences, and the section of the terminal's report.

use super::{
    cells::{grouped, plain, wrapped},
    document::Document,
    table::Style,
};
use crate::measure::{Incident, Suspects};

const MOST_SUSPECTS: usize = 3;

/// One for each incident; pairs of which nothing is known are left out.
pub(super) fn sentences(document: &Document) -> Vec<String> {
    let sentence = |incident: &Incident| {
        let met: Vec<String> = incident.suspects.iter().filter_map(met).take(MOST_SUSPECTS).collect();
        (!met.is_empty()).then(|| format!("{}: {}.", plain(&incident.what()), met.join("; ")))
    };
    document.incidents.iter().filter_map(sentence).collect()
}

pub(super) fn incidents(document: &Document, style: &Style) -> String {
    let sentences = sentences(document);
    if sentences.is_empty() {
        return String::new();
    }
    let lines = sentences.iter().map(|line| wrapped(line, "  ", style.width).replacen("  ", "", 1));
    style.heading("Operations involved") + &lines.collect::<String>()
}

/// `a and b met on one row 12 times and waited for each other 3 times, both lock orders`.
fn met(suspects: &Suspects) -> Option<String> {
    let Suspects { one, other, meetings, waits, tables } = suspects;
    let who = if one == other { format!("{one} and another {one}") } else { format!("{one} and {other}") };
    let times = |count: u64| match count {
        1 => "once".to_owned(),
        _ => format!("{} times", grouped(count)),
    };
    let seen: Vec<String> = [(meetings, "met on one row"), (waits, "waited for each other")]
        .into_iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, what)| format!("{what} {}", times(*count)))
        .collect();
    let seen = match (seen.is_empty(), tables.is_empty()) {
        (true, true) => return None,
        (true, false) => "weren't seen together".to_owned(),
        (false, _) => seen.join(" and "),
    };
    let both =
        if tables.is_empty() { String::new() } else { format!(" (both lock {})", tables.join(", ")) };
    Some(format!("{} {seen}{both}", plain(&who)))
}
