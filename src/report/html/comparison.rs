//! The comparison with a baseline, for the page.

use serde::Serialize;

use crate::{report::comparison, verdict::Comparison};

/// What the page shows of it.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonView {
    name: String,
    sentences: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    metric: String,
    /// Before, after, change, interval.
    cells: [String; 4],
    finding: &'static str,
}

impl ComparisonView {
    pub(super) fn new(comparison: &Comparison) -> Self {
        let rows = comparison.differences.iter().map(|one| Row {
            metric: one.metric.clone(),
            cells: comparison::cells(one),
            finding: one.finding.words(),
        });
        Self {
            name: comparison.baseline.clone(),
            sentences: comparison::sentences(comparison),
            rows: rows.collect(),
        }
    }
}
