//! The report of races that people read in a terminal: a matrix of outcomes, then for each race that
//! broke something the first schedule that did, as a picture.

use anstyle::{AnsiColor, Style as TextStyle};

use super::{
    cells::{cut, grouped, lines, number, plain, table, text, verdict_cell, wrapped},
    diagram::diagram,
    document::Document,
    table::{Style, head, verdict},
};
use crate::{
    measure::{InvariantResult, RaceResults, ScheduleRecord},
    outcome::RaceOutcome,
    units::format_millis,
    verdict::{Conclusion, judge_race},
};

const NAME: usize = 33;
const MOST_ROWS: usize = 5;

/// The whole report.
pub fn race_table(document: &Document, style: &Style) -> String {
    let mut out = head(document, *style);
    let line = format!(
        "{} schedules in {}; seed {}, run {}",
        grouped(document.races.iter().map(|race| race.executed + race.pruned).sum()),
        format_millis(document.duration_ms),
        document.seed,
        document.run_id
    );
    out.push_str(&wrapped(&line, "  ", style.width));
    out.push_str(&matrix(&document.races, style));
    out.push_str(&notes(&document.races, style));
    for Example { what, race, record } in examples(document) {
        out.push_str(&counter_example(document, race, what, record, style));
    }
    out.push_str(&verdict(
        document,
        *style,
        &format!("deadheat race {} --seed {}", document.file, document.seed),
    ));
    out
}

/// One schedule as a picture, with the invariants that it broke.
pub fn one_race(sessions: &[String], record: &ScheduleRecord, style: &Style) -> String {
    let mut out = diagram(sessions, &record.events, style);
    for invariant in &record.invariants {
        out.push_str(&broken(invariant, style));
    }
    out
}

/// A schedule that is worth a picture.
struct Example<'a> {
    what: &'static str,
    race: &'a RaceResults,
    record: &'a ScheduleRecord,
}

fn examples(document: &Document) -> Vec<Example<'_>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    for race in &document.races {
        let is_wrong = judge_race(race).0 == Conclusion::Fail;
        // The first level tells enough, unless another one surprises.
        if examples.iter().any(|shown| shown.race.race == race.race) && !is_wrong {
            continue;
        }
        let example = race.counter_example.as_ref().map(|record| ("First broken schedule", record));
        let error =
            || race.first_error.as_ref().map(|record| ("First schedule in which a session failed", record));
        let wanted = example.or_else(|| error().filter(|_| race.expect == Some(RaceOutcome::Error)));
        examples.extend(wanted.map(|(what, record)| Example { what, race, record }));
    }
    examples
}

/// Headings and drawn schedules, for reports that aren't a terminal.
pub(super) fn pictures(document: &Document) -> Vec<(String, String)> {
    const STYLE: Style = Style { color: false, width: 100 };
    let picture = |Example { what, race, record }: Example<'_>| {
        let mut text = diagram(&race.sessions, &record.events, &STYLE);
        text.extend(record.invariants.iter().map(|invariant| broken(invariant, &STYLE)));
        (format!("{what} of {} at {}", race.race, race.isolation), text)
    };
    examples(document).into_iter().map(picture).collect()
}

const DOES_NOT_APPLY: &str = "does not apply";

/// What a race did, in a word, and whether that is known of it.
pub(super) fn outcome(race: &RaceResults) -> (&'static str, Conclusion) {
    let word = race.outcome.map_or("none", RaceOutcome::name);
    if race.does_not_apply.is_some() {
        return (DOES_NOT_APPLY, Conclusion::Inconclusive);
    }
    (if race.mistake.is_some() { "mistake" } else { word }, judge_race(race).0)
}

