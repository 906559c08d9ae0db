//! A schedule as a space-time diagram: a column for each session, a row for each moment.

use anstyle::{AnsiColor, Style as TextStyle};

use super::{cells::plain, table::Style};
use crate::measure::{RaceEvent, RaceEventKind, RaceTable};

/// Room for the number of the moment.
const MARGIN: usize = 5;
/// A column is never narrower, nor wider.
const NARROWEST: usize = 18;
const WIDEST: usize = 44;
/// Lines of a step's text.
const MOST_LINES: usize = 3;
const MOST_VALUES: usize = 4;

/// A line of a cell, and how it is painted.
struct Line {
    text: String,
    style: TextStyle,
}

/// The events in their order. A wait is marked `…`, a wake-up `▸`, a failure `✗`.
pub(super) fn diagram(sessions: &[String], events: &[RaceEvent], style: &Style) -> String {
    let count = sessions.len().max(1);
    let width = (usize::from(style.width).saturating_sub(MARGIN) / count).clamp(NARROWEST, WIDEST);
    let bold = TextStyle::new().bold();
    let mut out = " ".repeat(MARGIN);
    for name in sessions {
        out.push_str(&padded(&fitted(&plain(name), width - 2), width, bold, style));
    }
    let mut out = format!("{}\n", out.trim_end());
    let mut waits = vec![false; count];
    let told = [RaceEventKind::Script, RaceEventKind::Told];
    let steps = events.iter().filter(|event| !told.contains(&event.kind));
    for (moment, event) in steps.enumerate() {
        let lines = cell(event, width - 2);
        match event.kind {
            RaceEventKind::Waits => waits[event.session] = true,
            RaceEventKind::InLine | RaceEventKind::Script => {}
            _ => waits[event.session] = false,
        }
        for (n, line) in lines.iter().enumerate() {
            let mut row = if n == 0 { format!("{:>3}  ", moment + 1) } else { " ".repeat(MARGIN) };
            for (session, waits) in waits.iter().enumerate() {
                if session == event.session {
                    row.push_str(&padded(&line.text, width, line.style, style));
                } else {
                    let bar = if *waits { "┊" } else { "" };
                    row.push_str(&padded(bar, width, TextStyle::new().dimmed(), style));
                }
            }
            out.push_str(row.trim_end());
            out.push('\n');
        }
    }
    out
}

/// What stands in an event's cell.
fn cell(event: &RaceEvent, width: usize) -> Vec<Line> {
    let plain_style = TextStyle::new();
    let dim = plain_style.dimmed();
    let (yellow, green, red) =
        (AnsiColor::Yellow.on_default(), AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
    let mut lines = Vec::new();
    let mut add = |text: String, style: TextStyle, most: usize| {
        lines.extend(broken_up(&text, width, most).into_iter().map(|text| Line { text, style }));
    };
    let step = plain(&event.step);
    let shown: Vec<&str> = event.shown.split_whitespace().collect();
    let shown = plain(&shown.join(" "));
    let words = shown.trim_end_matches(';').to_lowercase();
    let what = if words == step { step.clone() } else { format!("{step}: {shown}") };
    match event.kind {
        RaceEventKind::Done => add(what, plain_style, MOST_LINES),
        RaceEventKind::Waits => {
            add(what, plain_style, MOST_LINES);
            add("… waits".to_owned(), yellow, 1);
        }
        RaceEventKind::Woke => {
            let by = event
                .released_by
                .as_ref()
                .map_or_else(String::new, |(_, by)| format!(" after {}", plain(by)));
            add(format!("▸ {step} goes on{by}"), green, 2);
        }
        RaceEventKind::InLine => add(format!("({step} in line)"), dim, 1),
        RaceEventKind::Skipped => add(format!("({step} skipped)"), dim, 1),
        RaceEventKind::Script | RaceEventKind::Told => {}
        RaceEventKind::Stuck => add(format!("✗ {step} cancelled: nothing lets it go on"), red, 2),
    }
    if let Some(error) = &event.error {
        add(format!("✗ {}: {}", error.cause, plain(&error.message)), red, 3);
    } else if matches!(event.kind, RaceEventKind::Done | RaceEventKind::Woke)
        && let Some(result) = result(event)
    {
        add(format!("→ {result}"), dim, 2);
    }
    lines
}

/// What came back, in a few words.
fn result(event: &RaceEvent) -> Option<String> {
    match event.tables.iter().flatten().last() {
        Some(table) => Some(rows(table)),
        None if event.tables.is_empty() || event.affected == 0 && !writes(&event.shown) => None,
        None if event.affected == 1 => Some("1 row".to_owned()),
        None => Some(format!("{} rows", event.affected)),
    }
}

fn writes(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default().to_lowercase();
    ["insert", "update", "delete", "merge", "with"].contains(&first.as_str())
}

fn rows(table: &RaceTable) -> String {
    match table.rows.as_slice() {
        [] => "no row".to_owned(),
        [row] => {
            let cells = table.columns.iter().zip(row).take(MOST_VALUES).map(|(column, value)| {
                format!("{}={}", plain(column), value.as_deref().map_or("null".to_owned(), plain))
            });
            cells.collect::<Vec<_>>().join(" ")
        }
        rows => format!("{} rows", rows.len()),
    }
}

/// A text in lines of at most `width` characters, at most `most` of them.
fn broken_up(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = |text: &str| text.chars().count();
        if !line.is_empty() && length(&line) + 1 + length(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines.into_iter().map(|line| fitted(&line, width)).collect()
}

fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Painted, with blanks up to the column's width.
fn padded(text: &str, width: usize, paint: TextStyle, style: &Style) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
    if text.is_empty() { blanks } else { format!("{}{blanks}", style.paint(text, paint)) }
}
