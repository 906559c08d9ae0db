//! The sections of the Markdown report, each a function of the document. Sections without
//! content are left out.

use super::escape::{block, code, prose};
use crate::{
    measure::{InvariantResult, OperationResults},
    report::{
        cells::grouped,
        command,
        document::Document,
        probe, race,
        sections::{bought, effect_word, request_sentences, success},
    },
    units::{format_millis, format_percent},
    verdict::{Conclusion, judge_probe},
};

// What a comment of 65,536 characters has room for.
const MOST_OPERATIONS: usize = 20;
const MOST_DEMANDS: usize = 40;
const MOST_BROKEN: usize = 8;
const MOST_ROWS: usize = 5;
const MOST_COLUMNS: usize = 8;
const MOST_PAIRS: usize = 10;

/// A table. Columns of numbers begin with `#`, which isn't shown.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('#')).collect();
    let mut text = format!("| {} |\n|", names.join(" | "));
    for name in header {
        text.push_str(if name.starts_with('#') { "--:|" } else { "---|" });
    }
    text.push('\n');
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

pub(super) fn folded(summary: &str, body: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n\n{body}\n</details>\n")
}

pub(super) fn more(all: usize, shown: usize, what: &str) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("\n… and {} more {what}\n", grouped(more as u64)),
    }
}

pub(super) fn figures(document: &Document) -> String {
    let totals = &document.totals;
    let mut parts = vec![
        format!("{} workers", grouped(u64::from(document.environment.concurrency))),
        format!("{} operations in {}", grouped(totals.started), format_millis(document.duration_ms)),
        format!("{} per second", grouped(totals.throughput_per_s.round() as u64)),
    ];
    if let Some(share) = totals.share(totals.committed()) {
        parts.push(format!("{} succeeded", format_percent(share)));
        parts.push(format!("95 % within {}", format_millis(totals.latency_ms.p95)));
    }
    for (count, one, many) in
        [(totals.deadlocks, "deadlock", "deadlocks"), (totals.retries, "retry", "retries")]
    {
        if count > 0 {
            parts.push(format!("{} {}", grouped(count), if count == 1 { one } else { many }));
        }
    }
    let targets = document.environment.targets.values();
    parts.extend(
        targets.map(|target| prose(&format!("{} {}", target.kind, target.version)).trim().to_owned()),
    );
    let mut text = format!("{}\n", parts.join(" · "));
    if totals.requests.sent > 0 {
        for sentence in request_sentences(document) {
            text.push_str(&format!("\n{}\n", prose(&sentence)));
        }
    }
    text
}

pub(super) fn broken_invariants(document: &Document) -> String {
    let broken: Vec<&InvariantResult> =
        document.invariants.iter().filter(|one| one.violated > 0 && !one.rows.is_empty()).collect();
    let parts: Vec<String> = broken.iter().take(MOST_BROKEN).map(|one| failing_rows(one)).collect();
    format!("{}{}", parts.join("\n"), more(broken.len(), MOST_BROKEN, "broken invariants"))
}

fn failing_rows(invariant: &InvariantResult) -> String {
    let mut text = format!("**{}**, expected {}", prose(&invariant.name), code(&invariant.expect));
    if let Some(description) = &invariant.description {
        text.push_str(&format!(": {}", prose(description)));
    }
    text.push_str("\n\n");
    let columns: Vec<String> =
        invariant.columns.iter().take(MOST_COLUMNS).map(|name| prose(name)).collect();
    if !columns.is_empty() {
        let header: Vec<&str> = columns.iter().map(String::as_str).collect();
        let rows = invariant.rows.iter().take(MOST_ROWS);
        let cells = |row: &Vec<String>| {
            let values = row.iter().map(String::as_str).chain(std::iter::repeat("")).take(columns.len());
            values.map(|value| code(&crate::report::texts::short(value, 80))).collect()
        };
        text.push_str(&table(&header, rows.map(cells)));
    }
    let failing = usize::try_from(invariant.failing_rows).unwrap_or(usize::MAX);
    text.push_str(&more(failing, invariant.rows.len().min(MOST_ROWS), "rows"));
    text
}

