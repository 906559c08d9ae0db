//! What MySQL and MariaDB tell on a server of the user's, of which nothing is turned on or changed: the latest
//! deadlock in the engine's status, and the general log, where it is on and goes into its table.
//!
//! The table has no key and is read in its order, from the row after the last one: each look reads over all
//! that came before, and the next one waits the longer for it.

use std::{collections::BTreeSet, time::Instant};

use super::{
    StatementLogError,
    mysql_entries::{Entry, Users, circle},
};
use crate::{
    application::{Logged, LoggedEvent, LoggedWait},
    expression::{Row, Value},
    target::{Failure, Session, count_deadlocks},
};

/// Rows of one look.
const MOST_ROWS: usize = 20_000;
/// A look that took so long is followed by a pause of so many times that.
const REST: u32 = 10;

/// What may be read, and how far it was.
#[derive(Debug, Default)]
pub(super) struct SharedLog {
    users: Users,
    /// Deadlocks that the server had counted; `None`: the engine's status may not be read.
    deadlocks: Option<u64>,
    /// Rows of the table that were read; `None`: statements aren't there.
    rows: Option<u64>,
    rests_until: Option<Instant>,
}

impl SharedLog {
    /// Finds out what may be read, and tells whether statements are among it.
    pub async fn begin(
        &mut self,
        session: &mut Session,
        statements: bool,
    ) -> Result<bool, StatementLogError> {
        // Without the right to see the status there is an error, and the counter alone explains nothing.
        if session.latest_deadlock().await.is_ok() {
            self.deadlocks = count_deadlocks(session).await?;
        }
        if statements && writes_table(session).await? {
            // One who may not read it has no log.
            self.rows = rows(session).await.ok();
        }
        match (self.deadlocks, self.rows) {
            (None, None) => Err(StatementLogError::NotOffered),
            _ => Ok(self.rows.is_some()),
        }
    }

    pub async fn read(
        &mut self,
        session: &mut Session,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<(), StatementLogError> {
        let begun = Instant::now();
        if self.rests_until.is_some_and(|until| begun < until) {
            return Ok(());
        }
        // The deadlock first: its statements are in what is read of the table then.
        let circle = self.read_deadlock(session).await?;
        let ours = session.connections_of_ours();
        while self.read_rows(session, &ours, tell).await? {}
        if let Some(waits) = circle {
            tell(self.users.deadlock(waits, &ours));
        }
        self.rests_until = Some(begun + begun.elapsed() * REST);
        Ok(())
    }

    /// The next look is the last one, and doesn't wait.
    pub fn end(&mut self) {
        self.rests_until = None;
    }

    /// The latest deadlock, when there is one since the last look.
    async fn read_deadlock(&mut self, session: &mut Session) -> Result<Option<Vec<LoggedWait>>, Failure> {
        let Some(before) = self.deadlocks else { return Ok(None) };
        let now = count_deadlocks(session).await?.unwrap_or_default();
        self.deadlocks = Some(now);
        if now <= before {
            return Ok(None);
        }
        Ok(session.latest_deadlock().await?.as_ref().map(circle))
    }

    /// Reads on in the table, and tells whether there may be more.
    async fn read_rows(
        &mut self,
        session: &mut Session,
        ours: &BTreeSet<i32>,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<bool, Failure> {
        let Some(read) = self.rows else { return Ok(false) };
        let sql = format!(
            "SELECT CAST(thread_id AS SIGNED), user_host, command_type, CAST(argument AS CHAR) \
             FROM mysql.general_log LIMIT {read}, {MOST_ROWS}"
        );
        let table = session.query(&sql, &[]).await?;
        if table.rows.is_empty() && rows(session).await? < read {
            // Somebody has emptied it.
            self.rows = Some(0);
            tell(self.users.event(0, ours, Logged::Gap));
            return Ok(true);
        }
        self.rows = Some(read + table.rows.len() as u64);
        for row in &table.rows {
            let Some((user, entry)) = entry(row) else { continue };
            self.users.add(entry.thread, &user);
            self.users.told(entry, ours, tell);
        }
        Ok(table.rows.len() == MOST_ROWS)
    }
}

fn entry(row: &Row) -> Option<(String, Entry)> {
    let [thread, user, command, argument] = row.values() else { return None };
    let thread = thread.as_i64().and_then(|thread| i32::try_from(thread).ok())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = Entry { thread, command: text(command), argument: text(argument) };
    Some((user_of(user.as_str()?).to_owned(), entry))
}

/// `app[app] @ localhost []` and, of a new connection, `[app] @ localhost []`.
fn user_of(user_host: &str) -> &str {
    let named = user_host.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    named.map_or("", |(user, _)| user)
}

async fn writes_table(session: &mut Session) -> Result<bool, Failure> {
    let asked = "SELECT @@GLOBAL.general_log = 1 AND FIND_IN_SET('TABLE', @@GLOBAL.log_output) > 0";
    Ok(session.query(asked, &[]).await?.single().as_i64() == Some(1))
}

async fn rows(session: &mut Session) -> Result<u64, Failure> {
    let counted = session.query("SELECT count(*) FROM mysql.general_log", &[]).await?.single();
    Ok(counted.as_i64().and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_in_both_forms() {
        assert_eq!(user_of("app[app] @ localhost []"), "app");
        assert_eq!(user_of("[shop] @ localhost [127.0.0.1]"), "shop");
        assert_eq!(user_of("strange"), "");
    }
}
