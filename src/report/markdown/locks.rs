//! What speaks of locks in Markdown: deadlocks explained, and the operations that met where something broke.

use super::{
    escape::prose,
    sections::{folded, more},
};
use crate::report::{cycles, document::Document, incidents};

const MOST_CYCLES: usize = 4;

/// Deadlocks, who waited for whom and what to change.
pub(super) fn deadlocks(document: &Document) -> String {
    let explained = cycles::explained(document);
    if explained.is_empty() {
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
    let rest = cycles::rest(document);
    if !rest.is_empty() {
        body.push_str(&format!("{}\n", prose(&rest)));
    }
    folded("Deadlocks explained", body.trim_end())
}

/// Operations that met where something broke.
pub(super) fn incidents(document: &Document) -> String {
    let lines: String =
        incidents::sentences(document).iter().map(|line| format!("- {}\n", prose(line))).collect();
    if lines.is_empty() { lines } else { format!("Operations involved:\n\n{lines}") }
}