pub(super) fn advice(document: &Document) -> String {
    if document.verdict == Conclusion::Pass {
        return String::new();
    }
    let advice = document.grades.iter().flat_map(|grade| &grade.advice).take(MOST_BROKEN);
    let lines: String = advice.map(|advice| format!("- {}\n", prose(advice))).collect();
    if lines.is_empty() { lines } else { format!("Advice:\n\n{lines}") }
}

pub(super) fn operations(document: &Document) -> String {
    let all = (document.operations.len() > 1).then_some(("all", &document.totals));
    let named = document.operations.iter().map(|(name, operation)| (name.as_str(), operation));
    let rows =
        named.take(MOST_OPERATIONS).chain(all).map(|(name, operation)| operation_row(name, operation));
    let header = [
        "operation",
        "#started",
        "#success",
        "#median",
        "#95%",
        "#99%",
        "#per second",
        "#deadlocks",
        "#retries",
    ];
    let table = table(&header, rows);
    format!("{table}{}", more(document.operations.len(), MOST_OPERATIONS, "operations"))
}

fn operation_row(name: &str, operation: &OperationResults) -> Vec<String> {
    let latency = &operation.latency_ms;
    let share = operation.share(operation.committed());
    let mut row = vec![
        code(name),
        grouped(operation.started),
        share.map_or_else(|| "none".to_owned(), format_percent),
    ];
    row.extend([latency.p50, latency.p95, latency.p99].map(format_millis));
    row.push(grouped(operation.throughput_per_s.round() as u64));
    row.extend([operation.deadlocks, operation.retries].map(grouped));
    row
}

pub(super) fn variants(document: &Document) -> String {
    let mut text = String::new();
    if let Some(control) = &document.control {
        let patches: Vec<String> = control.patches.iter().map(|patch| code(patch)).collect();
        let reason = control.reasons.first().map(|reason| format!(": {}", prose(reason)));
        text.push_str(&format!(
            "**Control** ({}) {}{}\n",
            patches.join("; "),
            control.outcome.words(),
            reason.unwrap_or_default()
        ));
    }
    if document.compared.is_empty() {
        return text;
    }
    let rows = document.compared.iter().map(|run| {
        let mut row = vec![code(&run.retry), success(run)];
        row.extend([run.recovered, run.exhausted, run.failed].map(grouped));
        row.extend([run.latency_mean_ms, run.latency_p95_ms, run.latency_p99_ms].map(format_millis));
        row.push(grouped(run.throughput_per_s.round() as u64));
        row
    });
    let header = [
        "retry",
        "#success",
        "#recovered",
        "#exhausted",
        "#failed",
        "#mean",
        "#95%",
        "#99%",
        "#per second",
    ];
    let sentence = bought(&document.compared).map(|sentence| format!("\n{}\n", prose(&sentence)));
    let gap = if text.is_empty() { "" } else { "\n" };
    format!("{text}{gap}{}{}", table(&header, rows), sentence.unwrap_or_default())
}

