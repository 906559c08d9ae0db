//! Schedules as PostgreSQL's isolation tester prints them, so that the two can be compared.

use std::fmt::Write as _;

use super::document::Document;
use crate::measure::{RaceEvent, RaceEventKind, RaceNotification, RaceResults, RaceTable, ScheduleRecord};

/// Every schedule of every race and level, in the order in which they were driven. With several of
/// them, each begins with a line that names it.
pub fn transcript(document: &Document) -> String {
    let mut text = String::new();
    for race in &document.races {
        if document.races.len() > 1 {
            // Writing to a string can't fail.
            let _ = writeln!(text, "Race {} at {}", race.race, race.isolation);
        }
        let _ = writeln!(text, "Parsed test spec with {} sessions", race.sessions.len());
        for record in &race.transcript {
            text.push_str(&schedule(race, record));
        }
    }
    text
}

/// One schedule.
pub(super) fn schedule(race: &RaceResults, record: &ScheduleRecord) -> String {
    let mut text = format!("\nstarting permutation: {}\n", record.steps.join(" "));
    for event in &record.events {
        let same = |other: &RaceEvent| other.step == event.step && other.session != event.session;
        let session = race.sessions.get(event.session).map_or("", String::as_str);
        let step = match record.events.iter().any(same) {
            true => format!("{session}.{}", event.step),
            false => event.step.clone(),
        };
        text.push_str(&event_text(session, &step, event));
    }
    if record.outcome.is_none() {
        text.push_str("pruned: the session of the next step waits\n");
    }
    text
}

fn event_text(session: &str, step: &str, event: &RaceEvent) -> String {
    let RaceEvent { kind, shown, tables, error, notices, notifications, .. } = event;
    let mut text: String = notices.iter().map(|notice| format!("{session}: {notice}\n")).collect();
    let _ = match kind {
        RaceEventKind::Done => writeln!(text, "step {step}: {shown}"),
        RaceEventKind::Waits => writeln!(text, "step {step}: {shown} <waiting ...>"),
        RaceEventKind::Woke => writeln!(text, "step {step}: <... completed>"),
        RaceEventKind::Stuck => writeln!(text, "step {step}: <... cancelled>"),
        RaceEventKind::Skipped => writeln!(text, "step {step}: <skipped>"),
        RaceEventKind::InLine | RaceEventKind::Script | RaceEventKind::Told => Ok(()),
    };
    for table in tables.iter().flatten() {
        text.push_str(&table_text(table));
    }
    if let Some(error) = error {
        let _ = writeln!(text, "ERROR:  {}", error.message);
    }
    for RaceNotification { channel, payload, from } in notifications {
        let _ = writeln!(text, "{session}: NOTIFY \"{channel}\" with payload \"{payload}\" from {from}");
    }
    text
}

/// Rows as libpq's `PQprint` aligns them: a column whose values all look like numbers to the right. It
/// measures in bytes, and a result without columns leaves no trace.
pub(super) fn table_text(table: &RaceTable) -> String {
    if table.columns.is_empty() {
        return String::new();
    }
    let width = |text: &str| text.len();
    let columns: Vec<(usize, bool)> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let values = || table.rows.iter().filter_map(move |row| row.get(at)?.as_deref());
            let widest = values().map(width).chain([width(name)]).max().unwrap_or_default();
            (widest, values().filter(|value| !value.is_empty()).all(is_number))
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&columns)
            .map(|(cell, (widest, right))| {
                let padding = " ".repeat(widest.saturating_sub(width(cell)));
                if *right { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
            })
            .collect();
        format!("{}\n", cells.join("|"))
    };
    let mut text = line(table.columns.iter().map(String::as_str).collect());
    let rule: Vec<String> = columns.iter().map(|(widest, _)| "-".repeat(*widest)).collect();
    text.push_str(&format!("{}\n", rule.join("+")));
    for row in &table.rows {
        text.push_str(&line(row.iter().map(|value| value.as_deref().unwrap_or_default()).collect()));
    }
    let count = table.rows.len();
    let plural = if count == 1 { "" } else { "s" };
    text.push_str(&format!("({count} row{plural})\n\n"));
    text
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || ".eE -".contains(c))
        && !text.starts_with(['e', 'E'])
        && text.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_as_libpq_does() {
        let row = |cells: [Option<&str>; 3]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
        let table = RaceTable {
            columns: vec!["accountid".into(), "n".into(), "what".into()],
            rows: vec![
                row([Some("checking"), Some("600"), None]),
                row([Some("s"), Some("-1.5"), Some("x1x")]),
            ],
        };
        let expected = "accountid|   n|what\n---------+----+----\nchecking | 600|    \ns        |-1.5|x1x \n(2 rows)\n\n";
        assert_eq!(table_text(&table), expected);
        let empty = RaceTable { columns: vec!["balance".into()], rows: Vec::new() };
        assert_eq!(table_text(&empty), "balance\n-------\n(0 rows)\n\n");
    }
}
