//! What scripts of several statements answer.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Column, Either, Executor, Row as _, mysql::MySqlRow};

use super::{
    super::{Answers, Failure, ResultTable},
    decoding::{self, ColumnType},
    session::MySqlSession,
};
use crate::expression::{Row, Value, to_text};

impl MySqlSession {
    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut current: Option<Table> = None;
        let mut results = (&mut self.connection).fetch_many(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
        let failure = loop {
            match self.patience.wait(results.try_next()).await {
                Ok(Ok(Some(Either::Left(done)))) => {
                    answers.affected += done.rows_affected();
                    answers.tables.push(current.take().map(|table| {
                        answers.affected += table.rows.len() as u64;
                        answers.rows = table.rows;
                        table.texts
                    }));
                }
                Ok(Ok(Some(Either::Right(row)))) => {
                    if let Err(failure) = current.get_or_insert_with(|| Table::of(&row)).add(&row) {
                        break Some(failure);
                    }
                }
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(Failure::from_sqlx(&error)),
                Err(no_answer) => break Some(no_answer),
            }
        };
        // NB: what is left of the answer is read by the driver before the next statement.
        drop(results);
        self.lost |= failure.as_ref().is_some_and(|failure| failure.connection_lost);
        Answers { failure, ..answers }
    }
}

/// The rows of a statement that is being answered.
struct Table {
    types: Vec<ColumnType>,
    columns: Arc<[Box<str>]>,
    rows: Vec<Row>,
    texts: ResultTable,
}

impl Table {
    fn of(row: &MySqlRow) -> Self {
        let columns: Arc<[Box<str>]> = row.columns().iter().map(|column| column.name().into()).collect();
        Self {
            types: row.columns().iter().map(|column| ColumnType::of(column.type_info())).collect(),
            texts: ResultTable {
                columns: columns.iter().map(|name| name.to_string()).collect(),
                rows: Vec::new(),
            },
            columns,
            rows: Vec::new(),
        }
    }

    fn add(&mut self, row: &MySqlRow) -> Result<(), Failure> {
        let values = decoding::decode(row, &self.types)?;
        let text = |value: &Value| (!value.is_none()).then(|| to_text(value));
        self.texts.rows.push(values.iter().map(text).collect());
        self.rows.push(Row::new(Arc::clone(&self.columns), values));
        Ok(())
    }
}
