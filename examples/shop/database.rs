//! The two kinds of databases that the shop runs on, PostgreSQL and MySQL (MariaDB): which statement each
//! is sent, and what its errors mean. Values stand in statements as `$1`, `$2`, …

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, MySql, MySqlPool, PgPool, Postgres, Row as _,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlPoolOptions, MySqlRow},
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
};

use crate::bugs::{Bug, Bugs};

/// A connection isn't held longer than this by a lock. The provider sends an event again that was
/// answered 503.
const LOCK_TIMEOUT: &str = "10s";
const LONGEST_ACQUIRE: Duration = Duration::from_secs(30);

/// A statement, where they differ in the words of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    postgres: &'static str,
    mysql: &'static str,
}

/// One text for both kinds.
pub const fn both(text: &'static str) -> Sql {
    Sql { postgres: text, mysql: text }
}

/// A text for each kind.
pub const fn each(postgres: &'static str, mysql: &'static str) -> Sql {
    Sql { postgres, mysql }
}

/// A value of a statement.
#[derive(Debug, Clone)]
pub enum Value {
    Number(i64),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

/// What an error of the database means to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    Deadlock,
    Serialization,
    LockTimeout,
    UnknownReference,
    Other,
}

/// Told by SQLSTATE or by MySQL's number, whose SQLSTATE for a deadlock is that of a serialization failure.
pub fn kind_of(error: &sqlx::Error) -> ErrorKind {
    let sqlx::Error::Database(error) = error else { return ErrorKind::Other };
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return match error.number() {
            1213 => ErrorKind::Deadlock,
            1020 => ErrorKind::Serialization,
            1205 | 3572 => ErrorKind::LockTimeout,
            1452 => ErrorKind::UnknownReference,
            _ => ErrorKind::Other,
        };
    }
    match error.code().as_deref() {
        Some("40P01") => ErrorKind::Deadlock,
        Some("40001") => ErrorKind::Serialization,
        Some("55P03") => ErrorKind::LockTimeout,
        Some("23503") => ErrorKind::UnknownReference,
        _ => ErrorKind::Other,
    }
}

/// The shop's connections.
#[derive(Debug, Clone)]
pub enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
}

impl Pool {
    pub async fn connect(url: &str, connections: u32, bugs: &Bugs) -> Result<Self, sqlx::Error> {
        let resets = bugs.has(Bug::IsolationTooLate);
        if url.starts_with("mysql:") || url.starts_with("mariadb:") {
            mysql(url, connections, resets).await.map(Self::MySql)
        } else {
            postgres(url, connections, resets).await.map(Self::Postgres)
        }
    }

    /// Begins at READ COMMITTED, whatever the database's default is: every handler locks what it reads
    /// before it writes.
    pub async fn begin(&self, bugs: &Bugs) -> Result<Connection, sqlx::Error> {
        let too_late = bugs.has(Bug::IsolationTooLate);
        let mut connection = match self {
            Self::Postgres(pool) if !too_late => {
                Connection::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
            }
            Self::Postgres(pool) => Connection::Postgres(pool.begin().await?),
            // Its sessions have that level.
            Self::MySql(pool) => Connection::MySql(pool.begin().await?),
        };
        if too_late {
            // BUG: this sets the level of the next transaction. This one runs at the database's default, and
            // by the next one the pooler has reset the session.
            let late = each("SET default_transaction_isolation = 'read committed'", MYSQL_LEVEL);
            connection.run(late).await?;
        }
        Ok(connection)
    }
}

const MYSQL_LEVEL: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
/// MariaDB reads the first name, MySQL the second one.
const MYSQL_RESET: &str = "SET SESSION /*M! tx_isolation */ /*!80000 transaction_isolation */ = DEFAULT";

async fn postgres(url: &str, connections: u32, resets: bool) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("shop")
        .options([("lock_timeout", LOCK_TIMEOUT)])
        .disable_statement_logging();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LONGEST_ACQUIRE)
        .after_release(move |connection, _| {
            Box::pin(async move {
                if resets {
                    // As poolers do between one client and the next.
                    connection.execute("RESET default_transaction_isolation").await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
}

async fn mysql(url: &str, connections: u32, resets: bool) -> Result<MySqlPool, sqlx::Error> {
    let options = MySqlConnectOptions::from_str(&url.replacen("mariadb:", "mysql:", 1))?;
    MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LONGEST_ACQUIRE)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute("SET SESSION innodb_lock_wait_timeout = 10").await?;
                if !resets {
                    connection.execute(MYSQL_LEVEL).await?;
                }
                Ok(())
            })
        })
        .after_release(move |connection, _| {
            Box::pin(async move {
                if resets {
                    connection.execute(sqlx::raw_sql(MYSQL_RESET)).await?;
                }
                Ok(true)
            })
        })
        .connect_with(options.disable_statement_logging())
        .await
}

