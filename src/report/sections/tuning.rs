//! What to tune.

use super::super::{cells::wrapped, document::Document, table::Style, tuning};

pub(in crate::report) fn tuning(document: &Document, style: &Style) -> String {
    let sentences = tuning::sentences(document);
    if sentences.is_empty() {
        return String::new();
    }
    let lines = sentences.iter().map(|line| wrapped(line, "  ", style.width).replacen("  ", "", 1));
    style.heading("Tuning") + &lines.collect::<String>()
}
