//! One connection, held.

use std::sync::Arc;

use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Either, PgConnection, Statement, TypeInfo,
    postgres::{PgArguments, PgStatement, PgTypeInfo},
};

use super::{
    super::{
        Answers, ConnectError, Failure, SessionSettings,
        answers::AnswerTable,
        held::HeldConnection,
        patience::{self, Patience},
        statement,
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
    pub(in crate::target) connection: HeldConnection<PgConnection>,
    pid: i32,
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
        let connection = HeldConnection::new(connection, Some(Patience::new(limit)));
        Ok(Self { connection, pid })
    }

    pub(in crate::target) fn pid(&self) -> i32 {
        self.pid
    }

    /// Parameters of a type that has no binary form here are sent as text and cast by the
    /// server; `placeholders` tells where in the text they stand.
    pub(in crate::target) async fn prepare(
        &mut self,
        sql: &str,
        placeholders: &[usize],
    ) -> Result<PreparedStatement, Failure> {
        let statement = self.connection.parse(sql).await?;
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
        let statement = self.connection.parse(&cast).await?;
        let parameters = parameter_types(&statement);
        Ok(finish(statement, parameters))
    }

    /// One message with both statements, so that reading the level back costs no round trip.
    pub(in crate::target) async fn begin(
        &mut self,
        isolation: Option<Isolation>,
    ) -> Result<Option<Isolation>, Failure> {
        let row = self.connection.first_row(begin_sql(isolation)).await?;
        Ok(row.and_then(|row| decoding::read_text(&row, 0, Isolation::from_server)))
    }

    pub(in crate::target) async fn execute(
        &mut self,
        prepared: &PreparedStatement,
        values: &[Value],
        fetch: bool,
    ) -> Result<Rows, Failure> {
        let mut arguments = PgArguments::default();
        statement::bind_each(values, prepared.parameters.len(), |n, value| {
            let (kind, info) = &prepared.parameters[n];
            binding::bind(&mut arguments, *kind, info, value)
        })?;
        let mut rows = Rows::default();
        let query = prepared.statement.query_with(arguments);
        let read = self.connection.read(query, |part| {
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
        read.await.map(|()| rows)
    }

    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut current: Option<(Vec<DataType>, AnswerTable)> = None;
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let read = self.connection.read(script, |part| {
            match part {
                Either::Left(done) => {
                    answers.affected += done.rows_affected();
                    answers.done(current.take().map(|(_, table)| table));
                }
                Either::Right(row) => {
                    let (types, table) =
                        current.get_or_insert_with(|| AnswerTable::begun_by(&row, decoding::type_in_text));
                    table.add(decoding::decode_texts(&row, types)?, decoding::texts(&row));
                }
            }
            Ok(())
        });
        let failure = read.await.err();
        Answers { failure, ..answers }
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
    let columns = statement::names(statement.columns());
    let column_types = statement.columns().iter().map(|column| DataType::of(column.type_info())).collect();
    PreparedStatement { statement, parameters, columns, column_types }
}

/// A name as an identifier in quotes, whatever is in it.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
