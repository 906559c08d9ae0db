//! The comparison with a baseline.

use super::{
    escape::{code, prose},
    sections::table,
};
use crate::report::{comparison, document::Document};

/// Nothing without a baseline.
pub(super) fn section(document: &Document) -> String {
    let Some(comparison) = &document.comparison else { return String::new() };
    let mut text = format!("### Against the baseline {}\n\n", code(&comparison.baseline));
    let rows = comparison.differences.iter().map(|one| {
        let mut row = vec![code(&one.metric)];
        row.extend(comparison::cells(one).map(|cell| prose(&cell)));
        row.push(one.finding.words().to_owned());
        row
    });
    if !comparison.differences.is_empty() {
        let header = ["metric", "#before", "#after", "#change", "#99% interval", "finding"];
        text.push_str(&table(&header, rows));
        text.push('\n');
    }
    for sentence in comparison::sentences(comparison) {
        text.push_str(&format!("{}\n\n", prose(&sentence)));
    }
    text.trim_end().to_owned() + "\n"
}
