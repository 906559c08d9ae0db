//! One connection, held.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Either, Executor, MySqlConnection, Row as _, SqlStr, Statement,
    mysql::{MySqlArguments, MySqlConnectOptions},
};

use super::{
    super::{
        Answers, Blocked, ConnectError, Failure, SessionSettings,
        answers::AnswerTable,
        held::HeldConnection,
        patience::{self, Patience},
        statement,
    },
    binding,
    decoding::{self, ColumnType},
    endpoint::MySqlEndpoint,
    status::{self, Deadlock},
    view::{self, SharedView, View},
};
use crate::{
    expression::{Row, Rows, Value},
    outcome::Isolation,
};

/// Version, free connections, connections in all.
pub const FACTS: &str = "
    SELECT VERSION(),
           CAST(@@GLOBAL.max_connections AS SIGNED) - (SELECT COUNT(*) FROM information_schema.processlist),
           CAST(@@GLOBAL.max_connections AS SIGNED)";

/// Sessions that wait for what isn't the engine's: a table's definition, or a lock of `GET_LOCK()`.
const OTHER_WAITS: &str = "
    SELECT id FROM information_schema.processlist
     WHERE state = 'User lock' OR state LIKE 'Waiting for % lock'";

const MARIADB_DEADLOCKS: &str = "
    SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
     WHERE variable_name = 'INNODB_DEADLOCKS'";
