//! One connection, held.

use std::sync::Arc;

use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, PgConnection, Row as _,
    SqlSafeStr, SqlStr, Statement, TypeInfo,
    postgres::{PgArguments, PgStatement, PgTypeInfo},
};

use super::{
    super::{
        Answers, ConnectError, Failure, SessionSettings,
        answers::{self, AnswerTable},
        patience::{self, Patience},
    },
    binding,
    data_type::DataType,
    decoding,
    endpoint::PostgresEndpoint,
};
use crate::{
    expression::{Row, Rows, Value},
    outcome::Isolation,
};

/// A statement with the types that the server found for it; good for every connection to the
/// same database.
#[derive(Debug)]
pub struct PreparedStatement {
    statement: PgStatement,
    parameters: Vec<(DataType, PgTypeInfo)>,
    columns: Arc<[Box<str>]>,
    column_types: Vec<DataType>,
}

impl PreparedStatement {
    /// The names of the columns that it returns.
    pub fn columns(&self) -> &[Box<str>] {
        &self.columns
    }
}

/// A connection to PostgreSQL.
#[derive(Debug)]
pub struct PostgresSession {
    connection: PgConnection,
    pid: i32,
    patience: Patience,
    lost: bool,
}

impl PostgresSession {
    pub(in crate::target) async fn connect(
        endpoint: &PostgresEndpoint,
        settings: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        let options = endpoint.options(settings);
        let connect_error = |error| ConnectError::from_sqlx(endpoint.describe(), &error);
        let limit = settings.longest_answer;
        let connecting = async {
            let mut connection = options.connect().await.map_err(connect_error)?;
            let (pid,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()")
                .persistent(false)
                .fetch_one(&mut connection)
                .await
                .map_err(connect_error)?;
            Ok((connection, pid))
        };
        let no_answer = || ConnectError::no_answer(endpoint.describe(), limit);
        let (connection, pid) = patience::connected(limit, connecting, no_answer).await?;
        Ok(Self { connection, pid, patience: Patience::new(limit), lost: false })
    }

    pub(in crate::target) fn pid(&self) -> i32 {
        self.pid
    }

    pub(in crate::target) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(in crate::target) async fn close(self) {
        if !self.lost {
            // The server notices a closed connection anyway.
            let _ = self.connection.close().await;
        }
    }

    /// Parameters of a type that has no binary form here are sent as text and cast by the
    /// server; `placeholders` tells where in the text they stand.
    pub(in crate::target) async fn prepare(
        &mut self,
        sql: &str,
        placeholders: &[usize],
    ) -> Result<PreparedStatement, Failure> {
        let statement = self.parse(sql).await?;
        let parameters = parameter_types(&statement);
        let foreign: Vec<usize> =
            (0..parameters.len()).filter(|n| !binding::is_bindable(parameters[*n].0)).collect();
        if foreign.is_empty() || placeholders.len() != parameters.len() {
            return Ok(finish(statement, parameters));
        }
        let mut cast = sql.to_owned();
        for n in foreign.into_iter().rev() {
            let placeholder = format!("${}", n + 1);
            let at = placeholders[n];
            let name = parameters[n].1.name().to_lowercase();
            cast.replace_range(at..at + placeholder.len(), &format!("({placeholder}::text)::{name}"));
        }
        let statement = self.parse(&cast).await?;
        let parameters = parameter_types(&statement);
        Ok(finish(statement, parameters))
    }

    async fn parse(&mut self, sql: &str) -> Result<PgStatement, Failure> {
        let text: SqlStr = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let parsed = self.patience.wait((&mut self.connection).prepare(text)).await;
        self.answer(parsed)
    }

    /// One message with both statements, so that reading the level back costs no round trip.
    pub(in crate::target) async fn begin(
        &mut self,
        isolation: Option<Isolation>,
    ) -> Result<Option<Isolation>, Failure> {
        let sql = begin_sql(isolation);
        let answer = self.patience.wait((&mut self.connection).fetch_optional(sqlx::raw_sql(sql))).await;
        let row = self.answer(answer)?;
        Ok(row.and_then(|row| decoding::read_text(&row, 0, Isolation::from_server)))
    }

    pub(in crate::target) async fn execute(
        &mut self,
        prepared: &PreparedStatement,
        values: &[Value],
        fetch: bool,
    ) -> Result<Rows, Failure> {
        if values.len() != prepared.parameters.len() {
            return Err(Failure::value(format!(
                "the statement takes {} values and {} were given",
                prepared.parameters.len(),
                values.len()
            )));
        }
        let mut arguments = PgArguments::default();
        for (n, ((kind, info), value)) in prepared.parameters.iter().zip(values).enumerate() {
            binding::bind(&mut arguments, *kind, info, value)
                .map_err(|message| Failure::value(format!("value {}: {message}", n + 1)))?;
        }
        let mut rows = Rows::default();
        let answer = (&mut self.connection).fetch_many(prepared.statement.query_with(arguments));
        let read = answers::read(answer, Some(&mut self.patience), |part| {
            match part {
                Either::Left(done) => rows.affected += done.rows_affected(),
                Either::Right(row) if fetch => {
                    let values = decoding::decode(&row, &prepared.column_types)?;
                    rows.rows.push(Row::new(Arc::clone(&prepared.columns), values));
                }
                Either::Right(_) => {}
            }
            Ok(())
        });
        let read = read.await;
        self.heard(read).map(|()| rows)
    }

    pub(in crate::target) async fn run(&mut self, sql: &'static str) -> Result<(), Failure> {
        let done = self.patience.wait((&mut self.connection).execute(sqlx::raw_sql(sql))).await;
        self.answer(done).map(drop)
    }

    pub(in crate::target) async fn script(&mut self, sql: &str) -> Result<(), Failure> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = self.patience.wait((&mut self.connection).execute(sql)).await;
        self.answer(done).map(drop)
    }

    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut current: Option<(Vec<DataType>, AnswerTable)> = None;
        let answer = (&mut self.connection).fetch_many(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
        let read = answers::read(answer, Some(&mut self.patience), |part| {
            match part {
                Either::Left(done) => {
                    answers.affected += done.rows_affected();
                    answers.done(current.take().map(|(_, table)| table));
                }
                Either::Right(row) => {
                    let (types, table) = current.get_or_insert_with(|| {
                        let columns = row.columns().iter();
                        let types =
                            columns.clone().map(|column| decoding::type_in_text(column.type_info()));
                        let names = columns.clone().map(|column| column.name().into());
                        (types.collect(), AnswerTable::new(names.collect()))
                    });
                    table.add(decoding::decode_texts(&row, types)?, decoding::texts(&row));
                }
            }
            Ok(())
        });
        let read = read.await;
        let failure = self.heard(read).err();
        Answers { failure, ..answers }
    }

