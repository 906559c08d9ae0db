//! A connection that only sends scripts, and is told everything that the server says to them.
//!
//! The driver of [`PostgresSession`](super::PostgresSession) keeps to itself what a transcript shows:
//! the columns of a result without rows, notices with their details, notifications. This one speaks
//! the simple protocol alone, with the settings that the server has for everybody, and has no TLS.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::TryStreamExt;
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio_postgres::{
    AsyncMessage, Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow, error::DbError,
};

use super::{
    super::{Answers, ConnectError, Failure, ResultTable, SessionSettings},
    endpoint::PostgresEndpoint,
    session::begin_sql,
};
use crate::outcome::Isolation;

/// What a server says unasked, in its order.
#[derive(Debug, Default)]
pub struct Heard {
    /// `NOTICE:  text`, with its detail and hint on further lines.
    pub notices: Vec<String>,
    pub notifications: Vec<Notification>,
}

/// A message of `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub channel: String,
    pub payload: String,
    /// The server's number for the session that sent it.
    pub from: i32,
}

/// What a session hears, also while a script of it is under way.
#[derive(Debug, Clone, Default)]
pub struct Ears(Arc<Mutex<Heard>>);

impl Ears {
    /// What was heard since the last time.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hear(&self, message: AsyncMessage) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            AsyncMessage::Notice(notice) => heard.notices.push(shown(&notice)),
            AsyncMessage::Notification(message) => heard.notifications.push(Notification {
                channel: message.channel().to_owned(),
                payload: message.payload().to_owned(),
                from: message.process_id(),
            }),
            _ => {}
        }
    }
}

fn shown(notice: &DbError) -> String {
    let mut text = format!("{}:  {}", notice.severity(), notice.message());
    for (label, more) in [("DETAIL", notice.detail()), ("HINT", notice.hint())] {
        text.extend(more.map(|more| format!("\n{label}:  {more}")));
    }
    text
}

/// A connection to PostgreSQL for scripts.
#[derive(Debug)]
pub struct ScriptSession {
    client: Client,
    ears: Ears,
    pid: i32,
    lost: bool,
}

impl ScriptSession {
    /// Connects. The connection is driven by a task of the runtime, which ends with the session.
    pub(in crate::target) async fn connect(
        place: &PostgresEndpoint,
        settings: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        let config = config(&place.options(settings));
        let refused = |error: &tokio_postgres::Error| match failure_of(error) {
            failure if failure.code.is_some() => {
                ConnectError::Refused { server: place.describe(), message: failure.to_string() }
            }
            failure => {
                ConnectError::Unreachable { server: place.describe(), message: failure.message.clone() }
            }
        };
        let (client, mut connection) = config.connect(NoTls).await.map_err(|error| refused(&error))?;
        let ears = Ears::default();
        let heard = ears.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                heard.hear(message);
            }
        });
        let mut session = Self { client, ears, pid: 0, lost: false };
        let answers = session.answers("SELECT pg_backend_pid()").await;
        let pid =
            answers.tables.first().and_then(|table| table.as_ref()?.rows.first()?.first()?.as_deref());
        session.pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or_default();
        Ok(session)
    }

    /// True for a place that wants its connections encrypted.
    pub(in crate::target) fn is_refused_by(place: &PostgresEndpoint) -> bool {
        let mode = place.options(&SessionSettings::default()).get_ssl_mode();
        matches!(mode, PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull)
    }

    pub(in crate::target) fn pid(&self) -> i32 {
        self.pid
    }

    pub(in crate::target) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(in crate::target) fn ears(&self) -> Ears {
        self.ears.clone()
    }

    pub(in crate::target) async fn begin(
        &mut self,
        isolation: Option<Isolation>,
    ) -> Result<Option<Isolation>, Failure> {
        let Answers { tables, failure, .. } = self.answers(begin_sql(isolation)).await;
        let level = tables.iter().flatten().find_map(|table| table.rows.first()?.first()?.clone());
        failure.map_or(Ok(level.as_deref().and_then(Isolation::from_server)), Err)
    }

    pub(in crate::target) async fn script(&mut self, sql: &str) -> Result<(), Failure> {
        self.answers(sql).await.failure.map_or(Ok(()), Err)
    }

    /// Sends a script as one message, and waits until the server is ready for the next one: after a
    /// failure it still has to let go of the locks.
    pub(in crate::target) async fn answers(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut table = None;
        let stream = match self.client.simple_query_raw(sql).await {
            Ok(stream) => stream,
            Err(error) => return self.failed(answers, &error),
        };
        let mut stream = std::pin::pin!(stream);
        loop {
            match stream.try_next().await {
                Ok(Some(SimpleQueryMessage::RowDescription(columns))) => {
                    let columns = columns.iter().map(|column| column.name().to_owned()).collect();
                    table = Some(ResultTable { columns, rows: Vec::new() });
                }
                Ok(Some(SimpleQueryMessage::Row(row))) => {
                    table.iter_mut().for_each(|table| table.rows.push(texts(&row)));
                }
                Ok(Some(SimpleQueryMessage::CommandComplete(affected))) => {
                    answers.affected += affected;
                    answers.tables.push(table.take());
                }
                Ok(Some(_)) => {}
                Ok(None) => return answers,
                Err(error) => {
                    answers = self.failed(answers, &error);
                    if self.lost {
                        return answers;
                    }
                }
            }
        }
    }

    fn failed(&mut self, mut answers: Answers, error: &tokio_postgres::Error) -> Answers {
        let failure = failure_of(error);
        self.lost |= failure.connection_lost || self.client.is_closed();
        answers.failure.get_or_insert(failure);
        answers
    }
}

/// The other driver's options, said to this one.
fn config(options: &PgConnectOptions) -> Config {
    let mut config = Config::new();
    let user = options.get_username();
    config.user(user).dbname(options.get_database().unwrap_or(user)).port(options.get_port());
    match options.get_socket() {
        Some(folder) => config.host_path(folder),
        None => config.host(options.get_host()),
    };
    // NB: a password is told in the URL alone, percent-encoded.
    let mut url = options.to_url_lossy();
    url.set_query(None);
    if let Some(password) = url.as_str().parse::<Config>().ok().as_ref().and_then(Config::get_password) {
        config.password(password);
    }
    options.get_application_name().map(|name| config.application_name(name));
    options.get_options().map(|settings| config.options(settings));
    config
}

fn texts(row: &SimpleQueryRow) -> Vec<Option<String>> {
    (0..row.len()).map(|column| row.try_get(column).ok().flatten().map(str::to_owned)).collect()
}

fn failure_of(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(answer) => Failure::answered(answer.code().code(), answer.message()),
        None => Failure::lost(error.to_string()),
    }
}