fn matrix(races: &[RaceResults], style: &Style) -> String {
    let mut out = style.heading("Races");
    let pruned = races.iter().any(|race| race.pruned > 0);
    let mut header = vec!["race and level", "schedules", "hold", "broken", "errors"];
    if pruned {
        header.push("pruned");
    }
    header.push("outcome");
    let mut table = table(style, &header);
    let mut before = "";
    for race in races {
        if race.race != before {
            table.add_row(vec![text(&cut(&race.race, NAME))]);
            before = &race.race;
        }
        let mut row = vec![
            text(&format!("  {}", race.isolation.name())),
            number(race.executed + race.pruned),
            number(race.holds),
            number(race.violated),
            number(race.errors),
        ];
        if pruned {
            row.push(number(race.pruned));
        }
        let (word, conclusion) = outcome(race);
        if race.does_not_apply.is_some() {
            row[1..].fill(text(""));
        }
        let word = match (conclusion, race.expect) {
            (Conclusion::Fail, _) => format!("{word} !"),
            (_, Some(_)) => format!("{word} ✓"),
            (_, None) => word.to_owned(),
        };
        row.push(verdict_cell(&word, conclusion == Conclusion::Pass));
        table.add_row(row);
    }
    out.push_str(&lines(&table));
    out
}

/// How many interleavings weren't driven and why, what failed, and which anomalies there were. Levels at
/// which the same is to be said share a line.
fn notes(races: &[RaceResults], style: &Style) -> String {
    let mut notes: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for race in races {
        for said in notes_of(race) {
            match notes.iter_mut().find(|(name, note, _)| *name == race.race && *note == said) {
                Some((_, _, levels)) => levels.push(race.isolation.name()),
                None => notes.push((&race.race, said, vec![race.isolation.name()])),
            }
        }
    }
    let mut out = String::new();
    for (race, note, levels) in notes {
        let line = format!("{race} at {}: {note}", levels.join(", "));
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

fn notes_of(race: &RaceResults) -> Vec<String> {
    let counts = |counts: &indexmap::IndexMap<String, u64>| {
        let counts = counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count)));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut notes = Vec::new();
    notes.extend(race.does_not_apply.as_ref().map(|why| format!("doesn't apply: {why}")));
    if let Some(count) = race.left_out.filter(|count| *count > 0) {
        notes.push(format!(
            "{} of {} interleavings left out, because they can't differ: {}",
            grouped(count),
            race.interleavings,
            race.left_out_because.join("; ")
        ));
    }
    if !race.causes.is_empty() {
        notes.push(format!("failed sessions: {}", counts(&race.causes)));
    }
    if !race.anomalies.is_empty() {
        notes.push(format!("anomalies: {}", counts(&race.anomalies)));
    }
    notes
}

fn counter_example(
    document: &Document,
    race: &RaceResults,
    what: &str,
    record: &ScheduleRecord,
    style: &Style,
) -> String {
    let anomaly = record.anomaly.as_ref().map_or_else(String::new, |name| format!(": {name}"));
    let mut out = style.heading(&format!("{what} of {} at {}{anomaly}", plain(&race.race), race.isolation));
    out.push_str(&one_race(&race.sessions, record, style));
    let again = format!(
        "Again: deadheat race {} --only {} --schedule '{}' --seed {}",
        document.file, race.race, record.schedule, document.seed
    );
    out.push_str(&wrapped(&again, "  ", style.width).replacen("  ", "", 1));
    out
}

fn broken(invariant: &InvariantResult, style: &Style) -> String {
    let label = style.paint("broken", AnsiColor::Red.on_default().bold());
    let what = invariant.message.clone().or_else(|| invariant.description.clone());
    let what = what.map_or_else(String::new, |what| format!(": {}", plain(&what)));
    let mut out =
        format!("  {label} {}{what}\n", style.paint(&plain(&invariant.name), TextStyle::new().bold()));
    for row in invariant.rows.iter().take(MOST_ROWS) {
        let cells: Vec<String> =
            invariant.columns.iter().zip(row).map(|(column, value)| format!("{column}={value}")).collect();
        out.push_str(&wrapped(&cells.join(", "), "    ", style.width));
    }
    out
}