    fn answer<T>(&mut self, answer: Result<sqlx::Result<T>, Failure>) -> Result<T, Failure> {
        self.heard(answer.and_then(|answer| answer.map_err(|error| Failure::from_sqlx(&error))))
    }

    /// Notes when the connection is gone.
    fn heard<T>(&mut self, answer: Result<T, Failure>) -> Result<T, Failure> {
        self.lost |= answer.as_ref().is_err_and(|failure| failure.connection_lost);
        answer
    }
}

/// Begins a transaction at a level and tells the one in force.
pub(super) fn begin_sql(isolation: Option<Isolation>) -> &'static str {
    match isolation {
        None => "BEGIN; SHOW transaction_isolation",
        Some(Isolation::ReadUncommitted) => {
            "BEGIN ISOLATION LEVEL READ UNCOMMITTED; SHOW transaction_isolation"
        }
        Some(Isolation::ReadCommitted) => {
            "BEGIN ISOLATION LEVEL READ COMMITTED; SHOW transaction_isolation"
        }
        Some(Isolation::RepeatableRead) => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SHOW transaction_isolation"
        }
        Some(Isolation::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE; SHOW transaction_isolation",
    }
}

fn parameter_types(statement: &PgStatement) -> Vec<(DataType, PgTypeInfo)> {
    match statement.parameters() {
        Some(Either::Left(types)) => types.iter().map(|info| (DataType::of(info), info.clone())).collect(),
        _ => Vec::new(),
    }
}

fn finish(statement: PgStatement, parameters: Vec<(DataType, PgTypeInfo)>) -> PreparedStatement {
    let columns = statement.columns().iter().map(|column| column.name().into()).collect();
    let column_types = statement.columns().iter().map(|column| DataType::of(column.type_info())).collect();
    PreparedStatement { statement, parameters, columns, column_types }
}

/// A name as an identifier in quotes, whatever is in it.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
