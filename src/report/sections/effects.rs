//! What operations said they changed, beside what the database shows.

use super::super::{
    cells::{counted, grouped, lines, number, plain, right, table, text, verdict_cell, wrapped},
    document::Document,
    table::Style,
};
use crate::{measure::EffectResults, verdict::difference};

pub(in crate::report) fn effects(document: &Document, style: &Style) -> String {
    if document.effects.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Acknowledged effects");
    let mut list = table(style, &["effect on", "acknowledged", "amount", "observed", "result"]);
    for effects in &document.effects {
        let (word, well) = word(effects);
        list.add_row(vec![
            text(&effects.name),
            number(effects.acknowledged),
            right(&effects.expected),
            right(&effects.observed),
            verdict_cell(word, well),
        ]);
    }
    out.push_str(&lines(&list));
    for effects in &document.effects {
        out.push_str(&details(effects, style));
    }
    out
}

/// In one word, and whether it is a good one.
pub(in crate::report) fn word(effects: &EffectResults) -> (&'static str, bool) {
    match (&effects.error, effects.broken.as_slice()) {
        (Some(_), _) => ("error", false),
        (None, []) if effects.untold > 0 => ("not compared", false),
        (None, []) if effects.acknowledged == 0 => ("nothing to compare", false),
        (None, []) => ("holds", true),
        (None, [only]) => (only.kind.words(), false),
        (None, _) => ("broken", false),
    }
}

fn details(effects: &EffectResults, style: &Style) -> String {
    let mut out = String::new();
    if let Some(error) = &effects.error {
        out.push_str(&wrapped(&format!("{}: {error}", plain(&effects.name)), "", style.width));
    }
    if effects.unknown > 0 {
        let line = format!(
            "{}: the outcome of {} isn't known, and widens what is expected.",
            plain(&effects.name),
            counted(effects.unknown, "operation")
        );
        out.push_str(&wrapped(&line, "", style.width));
    }
    for broken in &effects.broken {
        let line = format!(
            "{}: {} on {}, {} in all",
            plain(&effects.name),
            broken.kind.words(),
            counted(broken.keys, "key"),
            broken.amount
        );
        out.push_str(&wrapped(&line, "", style.width));
        for one in effects.differences.iter().filter(|one| one.kind == broken.kind) {
            out.push_str(&wrapped(&difference(effects, one), "  ", style.width));
        }
    }
    let keys: u64 = effects.broken.iter().map(|broken| broken.keys).sum();
    let more = keys.saturating_sub(effects.differences.len() as u64);
    if more > 0 {
        out.push_str(&format!("  … and {} more keys\n", grouped(more)));
    }
    out
}
