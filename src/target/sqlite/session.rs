//! One connection, held. The driver gives each a thread of its own.

use std::sync::Arc;

use sqlx::{Column, ConnectOptions, Either, SqlStr, SqliteConnection, Statement, sqlite::SqliteArguments};

use super::{
    super::{
        Answers, ConnectError, Failure, SessionSettings, answers::AnswerTable, held::HeldConnection,
        statement,
    },
    binding,
    decoding::{self, ColumnType},
    endpoint::SqliteEndpoint,
};
use crate::{
    dialect::{Begin, Dialect},
    expression::{Row, Rows, Value},
    plan::split_statements,
};

/// Tables and views, but for SQLite's own.
const OWN_OBJECTS: &str = "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/// A statement, and what SQLite said of it when it parsed it.
#[derive(Debug)]
pub struct SqliteStatement {
    sql: SqlStr,
    parameters: usize,
    columns: Arc<[Box<str>]>,
    column_types: Vec<ColumnType>,
}

impl SqliteStatement {
    /// The names of the columns that it returns.
    pub fn columns(&self) -> &[Box<str>] {
        &self.columns
    }
}

/// A connection to a SQLite database.
#[derive(Debug)]
pub struct SqliteSession {
    pub(in crate::target) connection: HeldConnection<SqliteConnection>,
}

impl SqliteSession {
    pub(in crate::target) async fn connect(
        endpoint: &SqliteEndpoint,
        settings: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        let connection = endpoint.options(settings).connect().await;
        let connection =
            connection.map_err(|error| ConnectError::from_sqlx(endpoint.describe(), &error))?;
        Ok(Self { connection: HeldConnection::new(connection, None) })
    }

    pub(in crate::target) async fn prepare(&mut self, sql: &str) -> Result<SqliteStatement, Failure> {
        let parsed = self.connection.parse(sql).await?;
        let parameters = statement::count_parameters(&parsed);
        let columns = statement::names(parsed.columns());
        let column_types = parsed.columns().iter().map(|c| ColumnType::of(c.type_info())).collect();
        Ok(SqliteStatement { sql: parsed.into_sql(), parameters, columns, column_types })
    }

    pub(in crate::target) async fn begin(&mut self, begin: Begin) -> Result<(), Failure> {
        let sql = match begin {
            Begin::Deferred => "BEGIN DEFERRED",
            Begin::Immediate => "BEGIN IMMEDIATE",
        };
        self.connection.run(sql).await
    }

    pub(in crate::target) async fn execute(
        &mut self,
        prepared: &SqliteStatement,
        values: &[Value],
        fetch: bool,
    ) -> Result<Rows, Failure> {
        let mut arguments = SqliteArguments::default();
        statement::bind_each(values, prepared.parameters, |_, value| binding::bind(&mut arguments, value))?;
        let query = sqlx::query_with(prepared.sql.clone(), arguments);
        let returns_rows = !prepared.columns.is_empty();
        let mut rows = Rows::default();
        let read = self.connection.read(query, |part| {
            match part {
                // NB: after a SELECT it is what an earlier statement changed.
                Either::Left(done) if !returns_rows => rows.affected += done.rows_affected(),
                Either::Left(_) => {}
                Either::Right(row) => {
                    rows.affected += 1;
                    if fetch {
                        let values = decoding::decode(&row, &prepared.column_types)?;
                        rows.rows.push(Row::new(Arc::clone(&prepared.columns), values));
                    }
                }
            }
            Ok(())
        });
        read.await.map(|()| rows)
    }

    /// Some failures end the transaction by themselves (sqlite.org/lang_transaction.html, section 3), and
    /// then there is none to roll back.
    pub(in crate::target) async fn rollback(&mut self) -> Result<(), Failure> {
        match self.connection.run("ROLLBACK").await {
            Err(failure) if failure.code.as_deref() == Some("1") => Ok(()),
            other => other,
        }
    }

    /// Tables take their indexes and triggers along.
    pub(in crate::target) async fn drop_everything(&mut self) -> Result<(), Failure> {
        let made = self.prepare(OWN_OBJECTS).await?;
        let mut script = "PRAGMA foreign_keys = OFF;\n".to_owned();
        for row in self.execute(&made, &[], true).await?.rows {
            let [kind, name] = row.values() else { continue };
            let name = Dialect::Sqlite.quote(name.as_str().unwrap_or_default());
            script.push_str(&format!("DROP {kind} {name};\n"));
        }
        self.connection.script(&format!("{script}PRAGMA foreign_keys = ON")).await
    }

    /// Statement by statement, because only one that is prepared tells whether it returns rows.
    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        for part in split_statements(sql, Dialect::Sqlite) {
            let answered = match self.prepare(&part).await {
                Ok(statement) => {
                    let executed = self.execute(&statement, &[], true).await;
                    executed.map(|rows| (statement, rows))
                }
                Err(failure) => Err(failure),
            };
            let (statement, rows) = match answered {
                Ok(answered) => answered,
                Err(failure) => return Answers { failure: Some(failure), ..answers },
            };
            answers.affected += rows.affected;
            let mut table = (!statement.columns.is_empty()).then(|| AnswerTable::new(statement.columns));
            if let Some(table) = &mut table {
                rows.rows.iter().for_each(|row| table.add_values(row.values().to_vec()));
            }
            answers.done(table);
        }
        answers
    }
}
