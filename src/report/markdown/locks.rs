//! What speaks of causes in Markdown: deadlocks explained, the operations that met where something broke,
//! retries, and what to tune.

use super::{
    escape::prose,
    sections::{folded, more, table},
};
use crate::{
    report::{cells::grouped, cycles, document::Document, incidents, retries, tuning},
    units::format_millis,
};

const MOST_CYCLES: usize = 4;

/// Deadlocks, who waited for whom and what to change.
pub(super) fn deadlocks(document: &Document) -> String {
    let explained = cycles::explained(document);
    let sentences = [cycles::rest(document), cycles::counted(document)];
    if explained.is_empty() && sentences[1].is_empty() {
        return String::new();
    }
    let mut body = String::new();
    for one in explained.iter().take(MOST_CYCLES) {
        body.push_str(&format!("**{}**\n\n", prose(&one.heading)));
        for party in &one.parties {
            body.push_str(&format!("- {}\n", prose(party)));
        }
        if !one.advice.is_empty() {
            body.push_str(&format!("\n{}\n", prose(&one.advice)));
        }
        body.push('\n');
    }
    body.push_str(&more(explained.len(), MOST_CYCLES, "kinds of deadlocks"));
    for sentence in sentences.iter().filter(|sentence| !sentence.is_empty()) {
        body.push_str(&format!("{}\n", prose(sentence)));
    }
    let heading = if explained.is_empty() { "Deadlocks" } else { "Deadlocks explained" };
    folded(heading, body.trim_end())
}

/// Operations that met where something broke.
pub(super) fn incidents(document: &Document) -> String {
    let lines: String =
        incidents::sentences(document).iter().map(|line| format!("- {}\n", prose(line))).collect();
    if lines.is_empty() { lines } else { format!("Operations involved:\n\n{lines}") }
}

/// What to tune.
pub(super) fn tuning(document: &Document) -> String {
    let lines: String =
        tuning::sentences(document).iter().map(|line| format!("- {}\n", prose(line))).collect();
    if lines.is_empty() { lines } else { folded("Tuning", lines.trim_end()) }
}

/// Failures that should have been tried again, and what retries brought.
pub(super) fn retries(document: &Document) -> String {
    let findings = retries::findings(document);
    let found: String = findings.iter().map(|line| format!("- ⚠️ {}\n", prose(line))).collect();
    if document.retries.attempts.is_empty() {
        return found;
    }
    let rows = document.retries.attempts.iter().map(|attempt| {
        let causes: Vec<String> =
            attempt.causes.iter().map(|(cause, count)| format!("{cause} {}", grouped(*count))).collect();
        vec![
            attempt.retry.to_string(),
            grouped(attempt.count),
            grouped(attempt.recovered),
            grouped(attempt.exhausted),
            prose(&causes.join(", ")),
            format_millis(attempt.declared_ms),
            format_millis(attempt.measured_ms.mean),
        ]
    });
    let header =
        ["retry", "#made", "#recovered", "#given up", "because of", "#declared delay", "#mean delay"];
    let lines: String =
        retries::sentences(document).iter().map(|line| format!("\n{}\n", prose(line))).collect();
    format!("{found}{}", folded("Retries", &format!("{}{lines}", table(&header, rows))))
}
