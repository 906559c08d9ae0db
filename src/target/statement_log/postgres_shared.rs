//! What PostgreSQL tells on a server of the user's, of which nothing is turned on or changed: its log, where
//! that is written as JSON and the role may read it. Deadlocks are in it as errors, and statements with
//! `log_statement = all`.

use super::{
    StatementLogError,
    postgres::{event, gap},
    tail::{CHUNK, Line, Lines},
};
use crate::{
    application::LoggedEvent,
    expression::Value,
    target::{Failure, Session},
};

const CURRENT: &str = "SELECT pg_current_logfile('jsonlog')";

/// The file, and how far it was read.
#[derive(Debug, Default)]
pub(super) struct SharedLog {
    /// The log is of the whole server.
    database: String,
    path: String,
    read: i64,
    lines: Lines,
}

impl SharedLog {
    /// Finds the file and its end, and tells whether statements are in it.
    pub async fn begin(
        &mut self,
        session: &mut Session,
        statements: bool,
    ) -> Result<bool, StatementLogError> {
        // Versions before 15 know no such file, and roles that may not read it are refused.
        let path = text(session, CURRENT).await.unwrap_or_default();
        self.path = path.ok_or(StatementLogError::NotOffered)?;
        let size =
            session.query("SELECT (pg_stat_file($1)).size", &[Value::from(self.path.as_str())]).await;
        self.read =
            size.ok().and_then(|size| size.single().as_i64()).ok_or(StatementLogError::NotOffered)?;
        self.chunk(session).await.map_err(|_| StatementLogError::NotOffered)?;
        self.database = text(session, "SELECT current_database()").await?.unwrap_or_default();
        Ok(statements && text(session, "SHOW log_statement").await?.as_deref() == Some("all"))
    }

    pub async fn read(
        &mut self,
        session: &mut Session,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<(), StatementLogError> {
        loop {
            // NB: asked before the rest is read: once there is a new file, nothing more comes into this one.
            let current = text(session, CURRENT).await?.unwrap_or_default();
            self.read_rest(session, tell).await?;
            if current == self.path || current.is_empty() {
                return Ok(());
            }
            (self.path, self.read, self.lines) = (current, 0, Lines::default());
        }
    }

    async fn read_rest(
        &mut self,
        session: &mut Session,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<(), StatementLogError> {
        loop {
            let chunk = self.chunk(session).await?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.read += chunk.len() as i64;
            let database = self.database.as_str();
            self.lines.add(&chunk, &mut |line| match line {
                Line::Whole(line) => event(line, Some(database)).into_iter().for_each(&mut *tell),
                Line::TooLong => tell(gap()),
            });
        }
    }

    /// What comes next in the file; empty at its end.
    async fn chunk(&self, session: &mut Session) -> Result<Vec<u8>, Failure> {
        // As digits: where a piece ends, a character may be cut.
        let sql = "SELECT encode(pg_read_binary_file($1, $2, $3), 'hex')";
        let arguments =
            [Value::from(self.path.as_str()), Value::from(self.read), Value::from(CHUNK as i64)];
        let digits = session.query(sql, &arguments).await?.single();
        let digits = digits.as_str().unwrap_or_default();
        Ok(hex::decode(digits).expect("PostgreSQL writes two digits for each byte"))
    }
}

/// The one text that a query returns; `None`: null.
async fn text(session: &mut Session, sql: &str) -> Result<Option<String>, Failure> {
    Ok(session.query(sql, &[]).await?.single().as_str().map(str::to_owned))
}
