//! What statements answer: the one way in which every session reads it, and the results of a script.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use sqlx::{Column, Database, Either};

use super::{Failure, patience::Patience, statement};
use crate::expression::{Row, Value, to_text};

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

impl Answers {
    /// A statement has been carried out; `table` is what it returned.
    pub(super) fn done(&mut self, table: Option<AnswerTable>) {
        self.tables.push(table.map(|table| {
            self.rows = table.rows;
            table.texts
        }));
    }
}

/// What one statement returned, as the server's texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultTable {
    pub columns: Vec<String>,
    /// `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The rows of a statement that is being answered.
#[derive(Debug)]
pub(super) struct AnswerTable {
    columns: Arc<[Box<str>]>,
    rows: Vec<Row>,
    texts: ResultTable,
}

impl AnswerTable {
    /// The table that a row is the first of, and the type of each column as `kind` tells it.
    pub(super) fn begun_by<R: sqlx::Row, T>(
        row: &R,
        kind: impl Fn(&<R::Database as Database>::TypeInfo) -> T,
    ) -> (Vec<T>, Self) {
        let types = row.columns().iter().map(|column| kind(column.type_info())).collect();
        (types, Self::new(statement::names(row.columns())))
    }

    pub(super) fn new(columns: Arc<[Box<str>]>) -> Self {
        let texts = ResultTable {
            columns: columns.iter().map(|name| name.to_string()).collect(),
            rows: Vec::new(),
        };
        Self { columns, rows: Vec::new(), texts }
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row whose texts the server gave.
    pub(super) fn add(&mut self, values: Vec<Value>, texts: Vec<Option<String>>) {
        self.texts.rows.push(texts);
        self.rows.push(Row::new(Arc::clone(&self.columns), values));
    }

    /// A row whose values tell its texts.
    pub(super) fn add_values(&mut self, values: Vec<Value>) {
        let texts = values.iter().map(|value| (!value.is_none()).then(|| to_text(value))).collect();
        self.add(values, texts);
    }
}

/// Reads what a statement or script answers, to its end: `take` is given each row, and what was done at the
/// end of each statement, until it fails. Without `patience` the answer is waited for however long it takes.
///
/// # Errors
/// The first failure of `take`, or what the server answered instead.
pub(super) async fn read<D, R>(
    mut answer: impl Stream<Item = sqlx::Result<Either<D, R>>> + Unpin,
    mut patience: Option<&mut Patience>,
    mut take: impl FnMut(Either<D, R>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut failed = None;
    loop {
        let next = match &mut patience {
            Some(patience) => patience.wait(answer.try_next()).await?,
            None => answer.try_next().await,
        };
        match next {
            // The connection is good for the next statement once all of this one's answer is read.
            Ok(Some(_)) if failed.is_some() => {}
            Ok(Some(part)) => failed = take(part).err(),
            Ok(None) => return failed.map_or(Ok(()), Err),
            Err(error) => {
                let failure = Failure::from_sqlx(&error);
                return Err(failed.filter(|_| !failure.connection_lost).unwrap_or(failure));
            }
        }
    }
}
