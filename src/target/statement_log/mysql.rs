//! MySQL's and MariaDB's general log, and the deadlocks in their error log.
//!
//! A statement of several lines goes on until a line begins as an entry does. A statement that holds such a
//! line itself would be taken for two.

use std::{collections::BTreeSet, fs, io, path::PathBuf, time::Instant};

use super::{
    LARGEST_FILE, LONGEST_TURN, MOST_UNREAD, PAUSE, StatementLogError,
    mysql_entries::{Entry, Users, circle, is_command},
    tail::{Line, Tail},
};
use crate::{
    application::{Logged, LoggedEvent, LoggedWait},
    target::{Session, mysql::latest_deadlock},
};

const DEADLOCK_BEGINS: &str = "deadlock detected, dumping detailed information";
const DEADLOCK_ENDS: &str = "*** WE ROLL BACK TRANSACTION (";
/// Of the text of one deadlock no more is kept.
const LONGEST_DEADLOCK: usize = 256 << 10;
/// Before the command: a time and the number of the connection.
const LONGEST_HEAD: usize = 60;

/// Deadlocks go into the error log. MySQL leaves notes out of it, unless told otherwise.
pub(super) fn settings() -> Vec<(String, String)> {
    [("innodb-print-all-deadlocks", "1"), ("loose-log-error-verbosity", "3"), ("log-output", "FILE")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The files, and what was read of the sessions.
#[derive(Debug)]
pub(super) struct MySqlLog {
    folder: PathBuf,
    files: u32,
    statements: Option<Tail>,
    errors: Option<Tail>,
    users: Users,
    /// The entry whose end isn't known yet.
    begun: Option<Entry>,
    deadlock: Option<String>,
}

impl MySqlLog {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            files: 0,
            statements: None,
            errors: None,
            users: Users::default(),
            begun: None,
            deadlock: None,
        }
    }

    pub async fn begin(
        &mut self,
        session: &mut Session,
        statements: bool,
    ) -> Result<(), StatementLogError> {
        self.errors = Some(Tail::at_end(&self.folder.join("log"))?);
        if !statements {
            return Ok(());
        }
        let connected = session.query("SELECT id, user FROM information_schema.processlist", &[]).await?;
        for row in &connected.rows {
            if let [id, user] = row.values()
                && let (Some(id), Some(user)) =
                    (id.as_i64().and_then(|id| i32::try_from(id).ok()), user.as_str())
            {
                self.users.add(id, user);
            }
        }
        let path = self.next_file(session).await?;
        session.script("SET GLOBAL general_log = ON").await?;
        let begun = Instant::now();
        while !path.is_file() {
            if begun.elapsed() > LONGEST_TURN {
                return Err(StatementLogError::Forbidden);
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.statements = Some(Tail::open(&path)?);
        Ok(())
    }

    /// Lets the server write into another file from now on.
    async fn next_file(&mut self, session: &mut Session) -> Result<PathBuf, StatementLogError> {
        self.files += 1;
        let path = self.folder.join(format!("statements-{}", self.files));
        session.script(&format!("SET GLOBAL general_log_file = '{}'", path.display())).await?;
        Ok(path)
    }

    pub async fn end(&mut self, session: &mut Session) -> Result<(), StatementLogError> {
        if self.statements.is_some() {
            session.script("SET GLOBAL general_log = OFF").await?;
        }
        Ok(())
    }

    pub async fn read(
        &mut self,
        session: &mut Session,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> Result<(), StatementLogError> {
        // The error log first: the statements of its deadlocks are in what is read of the other one then.
        let mut deadlocks = Vec::new();
        self.read_errors(&mut |waits| deadlocks.push(waits))?;
        let ours = session.connections_of_ours();
        let is_large = |tail: &Tail| tail.path().metadata().is_ok_and(|file| file.len() > LARGEST_FILE);
        let next = match &self.statements {
            Some(tail) if is_large(tail) => Some(self.next_file(session).await?),
            _ => None,
        };
        self.read_statements(&ours, tell)?;
        if let Some(next) = next {
            // NB: the server has closed the old file before it answers.
            if let Some(read) = self.statements.replace(Tail::open(&next)?) {
                fs::remove_file(read.path())?;
            }
            self.read_statements(&ours, tell)?;
        }
        deadlocks.into_iter().for_each(|waits| tell(self.users.deadlock(waits, &ours)));
        Ok(())
    }

    fn read_statements(
        &mut self,
        ours: &BTreeSet<i32>,
        tell: &mut dyn FnMut(LoggedEvent),
    ) -> io::Result<()> {
        let Some(mut tail) = self.statements.take() else { return Ok(()) };
        let unread = tail.unread()?;
        if unread > MOST_UNREAD {
            tail.skip()?;
            self.begun = None;
            tell(self.users.event(0, ours, Logged::Gap));
        }
        let read = tail.read(&mut |line| match line {
            Line::Whole(line) => {
                let line = String::from_utf8_lossy(line);
                match entry(&line) {
                    Some(next) => {
                        let before = self.begun.replace(next);
                        if let Some(before) = before {
                            self.users.told(before, ours, tell);
                        }
                    }
                    None => {
                        if let Some(begun) = &mut self.begun {
                            begun.argument.push('\n');
                            begun.argument.push_str(&line);
                        }
                    }
                }
            }
            Line::TooLong => {
                self.begun = None;
                tell(self.users.event(0, ours, Logged::Gap));
            }
        });
        self.statements = Some(tail);
        read?;
        // The server writes an entry as a whole, unless it is larger than its buffer of 4 kB: cut here, such a
        // one isn't understood, and its transaction not judged.
        if let Some(last) = self.begun.take() {
            self.users.told(last, ours, tell);
        }
        Ok(())
    }

    fn read_errors(&mut self, tell: &mut dyn FnMut(Vec<LoggedWait>)) -> io::Result<()> {
        let Some(errors) = &mut self.errors else { return Ok(()) };
        let deadlock = &mut self.deadlock;
        errors.read(&mut |line| {
            let Line::Whole(line) = line else { return };
            let line = String::from_utf8_lossy(line);
            if line.contains(DEADLOCK_BEGINS) {
                *deadlock = Some("LATEST DETECTED DEADLOCK\n".to_owned());
                return;
            }
            let Some(text) = deadlock.as_mut().filter(|text| text.len() < LONGEST_DEADLOCK) else { return };
            let line = without_head(&line);
            if line.is_empty() {
                return;
            }
            text.push_str(line);
            text.push('\n');
            if line.starts_with(DEADLOCK_ENDS) {
                tell(latest_deadlock(text).as_ref().map(circle).unwrap_or_default());
                *deadlock = None;
            }
        })
    }
}

/// `261125 19:22:55\t     5 Query\tSELECT 1`, `\t\t     5 Query\tSELECT 1` or, of MySQL,
/// `2026-11-25T19:22:55.000001Z\t    5 Query\tSELECT 1`.
fn entry(line: &str) -> Option<Entry> {
    let (time, rest) = match line.strip_prefix("\t\t") {
        Some(rest) => ("", rest),
        None => line.split_once('\t')?,
    };
    let is_time = |c: char| c.is_ascii_digit() || " :-+.TZ".contains(c);
    if time.len() > LONGEST_HEAD || !time.chars().all(is_time) {
        return None;
    }
    let (thread, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let thread = thread.parse().ok()?;
    let (command, argument) = rest.split_once('\t').unwrap_or((rest, ""));
    is_command(command).then(|| Entry {
        thread,
        command: command.to_owned(),
        argument: argument.to_owned(),
    })
}

/// Without `2026-11-25 19:22:55 6 [Note] InnoDB: ` or, of MySQL, `… [Note] [MY-012469] [InnoDB] `.
fn without_head(line: &str) -> &str {
    if !line.starts_with("20") {
        return line;
    }
    let Some((_, rest)) = line.split_once(" [Note] ") else { return line };
    rest.strip_prefix("InnoDB: ")
        .or_else(|| rest.split_once(" [InnoDB] ").map(|(_, rest)| rest))
        .unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_each_form() {
        for (line, expected) in [
            ("261125 19:22:55\t     3 Connect\troot@localhost on  using Socket", Some((3, "Connect"))),
            ("\t\t     5 Query\tupdate trackers set n=2", Some((5, "Query"))),
            ("2026-11-25T19:22:55.000001Z\t    8 Query\tSELECT 1", Some((8, "Query"))),
            ("\t\t     5 Quit\t", Some((5, "Quit"))),
            ("where id=1", None),
            ("\twhere\tid=1", None),
            ("Time\t\t    Id Command\tArgument", None),
            ("\t\t     5 Whatever\tx", None),
        ] {
            let read = entry(line);
            let read = read.as_ref().map(|entry| (entry.thread, entry.command.as_str()));
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn statements_of_several_lines_are_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("statements-1");
        let text = "mariadbd, Version: 10.11. started with:\nTime\t\t    Id Command\tArgument\n\
                    \t\t     5 Connect\tshop@localhost on s using Socket\n\
                    \t\t     5 Query\tupdate trackers set n=2\nwhere id=1\n\t\t     6 Execute\tCOMMIT\n\t\t     5 Quit\t\n";
        fs::write(&path, text).expect("written");
        let mut log = MySqlLog::new(folder.path().to_owned());
        log.statements = Some(Tail::open(&path).expect("opened"));
        let mut told = Vec::new();
        log.read_statements(&BTreeSet::from([6]), &mut |event| told.push(event)).expect("read");
        let shown: Vec<(i32, &str, bool, &Logged)> =
            told.iter().map(|one| (one.process, one.name.as_str(), one.is_ours, &one.what)).collect();
        let statement = |text: &str| Logged::Statement(text.to_owned());
        assert_eq!(
            shown,
            [
                (5, "shop", false, &Logged::Ended),
                (5, "shop", false, &statement("update trackers set n=2\nwhere id=1")),
                (6, "", true, &statement("COMMIT")),
                (5, "shop", false, &Logged::Ended),
            ]
        );
    }

    #[test]
    fn deadlocks_of_the_error_log_are_circles() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = include_str!("../../../tests/data/innodb/mariadb-10.11-error-log.txt");
        fs::write(folder.path().join("log"), text).expect("written");
        let mut log = MySqlLog::new(folder.path().to_owned());
        log.errors = Some(Tail::open(&folder.path().join("log")).expect("opened"));
        let mut told = Vec::new();
        log.read_errors(&mut |waits| told.push(waits)).expect("read");
        let shown: Vec<Vec<(i32, &str, Option<&str>)>> = told
            .iter()
            .map(|waits| {
                let shown = waits.iter();
                shown.map(|one| (one.process, one.statement.as_str(), one.table.as_deref())).collect()
            })
            .collect();
        assert_eq!(
            shown,
            [[
                (6, "update orders set n=2 where id=1", Some("orders")),
                (5, "update trackers set n=2 where id=1", Some("trackers")),
            ]]
        );
    }
}