const MYSQL_DEADLOCKS: &str = "
    SELECT CAST(count AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'";

/// True when a version's text is MariaDB's.
pub fn is_mariadb(version: &str) -> bool {
    version.contains("MariaDB")
}

/// A statement, and what the server said of it when it parsed it. The server doesn't tell the types of
/// parameters.
#[derive(Debug)]
pub struct MySqlStatement {
    sql: SqlStr,
    parameters: usize,
    columns: Arc<[Box<str>]>,
}

impl MySqlStatement {
    /// The names of the columns that it returns.
    pub fn columns(&self) -> &[Box<str>] {
        &self.columns
    }
}

/// A connection to MySQL or MariaDB.
#[derive(Debug)]
pub struct MySqlSession {
    pub(in crate::target) connection: HeldConnection<MySqlConnection>,
    /// The server's number for the connection.
    thread: i32,
    mariadb: bool,
    view: SharedView,
    /// Numbers of the connections of all sessions of this endpoint.
    ours: Arc<Mutex<BTreeSet<i32>>>,
}

impl MySqlSession {
    pub(in crate::target) async fn connect(
        endpoint: &MySqlEndpoint,
        settings: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        let options: MySqlConnectOptions = endpoint.options(settings);
        let connect_error = |error| ConnectError::from_sqlx(endpoint.describe(), &error);
        let limit = settings.longest_answer;
        let connecting = async {
            let mut connection = options.connect().await.map_err(connect_error)?;
            let (thread, version): (u64, String) = sqlx::query_as("SELECT CONNECTION_ID(), VERSION()")
                .persistent(false)
                .fetch_one(&mut connection)
                .await
                .map_err(connect_error)?;
            let mariadb = is_mariadb(&version);
            let sql = format!("SET SESSION {}", variables(settings, mariadb).join(", "));
            (&mut connection).execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(connect_error)?;
            Ok((connection, thread, mariadb))
        };
        let no_answer = || ConnectError::no_answer(endpoint.describe(), limit);
        let (connection, thread, mariadb) = patience::connected(limit, connecting, no_answer).await?;
        let thread = i32::try_from(thread).unwrap_or_default();
        let (view, ours) = (SharedView::clone(&endpoint.view), Arc::clone(&endpoint.ours));
        let connection = HeldConnection::new(connection, Some(Patience::new(limit)));
        ours.lock().unwrap_or_else(PoisonError::into_inner).insert(thread);
        Ok(Self { connection, thread, mariadb, view, ours })
    }

    pub(in crate::target) fn thread(&self) -> i32 {
        self.thread
    }

    /// Numbers of the connections of all sessions of this process with the server.
    pub(in crate::target) fn threads_of_ours(&self) -> BTreeSet<i32> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::target) fn is_mariadb(&self) -> bool {
        self.mariadb
    }

    pub(in crate::target) async fn prepare(&mut self, sql: &str) -> Result<MySqlStatement, Failure> {
        let parsed = self.connection.parse(sql).await?;
        let parameters = statement::count_parameters(&parsed);
        let columns = statement::names(parsed.columns());
        Ok(MySqlStatement { sql: parsed.into_sql(), parameters, columns })
    }

    /// One message: the level holds for this transaction only. What is then in force is only to be seen
    /// in the engine's own table, which is too dear to be asked in every transaction.
    pub(in crate::target) async fn begin(&mut self, isolation: Option<Isolation>) -> Result<(), Failure> {
        let sql = match isolation {
            None => "START TRANSACTION",
            Some(Isolation::ReadUncommitted) => {
                "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; START TRANSACTION"
            }
            Some(Isolation::ReadCommitted) => {
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION"
            }
            Some(Isolation::RepeatableRead) => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION"
            }
            Some(Isolation::Serializable) => {
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION"
            }
        };
        self.connection.run(sql).await
    }

    pub(in crate::target) async fn execute(
        &mut self,
        prepared: &MySqlStatement,
        values: &[Value],
        fetch: bool,
    ) -> Result<Rows, Failure> {
        let mut arguments = MySqlArguments::default();
        statement::bind_each(values, prepared.parameters, |_, value| binding::bind(&mut arguments, value))?;
        let query = sqlx::query_with(prepared.sql.clone(), arguments);
        let mut rows = Rows::default();
        let mut types: Vec<ColumnType> = Vec::new();
        let mut columns = Arc::clone(&prepared.columns);
        let read = self.connection.read(query, |part| {
            let row = match part {
                Either::Left(done) => {
                    rows.affected += done.rows_affected();
                    return Ok(());
                }
                Either::Right(row) => row,
            };
            rows.affected += 1;
            if !fetch {
                return Ok(());
            }
            // Known from here on: when a statement is parsed, the types of its parameters, and so of its
            // columns, aren't, and neither is what `RETURNING` returns.
            if types.is_empty() {
                types = row.columns().iter().map(|column| ColumnType::of(column.type_info())).collect();
                if columns.len() != types.len() {
                    columns = statement::names(row.columns());
                }
            }
            let values = decoding::decode(&row, &types)?;
            rows.rows.push(Row::new(Arc::clone(&columns), values));
            Ok(())
        });
        read.await.map(|()| rows)
    }

    /// What scripts of several statements answer.
    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut current: Option<(Vec<ColumnType>, AnswerTable)> = None;
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let read = self.connection.read(script, |part| {
            match part {
                Either::Left(done) => {
                    let table = current.take().map(|(_, table)| table);
                    let returned = table.as_ref().map_or(0, AnswerTable::len) as u64;
                    answers.affected += done.rows_affected() + returned;
                    answers.done(table);
                }
                Either::Right(row) => {
                    let (types, table) =
                        current.get_or_insert_with(|| AnswerTable::begun_by(&row, ColumnType::of));
                    table.add_values(decoding::decode(&row, types)?);
                }
            }
            Ok(())
        });
        let failure = read.await.err();
        Answers { failure, ..answers }
    }

    /// A question without values.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Rows, Failure> {
        let statement = self.prepare(sql).await?;
        self.execute(&statement, &[], true).await
    }

    /// How many sessions wait for this one, or for one that does.
    pub(in crate::target) async fn count_blocked(&mut self) -> Result<u64, Failure> {
        let view = self.look().await?;
        Ok(view.blocked_by(self.thread).len() as u64)
    }

    /// Who waits, row locks, metadata locks and user locks alike, and for whom as far as that is known.
    pub(in crate::target) async fn blocked(&mut self) -> Result<Vec<Blocked>, Failure> {
        let mut waiting: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for thread in self.waiting_for_rows().await?.into_iter().chain(self.waiting_otherwise().await?) {
            waiting.entry(thread).or_default();
        }
        for wait in &self.look().await?.waits {
            // What is in the view and not in the fresh list is over.
            if let Some(by) = waiting.get_mut(&wait.waiting) {
                by.push(wait.blocking);
            }
        }
        Ok(waiting.into_iter().map(|(session, by)| Blocked { session, by }).collect())
    }

    /// Connections that wait for a lock of the engine's.
    pub(super) async fn waiting_for_rows(&mut self) -> Result<Vec<i32>, Failure> {
        Ok(status::waiting_threads(&self.engine_status().await?))
    }

    /// Connections that wait for a table's definition or for a lock of `GET_LOCK()`.
    pub(super) async fn waiting_otherwise(&mut self) -> Result<Vec<i32>, Failure> {
        let rows = self.ask(OTHER_WAITS).await?.rows;
        let thread = |value: &Value| value.as_i64().and_then(|id| i32::try_from(id).ok());
        Ok(rows.iter().filter_map(|row| thread(row.values().first()?)).collect())
    }

    pub(in crate::target) async fn latest_deadlock(&mut self) -> Result<Option<Deadlock>, Failure> {
        Ok(status::latest_deadlock(&self.engine_status().await?))
    }

    async fn engine_status(&mut self) -> Result<String, Failure> {
        let rows = self.ask("SHOW ENGINE INNODB STATUS").await?;
        let text = rows.rows.first().and_then(|row| row.values().last().map(ToString::to_string));
        Ok(text.unwrap_or_default())
    }

    pub(in crate::target) async fn deadlocks_so_far(&mut self) -> Result<Option<u64>, Failure> {
        let sql = if self.mariadb { MARIADB_DEADLOCKS } else { MYSQL_DEADLOCKS };
        let counted = self.ask(sql).await?.single();
        Ok(counted.as_i64().and_then(|count| u64::try_from(count).ok()))
    }

    /// What the engine shows of all sessions, at most a tenth of a second old.
    pub(super) async fn look(&mut self) -> Result<View, Failure> {
        let shared = SharedView::clone(&self.view);
        view::current(&shared, self).await.map(|(view, _)| view)
    }

    /// The level in force of every transaction under way, by connection; `None` when there is nothing
    /// new to see yet.
    pub(in crate::target) async fn levels_in_force(
        &mut self,
    ) -> Result<Option<Vec<(i32, Isolation)>>, Failure> {
        let shared = SharedView::clone(&self.view);
        let (view, is_new) = view::current(&shared, self).await?;
        let levels = view.transactions.iter().filter_map(|one| Some((one.thread, one.level?)));
        Ok(is_new.then(|| levels.collect()))
    }
}