/// A connection in a transaction, which is rolled back unless it is committed.
pub enum Connection {
    Postgres(sqlx::Transaction<'static, Postgres>),
    MySql(sqlx::Transaction<'static, MySql>),
}

impl Connection {
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await,
            Self::MySql(transaction) => transaction.commit().await,
        }
    }

    /// Runs a statement without values or rows.
    pub async fn run(&mut self, sql: Sql) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(transaction) => transaction.execute(sqlx::raw_sql(sql.postgres)).await.map(drop),
            Self::MySql(transaction) => transaction.execute(sqlx::raw_sql(sql.mysql)).await.map(drop),
        }
    }

    /// Executes a statement; returns how many rows it changed.
    pub async fn execute(&mut self, sql: Sql, values: &[Value]) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Postgres(transaction) => {
                postgres_query(sql.postgres, values)?.execute(&mut **transaction).await?.rows_affected()
            }
            Self::MySql(transaction) => {
                mysql_query(sql.mysql, values)?.execute(&mut **transaction).await?.rows_affected()
            }
        })
    }

    /// Inserts a row; returns its `id`.
    pub async fn insert(&mut self, sql: Sql, values: &[Value]) -> Result<i64, sqlx::Error> {
        match self {
            Self::Postgres(transaction) => {
                let sql = format!("{} RETURNING id", sql.postgres);
                postgres_query(&sql, values)?.fetch_one(&mut **transaction).await?.try_get(0)
            }
            Self::MySql(transaction) => {
                let done = mysql_query(sql.mysql, values)?.execute(&mut **transaction).await?;
                i64::try_from(done.last_insert_id()).map_err(|error| sqlx::Error::Decode(error.into()))
            }
        }
    }

    pub async fn rows(&mut self, sql: Sql, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Postgres(transaction) => {
                let rows = postgres_query(sql.postgres, values)?.fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            Self::MySql(transaction) => {
                let rows = mysql_query(sql.mysql, values)?.fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
        })
    }

    /// The first row, when there is one.
    pub async fn row(&mut self, sql: Sql, values: &[Value]) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}

type PostgresQuery = sqlx::query::Query<'static, Postgres, PgArguments>;
type MySqlQuery = sqlx::query::Query<'static, MySql, MySqlArguments>;

fn postgres_query(sql: &str, values: &[Value]) -> Result<PostgresQuery, sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for value in values {
        query = match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.clone()),
        };
    }
    Ok(query)
}

/// Values in the order in which the statement names them.
fn mysql_query(sql: &str, values: &[Value]) -> Result<MySqlQuery, sqlx::Error> {
    let (text, places) = with_question_marks(sql);
    let mut query = sqlx::query(AssertSqlSafe(text));
    for place in places {
        let value = values.get(place).ok_or_else(|| {
            sqlx::Error::Encode(
                format!("the statement names value {}, and there is none", place + 1).into(),
            )
        })?;
        query = match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.clone()),
        };
    }
    Ok(query)
}

/// `$2 … $1` as `? … ?`, and which values these are, from 0.
fn with_question_marks(sql: &str) -> (String, Vec<usize>) {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut places = Vec::new();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        places.push(part[..digits].parse::<usize>().map_or(0, |number| number.saturating_sub(1)));
        text.push('?');
        text.push_str(&part[digits..]);
    }
    (text, places)
}

/// A row of either kind.
pub enum Row {
    Postgres(PgRow),
    MySql(MySqlRow),
}

impl Row {
    pub fn number(&self, column: usize) -> Result<i64, sqlx::Error> {
        match self {
            Self::Postgres(row) => {
                row.try_get::<i64, _>(column).or_else(|_| row.try_get::<i32, _>(column).map(i64::from))
            }
            Self::MySql(row) => row.try_get(column),
        }
    }

    pub fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::MySql(row) => row.try_get(column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_in_any_order() {
        let (text, places) = with_question_marks("UPDATE t SET a = $2, b = $12 WHERE id = $1");
        assert_eq!(text, "UPDATE t SET a = ?, b = ? WHERE id = ?");
        assert_eq!(places, [1, 11, 0]);
    }
}
