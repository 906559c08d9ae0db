//! What a script of several statements answered, result by result.

use super::Failure;
use crate::expression::Row;

/// Results in their order, up to the first failure.
#[derive(Debug, Default)]
pub struct Answers {
    /// For each statement that was carried out: its rows, when it returned any.
    pub tables: Vec<Option<ResultTable>>,
    /// Rows of the last statement that returned any, as values.
    pub rows: Vec<Row>,
    /// Rows that the statements inserted, updated, deleted or selected.
    pub affected: u64,
    pub failure: Option<Failure>,
}

/// What one statement returned, as the server's texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultTable {
    pub columns: Vec<String>,
    /// `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}