/// What a session sets once. The driver announces itself as one that ignores spaces before parentheses,
/// which the server notes among the modes: the server's own are put back. InnoDB counts lock waits in
/// whole seconds.
fn variables(settings: &SessionSettings, mariadb: bool) -> Vec<String> {
    let mut variables = vec!["sql_mode = @@GLOBAL.sql_mode".to_owned()];
    let seconds_up = |timeout: Duration| timeout.as_millis().div_ceil(1_000).max(1);
    if let Some(timeout) = settings.lock_timeout {
        variables.push(format!("innodb_lock_wait_timeout = {}", seconds_up(timeout)));
        variables.push(format!("lock_wait_timeout = {}", seconds_up(timeout)));
    }
    if let Some(timeout) = settings.statement_timeout {
        variables.push(if mariadb {
            format!("max_statement_time = {}", timeout.as_secs_f64())
        } else {
            format!("max_execution_time = {}", timeout.as_millis().max(1))
        });
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_set_as_each_server_counts_them() {
        let settings = SessionSettings {
            lock_timeout: Some(Duration::from_millis(1_200)),
            statement_timeout: Some(Duration::from_millis(1_500)),
            ..SessionSettings::default()
        };
        assert_eq!(
            variables(&settings, true).join(", "),
            "sql_mode = @@GLOBAL.sql_mode, innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, max_statement_time = 1.5"
        );
        assert!(variables(&settings, false).join(", ").ends_with("max_execution_time = 1500"));
    }
}
