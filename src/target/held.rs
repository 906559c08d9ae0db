//! A connection as its session holds it: what the drivers' connections do alike.
//!
//! Statements and scripts go in; what was answered goes out, or the [`Failure`], and whether the connection
//! is still good is noted. Absent on purpose: how values are bound and rows decoded, which each kind of
//! database does its own way.

use std::future::Future;

use sqlx::{AssertSqlSafe, Connection, Database, Either, Execute, Executor, SqlSafeStr};

use super::{Failure, answers, patience::Patience};

/// One connection, for its session's life.
#[derive(Debug)]
pub(super) struct HeldConnection<C> {
    connection: C,
    /// `None`: an answer is waited for however long it takes.
    patience: Option<Patience>,
    lost: bool,
}

impl<C> HeldConnection<C>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    pub(super) fn new(connection: C, patience: Option<Patience>) -> Self {
        Self { connection, patience, lost: false }
    }

    /// True when the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        if !self.lost {
            // The server notices a closed connection anyway, and a file is closed either way.
            let _ = self.connection.close().await;
        }
    }

    /// Lets the server parse a statement.
    pub(super) async fn parse(
        &mut self,
        sql: &str,
    ) -> Result<<C::Database as Database>::Statement, Failure> {
        let text = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let parsed = answered(&mut self.patience, (&mut self.connection).prepare(text)).await;
        self.heard(parsed)
    }

    /// Runs statements without values or rows.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.carry_out(sql).await
    }

    /// Runs a script of one or several statements, without values or rows.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Failure> {
        self.carry_out(AssertSqlSafe(sql.to_owned())).await
    }

    async fn carry_out(&mut self, sql: impl SqlSafeStr) -> Result<(), Failure> {
        let done = (&mut self.connection).execute(sqlx::raw_sql(sql));
        let done = answered(&mut self.patience, done).await;
        self.heard(done).map(drop)
    }

    /// Runs statements without values, and returns the first row that they return.
    pub(super) async fn first_row(
        &mut self,
        sql: &'static str,
    ) -> Result<Option<<C::Database as Database>::Row>, Failure> {
        let row = (&mut self.connection).fetch_optional(sqlx::raw_sql(sql));
        let row = answered(&mut self.patience, row).await;
        self.heard(row)
    }

    /// Reads what a statement or script answers, to its end: `take` is given each row, and what was done at
    /// the end of each statement, until it fails.
    pub(super) async fn read<'q>(
        &mut self,
        query: impl Execute<'q, C::Database> + 'q,
        take: impl FnMut(AnswerPart<C>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let answer = (&mut self.connection).fetch_many(query);
        let read = answers::read(answer, self.patience.as_mut(), take).await;
        self.heard(read)
    }

    /// Notes when the connection is gone.
    fn heard<T>(&mut self, answer: Result<T, Failure>) -> Result<T, Failure> {
        self.lost |= answer.as_ref().is_err_and(|failure| failure.connection_lost);
        answer
    }
}

/// What a statement did, or a row that it returns.
type AnswerPart<C> = Either<
    <<C as Connection>::Database as Database>::QueryResult,
    <<C as Connection>::Database as Database>::Row,
>;

async fn answered<T>(
    patience: &mut Option<Patience>,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Failure> {
    let answer = match patience {
        Some(patience) => patience.wait(answer).await?,
        None => answer.await,
    };
    answer.map_err(|error| Failure::from_sqlx(&error))
}
