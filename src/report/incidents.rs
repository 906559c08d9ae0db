//! The section that names the operations which met where something broke.

use super::{
    cells::{grouped, plain, wrapped},
    document::Document,
    table::Style,
};
use crate::measure::Suspects;

const MOST_SUSPECTS: usize = 3;

pub(super) fn incidents(document: &Document, style: &Style) -> String {
    if document.incidents.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Operations involved");
    for incident in &document.incidents {
        let met: Vec<String> = incident.suspects.iter().take(MOST_SUSPECTS).map(met).collect();
        let met =
            if met.is_empty() { "no two operations were seen together".to_owned() } else { met.join("; ") };
        let line = format!("{}: {met}.", plain(&incident.what()));
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    out
}

/// `a and b met on one row 12 times and waited for each other 3 times, both lock orders`.
fn met(suspects: &Suspects) -> String {
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
    let seen = if seen.is_empty() { "weren't seen together".to_owned() } else { seen.join(" and ") };
    let both =
        if tables.is_empty() { String::new() } else { format!(" (both lock {})", tables.join(", ")) };
    format!("{} {seen}{both}", plain(&who))
}
