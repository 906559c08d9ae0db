//! The section that names the operations which met where something broke.

use super::{
    cells::{grouped, plain, wrapped},
    document::Document,
    table::Style,
};
use crate::measure::Suspects;

const MOST_SUSPECTS: usize = 3;

/// Left out are pairs of which nothing is known.
pub(super) fn incidents(document: &Document, style: &Style) -> String {
    let mut out = String::new();
    for incident in &document.incidents {
        let met: Vec<String> = incident.suspects.iter().filter_map(met).take(MOST_SUSPECTS).collect();
        if !met.is_empty() {
            let line = format!("{}: {}.", plain(&incident.what()), met.join("; "));
            out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
        }
    }
    if out.is_empty() { out } else { style.heading("Operations involved") + &out }
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
