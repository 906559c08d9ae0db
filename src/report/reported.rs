//! What there is to report of one scenario.

use super::document::Document;

/// A run, or why there was none.
#[derive(Debug, Clone, PartialEq)]
pub enum Reported {
    Ran(Box<Document>),
    CouldNotRun {
        /// The scenario's file.
        scenario: String,
        message: String,
    },
}
