//! What MySQL and MariaDB tell on a server of the user's, of which nothing is turned on or changed: the latest
//! deadlock in the engine's status, and the general log, where it is on and goes into its table.
//!
//! The table has no key and is read in its order, from the row after the last one: each look reads over all
//! that came before, and the next one waits the longer for it.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

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
    /// The log is of the whole server.
    database: String,
    /// Databases by connection, as far as they are known.
    databases: HashMap<i32, String>,
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
            self.read_connections(session).await?;
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

    /// Which database each connection works on by now.
    async fn read_connections(&mut self, session: &mut Session) -> Result<(), Failure> {
        let asked = "SELECT CAST(id AS SIGNED), COALESCE(db, '') FROM information_schema.processlist";
        for row in &session.query(asked, &[]).await?.rows {
            if let [id, database] = row.values()
                && let (Some(id), Some(database)) =
                    (id.as_i64().and_then(|id| i32::try_from(id).ok()), database.as_str())
            {
                self.databases.insert(id, database.to_owned());
            }
        }
        let own = session.query("SELECT DATABASE()", &[]).await?.single();
        self.database = own.as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// Notes which database a connection works on from now on, and tells whether it is the run's or may be.
    fn is_of_the_run(&mut self, entry: &Entry) -> bool {
        let database = match entry.command.as_str() {
            "Connect" => database_of(&entry.argument),
            "Init DB" => Some(entry.argument.as_str()),
            _ => None,
        };
        if let Some(database) = database {
            self.databases.insert(entry.thread, database.to_owned());
        }
        let known = match entry.command.as_str() {
            "Quit" => self.databases.remove(&entry.thread),
            _ => self.databases.get(&entry.thread).cloned(),
        };
        known.is_none_or(|known| known.is_empty() || known == self.database)
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
            let Some((user, entry)) = entry(row).filter(|(_, entry)| self.is_of_the_run(entry)) else {
                continue;
            };
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

/// `app@localhost on shop using TCP/IP`.
fn database_of(connected: &str) -> Option<&str> {
    connected.split_once(" on ")?.1.rsplit_once(" using ").map(|(database, _)| database)
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

    #[test]
    fn connections_of_other_databases_are_left_out() {
        let mut log = SharedLog { database: "shop".to_owned(), ..SharedLog::default() };
        let mut is_ours = |thread, command: &str, argument: &str| {
            let (command, argument) = (command.to_owned(), argument.to_owned());
            log.is_of_the_run(&Entry { thread, command, argument })
        };
        assert!(is_ours(1, "Connect", "app@localhost on shop using TCP/IP"));
        assert!(!is_ours(2, "Connect", "app@localhost on other using Socket"));
        assert!(!is_ours(2, "Query", "SELECT 1"));
        assert!(is_ours(2, "Init DB", "shop"));
        assert!(is_ours(2, "Query", "SELECT 1"));
        assert!(is_ours(3, "Connect", "app@localhost on  using Socket"), "it may name the run's tables");
        assert!(is_ours(4, "Query", "SELECT 1"), "nothing is known of it");
    }
}