pub(super) fn demands(document: &Document) -> String {
    let mut rows = Vec::new();
    for one in &document.invariants {
        let result = match (one.violated, &one.error) {
            (0, None) if one.checked > 0 => "holds".to_owned(),
            (0, None) => "**not checked**".to_owned(),
            (0, Some(_)) => "**error**".to_owned(),
            _ => "**broken**".to_owned(),
        };
        let checked = match one.checked {
            1 => "1 check".to_owned(),
            checks => format!("{} checks", grouped(checks)),
        };
        rows.push(vec![code(&one.name), code(&one.expect), checked, result]);
    }
    for one in &document.effects {
        let result = match effect_word(one) {
            (word, true) => word.to_owned(),
            (word, false) => format!("**{word}**"),
        };
        rows.push(vec![code(&one.name), code(&one.expected), code(&one.observed), result]);
    }
    let conditions = document.thresholds.iter().map(|one| (one, "**broken**"));
    for (one, broken) in conditions.chain(document.requirements.iter().map(|one| (one, "**inconclusive**")))
    {
        let (unknown, broken) = match (&one.does_not_apply, &one.undecided) {
            (Some(_), _) => ("–", "doesn't apply"),
            (None, Some(_)) => ("no samples", "undecided"),
            (None, None) => ("no samples", broken),
        };
        let observed = one.observed.as_deref().unwrap_or(unknown);
        let result = if one.holds { "holds" } else { broken };
        rows.push(vec![code(&one.metric), code(&one.condition), prose(observed), result.to_owned()]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let all = rows.len();
    let table = table(&["demand", "demanded", "#measured", "result"], rows.into_iter().take(MOST_DEMANDS));
    let body = format!("{table}{}", more(all, MOST_DEMANDS, "demands"));
    folded("Invariants and thresholds", &body)
}

pub(super) fn grades(document: &Document) -> String {
    if document.grades.is_empty() {
        return String::new();
    }
    let rows = document.grades.iter().take(MOST_DEMANDS).map(|one| {
        let observed = one.observed.as_deref().unwrap_or("no samples");
        vec![code(&one.metric), prose(observed), prose(&one.grade)]
    });
    folded("Grades", &table(&["metric", "#measured", "grade"], rows))
}

pub(super) fn waits(document: &Document) -> String {
    let waits = &document.waits;
    let order = &document.lock_order;
    let mut body = String::new();
    for one in order.violations.iter().take(MOST_PAIRS) {
        let earlier = one.after_step.as_deref().map(|step| format!(" (by {})", code(step)));
        body.push_str(&format!(
            "- {} in {} locked {} after {}{}, {} times: against the declared order\n",
            code(&one.step),
            code(&one.operation),
            code(&one.table),
            code(&one.after),
            earlier.unwrap_or_default(),
            grouped(one.count)
        ));
    }
    if waits.waits > 0 {
        let rows = waits.pairs.iter().take(MOST_PAIRS).map(|pair| {
            vec![
                code(&pair.waiting),
                code(&pair.blocking),
                pair.table.as_deref().map(code).unwrap_or_default(),
                grouped(pair.waits),
                format_millis(pair.total_ms),
            ]
        });
        let separator = if body.is_empty() { "" } else { "\n" };
        body.push_str(separator);
        body.push_str(&table(&["waiting", "for", "on", "#waits", "#in all"], rows));
        body.push_str(&more(waits.pairs.len(), MOST_PAIRS, "pairs"));
    }
    if body.is_empty() { body } else { folded("Lock waits and lock order", &body) }
}

pub(super) fn failures(document: &Document) -> String {
    if document.errors.is_empty() {
        return String::new();
    }
    let rows = document.errors.iter().take(MOST_PAIRS).map(|error| {
        let cause = error.cause.as_ref().map_or_else(|| "assertion".to_owned(), ToString::to_string);
        vec![
            code(&error.operation),
            code(&error.step),
            code(&cause),
            grouped(error.count),
            code(&error.message),
        ]
    });
    folded("Failures", &table(&["operation", "step", "cause", "#times", "first message"], rows))
}

/// The matrix of races, and the first schedules that broke something.
pub(super) fn races(document: &Document) -> String {
    if document.races.is_empty() {
        return String::new();
    }
    let rows = document.races.iter().map(|race| {
        let (word, conclusion) = race::outcome(race);
        vec![
            code(&race.race),
            race.isolation.name().to_owned(),
            grouped(race.executed + race.pruned),
            grouped(race.holds),
            grouped(race.violated),
            grouped(race.errors),
            format!("{} {word}", super::sign(conclusion)),
        ]
    });
    let mut text = table(&["race", "level", "#schedules", "#hold", "#broken", "#errors", "outcome"], rows);
    for (heading, picture) in race::pictures(document) {
        text.push_str(&format!("\n**{}**\n\n{}\n", prose(&heading), block(&picture)));
    }
    text
}

/// The levels that were probed, and what was seen at each.
pub(super) fn probes(document: &Document) -> String {
    let rows = document.probes.iter().map(|one| {
        vec![
            one.name().to_owned(),
            one.promised.words().to_owned(),
            format!("{} {}", super::sign(judge_probe(one).0), probe::seen(one)),
            grouped(one.committed),
            grouped(one.overlapped),
            format_millis(one.locks_held.p50),
            format_millis(one.locks_held.p95),
        ]
    });
    let header = ["level", "demanded", "seen", "#committed", "#overlapped", "#locks held p50", "#p95"];
    let mut text = table(&header, rows);
    for (heading, seen) in probe::pictures(document).into_iter().skip(2) {
        text.push_str(&format!("\n**{}**\n\n{}\n", prose(&heading), block(&seen)));
    }
    text
}

pub(super) fn repeat(document: &Document) -> String {
    format!("Repeat it with {}\n", code(&command::repeat(document)))
}
