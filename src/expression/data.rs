//! The rows of a data file as a value, and whose turn it is to have which of them.

use std::{fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};

use super::Row;

/// Which operation this is, counted from 0: what `next` gives depends on it alone, so that it is the same
/// however the workers were scheduled, and after a retry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// Among all operations of the run.
    pub of_run: u64,
    /// Among those of its worker.
    pub of_worker: u64,
}

/// The rows of a data file.
pub struct DataRows {
    name: Box<str>,
    columns: Arc<[Box<str>]>,
    rows: Vec<Value>,
    is_once: bool,
    per_worker: bool,
}

impl DataRows {
    /// Rows of these columns, each row with a value for each column. `is_once`: `next` gives a row once
    /// only; `per_worker`: once for each worker.
    pub fn new(
        name: &str,
        columns: Arc<[Box<str>]>,
        rows: Vec<Vec<Value>>,
        is_once: bool,
        per_worker: bool,
    ) -> Self {
        let row = |values| Value::from_object(Row::new(Arc::clone(&columns), values));
        let rows = rows.into_iter().map(row).collect();
        Self { name: name.into(), columns, rows, is_once, per_worker }
    }

    /// The name that the scenario gives them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the columns.
    pub fn columns(&self) -> &Arc<[Box<str>]> {
        &self.columns
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// True when `next` gives a row once only.
    pub fn is_once(&self) -> bool {
        self.is_once
    }

    /// True when `next` goes through the rows for each worker by itself.
    pub fn is_per_worker(&self) -> bool {
        self.per_worker
    }

    /// A row by its position.
    pub fn row(&self, index: usize) -> Option<&Value> {
        self.rows.get(index)
    }

    /// The row of an operation; `None` when all rows are used up.
    pub(super) fn next(&self, turn: Turn) -> Option<&Value> {
        let number = if self.per_worker { turn.of_worker } else { turn.of_run };
        let rows = self.rows.len() as u64;
        let index = if self.is_once { number } else { number.checked_rem(rows)? };
        self.rows.get(usize::try_from(index).ok()?)
    }
}

impl fmt::Debug for DataRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data {} of {} rows", self.name, self.rows.len())
    }
}

impl Object for DataRows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.rows.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(is_once: bool, per_worker: bool) -> DataRows {
        let columns = Arc::from(["n".into()]);
        DataRows::new("numbers", columns, (0..3).map(|n| vec![n.into()]).collect(), is_once, per_worker)
    }

    fn numbers(rows: &DataRows, turns: impl Iterator<Item = (u64, u64)>) -> Vec<Option<i64>> {
        turns
            .map(|(of_run, of_worker)| {
                let row = rows.next(Turn { of_run, of_worker })?;
                row.get_attr("n").expect("a column").as_i64()
            })
            .collect()
    }

    #[test]
    fn rows_come_in_their_order_and_start_over() {
        let found = numbers(&rows(false, false), (0..5).map(|n| (n, 0)));
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(0), Some(1)]);
    }

    #[test]
    fn rows_that_are_used_once_are_used_up() {
        let found = numbers(&rows(true, false), (1..5).map(|n| (n, 0)));
        assert_eq!(found, [Some(1), Some(2), None, None]);
    }

    #[test]
    fn each_worker_has_all_rows() {
        let found = numbers(&rows(true, true), [(7, 0), (9, 2), (11, 3)].into_iter());
        assert_eq!(found, [Some(0), Some(2), None]);
    }
}
