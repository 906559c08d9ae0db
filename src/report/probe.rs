//! The report of probes: a line for each level, then every anomaly with its shortest example.

use super::{
    cells::{grouped, lines, number, table, text, time, verdict_cell, wrapped},
    command,
    document::Document,
    table::{Style, head, verdict},
};
use crate::{
    isolation::Level,
    measure::{AnomalyResults, ProbeResults},
    units::format_millis,
    verdict::{Conclusion, judge_probe},
};

const LOCKS: &str = "From the first lock to the commit";

/// The whole report.
pub fn probe_table(document: &Document, style: &Style) -> String {
    let mut out = head(document, *style);
    let line = format!(
        "{} workers, {} transactions in {}; seed {}, run {}",
        grouped(u64::from(document.environment.concurrency)),
        grouped(document.probes.iter().map(|probe| probe.transactions).sum()),
        format_millis(document.duration_ms),
        document.seed,
        document.run_id
    );
    out.push_str(&wrapped(&line, "  ", style.width));
    out.push_str(&style.heading("Isolation"));
    out.push_str(&levels(&document.probes, style));
    out.push_str(&style.heading(LOCKS));
    out.push_str(&locks(&document.probes, style));
    for probe in document.probes.iter().filter(|probe| !probe.anomalies.is_empty()) {
        out.push_str(&style.heading(&format!("Seen at {}", probe.name())));
        out.push_str(&anomalies(probe, style));
    }
    out.push_str(&verdict(document, *style, &command::repeat(document)));
    out
}

/// Headings and texts, for reports that aren't a terminal.
pub(super) fn pictures(document: &Document) -> Vec<(String, String)> {
    const STYLE: Style = Style { color: false, width: 100 };
    if document.probes.is_empty() {
        return Vec::new();
    }
    let seen = document.probes.iter().filter(|probe| !probe.anomalies.is_empty());
    let seen = seen.map(|probe| (format!("Seen at {}", probe.name()), anomalies(probe, &STYLE)));
    let tables = [
        ("Isolation".to_owned(), levels(&document.probes, &STYLE)),
        (LOCKS.to_owned(), locks(&document.probes, &STYLE)),
    ];
    tables.into_iter().chain(seen).collect()
}

/// The strongest level that what was seen allows, in words.
pub(super) fn seen(probe: &ProbeResults) -> &'static str {
    probe.consistent_with.map_or("no level", Level::words)
}

fn levels(probes: &[ProbeResults], style: &Style) -> String {
    let mut table = table(style, &["level", "demanded", "seen", "committed", "met"]);
    for probe in probes {
        table.add_row(vec![
            text(&probe.name().replace('_', " ")),
            text(probe.promised.words()),
            verdict_cell(seen(probe), judge_probe(probe).0 == Conclusion::Pass),
            number(probe.committed),
            number(probe.overlapped),
        ]);
    }
    lines(&table)
}

/// How long locks are held at each level, beside each other.
fn locks(probes: &[ProbeResults], style: &Style) -> String {
    let mut table = table(style, &["level", "locking", "p50", "p95", "max", "failed"]);
    for probe in probes {
        table.add_row(vec![
            text(&probe.name().replace('_', " ")),
            number(probe.locks_held.count),
            time(probe.locks_held.p50),
            time(probe.locks_held.p95),
            time(probe.locks_held.max),
            number(probe.causes.values().sum()),
        ]);
    }
    lines(&table)
}

fn anomalies(probe: &ProbeResults, style: &Style) -> String {
    probe.anomalies.iter().map(|anomaly| one(anomaly, probe, style)).collect()
}

fn one(anomaly: &AnomalyResults, probe: &ProbeResults, style: &Style) -> String {
    let AnomalyResults { kind, count, explanation } = anomaly;
    let allowed = if kind.rules_out() <= probe.promised { "ruled out" } else { "allowed" };
    let line = format!("{kind}: {}, {allowed} by {}", grouped(*count), probe.promised);
    let mut out = wrapped(&line, "  ", style.width);
    for sentence in explanation {
        out.push_str(&wrapped(sentence, "      ", style.width).replacen("      ", "    - ", 1));
    }
    out
}
