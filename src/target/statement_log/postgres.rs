//! PostgreSQL's log as JSON: a line for each statement that begins and each error.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use serde::Deserialize;

use super::{
    LARGEST_FILE, LONGEST_TURN, MOST_UNREAD, PAUSE, StatementLogError,
    tail::{Line, Tail},
};
use crate::{
    application::{Logged, LoggedEvent, LoggedWait},
    target::{Failure, Session, cycle},
};

/// The first version that writes JSON.
const FIRST_VERSION: u32 = 15;
const DEADLOCK: &str = "40P01";

/// The folder of its files within the server's.
pub(super) fn log_folder(folder: &Path) -> PathBuf {
    folder.join("statements")
}

/// A collector has to run from the start on.
pub(super) fn settings(folder: &Path) -> Vec<(String, String)> {
    [
        ("logging_collector", "on".to_owned()),
        ("log_directory", log_folder(folder).display().to_string()),
        ("log_filename", "%Y%m%d%H%M%S.log".to_owned()),
        ("log_rotation_age", "0".to_owned()),
        ("log_rotation_size", format!("{}kB", LARGEST_FILE >> 10)),
        // Deadlocks are errors.
        ("log_min_messages", "error".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The files, of which the first may be read in part.
#[derive(Debug)]
pub(super) struct PostgresLog {
    folder: PathBuf,
    current: Option<Tail>,
}

/// What is read of a line.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    vxid: String,
    #[serde(default)]
    error_severity: String,
    #[serde(default)]
    state_code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    context: String,
    #[serde(default)]
    application_name: String,
    #[serde(default)]
    backend_type: String,
    #[serde(default)]
    dbname: String,
}

impl PostgresLog {
    pub fn new(folder: &Path, version: &str) -> Result<Self, StatementLogError> {
        let major =
            version.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u32| major < FIRST_VERSION) {
            return Err(StatementLogError::TooOld(version.to_owned()));
        }
        Ok(Self { folder: log_folder(folder), current: None })
    }

    /// First the form of the log, then what is in it: a server that doesn't have the file yet writes into
    /// another one.
    pub async fn begin(
        &mut self,
        session: &mut Session,
        statements: bool,
    ) -> Result<(), StatementLogError> {
        set(session, "log_destination", Some("jsonlog")).await?;
        self.until(session, "SHOW log_destination", "jsonlog").await?;
        let begun = Instant::now();
        while self.files()?.is_empty() {
            if begun.elapsed() > LONGEST_TURN {
                return Err(StatementLogError::Forbidden);
            }
            tokio::time::sleep(PAUSE).await;
        }
        if statements {
            set(session, "log_statement", Some("all")).await?;
            self.until(session, "SHOW log_statement", "all").await?;
        }
        Ok(())
    }

    pub async fn end(&mut self, session: &mut Session) -> Result<(), StatementLogError> {
        set(session, "log_statement", None).await?;
        set(session, "log_destination", None).await?;
        Ok(())
    }

    async fn until(
        &self,
        session: &mut Session,
        question: &str,
        expected: &str,
    ) -> Result<(), StatementLogError> {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_TURN {
            let answer = session.query(question, &[]).await?;
            if answer.rows.first().and_then(|row| row.values()[0].as_str()) == Some(expected) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(StatementLogError::Forbidden)
    }

    /// The files by age: their names are times.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        Ok(files)
    }

    pub fn read(&mut self, tell: &mut dyn FnMut(LoggedEvent)) -> io::Result<()> {
        let mut files = self.files()?;
        let size = |path: &PathBuf| path.metadata().map_or(0, |file| file.len());
        while files.len() > 1 && files.iter().map(size).sum::<u64>() > MOST_UNREAD {
            fs::remove_file(files.remove(0))?;
            self.current = None;
            tell(gap());
        }
        for (index, path) in files.iter().enumerate() {
            if self.current.as_ref().is_none_or(|current| current.path() != path) {
                self.current = Some(Tail::open(path)?);
            }
            let current = self.current.as_mut().expect("it was opened above");
            current.read(&mut |line| match line {
                Line::Whole(line) => event(line, None).into_iter().for_each(&mut *tell),
                Line::TooLong => tell(gap()),
            })?;
            // NB: the server begins a new file before it writes into it, and then writes no more into this one.
            if index + 1 < files.len() {
                fs::remove_file(path)?;
                self.current = None;
            }
        }
        Ok(())
    }
}

/// Sets a value for all sessions, or takes it back.
async fn set(session: &mut Session, name: &str, value: Option<&str>) -> Result<(), Failure> {
    let change = match value {
        Some(value) => format!("ALTER SYSTEM SET {name} = '{value}'"),
        None => format!("ALTER SYSTEM RESET {name}"),
    };
    session.script(&change).await?;
    session.script("SELECT pg_reload_conf()").await
}

pub(super) fn gap() -> LoggedEvent {
    LoggedEvent { process: 0, name: String::new(), is_ours: false, transaction: None, what: Logged::Gap }
}

/// What a line tells, of this database alone when one is named.
pub(super) fn event(line: &[u8], database: Option<&str>) -> Option<LoggedEvent> {
    let entry: Entry = match serde_json::from_slice(line) {
        Ok(entry) => entry,
        // A text in another encoding: the statement isn't known.
        Err(_) => return Some(gap()),
    };
    let is_of_another = database.is_some_and(|database| entry.dbname != database);
    if entry.backend_type != "client backend" || is_of_another {
        return None;
    }
    let what = if entry.error_severity == "LOG" {
        Logged::Statement(statement(&entry.message)?.to_owned())
    } else if entry.state_code == DEADLOCK {
        Logged::Deadlock(waits(&entry))
    } else {
        return None;
    };
    Some(LoggedEvent {
        process: entry.pid,
        is_ours: entry.application_name.starts_with("deadheat"),
        name: entry.application_name,
        transaction: Some(entry.vxid),
        what,
    })
}

/// `statement: SELECT 1`, or `execute NAME: SELECT 1` and `execute NAME/PORTAL: SELECT 1` of a prepared one.
fn statement(message: &str) -> Option<&str> {
    if let Some(statement) = message.strip_prefix("statement: ") {
        return Some(statement);
    }
    message
        .strip_prefix("execute ")
        .filter(|rest| !rest.starts_with("fetch from "))?
        .split_once(": ")
        .map(|(_, statement)| statement)
}

/// The circle, with the statement of each: a line for each wait, and then `Process 7: UPDATE …` for each.
fn waits(entry: &Entry) -> Vec<LoggedWait> {
    // In the log, the waits are followed by the statements, which may look like anything.
    let (told, _) = entry.detail.split_once(": ").unwrap_or((&entry.detail, ""));
    let (told, _) = told.rsplit_once('\n').unwrap_or((told, ""));
    let statement = |process: i32| {
        let begin = format!("\nProcess {process}: ");
        let (_, text) = entry.detail.split_once(&begin)?;
        Some(text.split("\nProcess ").next().unwrap_or(text).to_owned())
    };
    let waits = cycle::cycle_told(told, Some(&entry.context)).into_iter().map(|edge| LoggedWait {
        process: edge.waiting,
        statement: statement(edge.waiting).unwrap_or_default(),
        mode: edge.mode,
        table: edge.table,
    });
    waits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<LoggedEvent> {
        event(text.as_bytes(), None)
    }

    #[test]
    fn statements_are_read_in_each_form() {
        for (message, expected) in [
            ("statement: BEGIN", Some("BEGIN")),
            ("execute <unnamed>: SELECT 1 -- a: b", Some("SELECT 1 -- a: b")),
            ("execute sqlx_s_1/portal: UPDATE t SET a = $1", Some("UPDATE t SET a = $1")),
            ("execute fetch from sqlx_s_1: SELECT 1", None),
            ("connection received: host=[local]", None),
        ] {
            assert_eq!(statement(message), expected, "{message}");
        }
    }

    #[test]
    fn a_line_becomes_an_event_of_its_session() {
        let told = line(
            r#"{"timestamp":"2026-11-25 19:00:00.000 UTC","pid":7,"vxid":"3/9","error_severity":"LOG","message":"statement: UPDATE t\nSET a = 1","application_name":"shop","backend_type":"client backend"}"#,
        );
        let expected = LoggedEvent {
            process: 7,
            name: "shop".to_owned(),
            is_ours: false,
            transaction: Some("3/9".to_owned()),
            what: Logged::Statement("UPDATE t\nSET a = 1".to_owned()),
        };
        assert_eq!(told, Some(expected));
        assert_eq!(
            line(
                r#"{"pid":7,"error_severity":"LOG","message":"statement: x","backend_type":"checkpointer"}"#
            ),
            None
        );
        assert_eq!(line("half a li").map(|event| event.what), Some(Logged::Gap));
    }

    #[test]
    fn a_deadlock_has_the_statement_of_each_session() {
        let told = line(
            r#"{"pid":11,"vxid":"3/9","error_severity":"ERROR","state_code":"40P01","message":"deadlock detected","detail":"Process 11 waits for ShareLock on transaction 745; blocked by process 22.\nProcess 22 waits for ShareLock on transaction 746; blocked by process 11.\nProcess 11: UPDATE orders\nSET a = 1\nProcess 22: UPDATE trackers SET a = 2","context":"while updating tuple (0,1) in relation \"orders\"","backend_type":"client backend"}"#,
        );
        let Some(Logged::Deadlock(waits)) = told.map(|event| event.what) else { panic!("a deadlock") };
        let shown: Vec<(i32, &str, Option<&str>)> = waits
            .iter()
            .map(|wait| (wait.process, wait.statement.as_str(), wait.table.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [(11, "UPDATE orders\nSET a = 1", Some("orders")), (22, "UPDATE trackers SET a = 2", None)]
        );
    }

    #[test]
    fn older_versions_are_told() {
        let folder = Path::new("/nowhere");
        assert!(PostgresLog::new(folder, "15.18").is_ok());
        assert!(PostgresLog::new(folder, "18beta1").is_ok());
        let error = PostgresLog::new(folder, "14.2").expect_err("too old");
        assert!(error.to_string().contains("PostgreSQL 14.2"));
    }
}
