//! How often the schedules of races showed what is known of them.

use super::{
    cells::{grouped, plain, wrapped},
    document::Document,
    table::{Style, head},
};
use crate::{measure::RaceResults, outcome::RaceOutcome, verdict::reproduced};

/// The whole report: a line for each race and level.
pub fn replay_table(document: &Document, style: &Style) -> String {
    let mut out = head(document, *style);
    out.push('\n');
    for race in &document.races {
        out.push_str(&wrapped(&line(race), "  ", style.width).replacen("  ", "", 1));
        if let Some(mistake) = &race.mistake {
            out.push_str(&wrapped(&format!("mistake: {}", plain(mistake)), "  ", style.width));
        }
    }
    out
}

fn line(race: &RaceResults) -> String {
    let shown = reproduced(race);
    let runs = race.executed + race.pruned;
    let mut line = format!(
        "{} at {}: reproduced in {} of {} runs",
        plain(&race.race),
        race.isolation,
        grouped(shown),
        grouped(runs)
    );
    let expected = race.expect.map_or("any failure", |expect| match expect {
        RaceOutcome::Holds => "any failure",
        other => other.name(),
    });
    let counts = [
        (race.holds, "held"),
        (race.violated, "broke something"),
        (race.errors, "ended in an error"),
        (race.pruned, "couldn't be executed"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    line.push_str(&format!(" (expected {expected}: {})", counts.join(", ")));
    line
}
