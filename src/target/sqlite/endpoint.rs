//! Where a SQLite database is, and how it is opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::super::{ConnectError, SessionSettings};

/// How long a statement waits for the database's lock when the target doesn't say.
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// `PRAGMA application_id` of a database that a run made: `dhrn` in ASCII.
const APPLICATION_ID: i32 = 0x6468_726e;
/// Where it stands in the file (sqlite.org/fileformat2.html, section 1.3).
const APPLICATION_ID_AT: std::ops::Range<usize> = 68..72;

/// A database file.
#[derive(Debug, Clone)]
pub struct SqliteEndpoint {
    path: PathBuf,
    /// The user's own: it is neither made nor changed in the way it is kept.
    theirs: bool,
}

impl SqliteEndpoint {
    pub(in crate::target) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), theirs: false }
    }

    pub(in crate::target) fn theirs(self) -> Self {
        Self { theirs: true, ..self }
    }

    pub(in crate::target) fn describe(&self) -> String {
        self.path.display().to_string()
    }

    /// The file's name.
    pub(in crate::target) fn database(&self) -> &str {
        self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(in crate::target) fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    /// Driver options with the settings of a session. A database of ours has a write-ahead log, so that
    /// readers don't wait for the writer, and writes that aren't flushed at each commit.
    pub(super) fn options(&self, settings: &SessionSettings) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(settings.lock_timeout.unwrap_or(DEFAULT_BUSY_TIMEOUT))
            .statement_cache_capacity(settings.statements + 20)
            .disable_statement_logging();
        if self.theirs {
            return options;
        }
        options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
    }
}

/// Makes a database that carries our mark. It is in the file itself before anything goes into a log, so
/// that it is found after a kill too.
///
/// # Errors
/// When the file can't be made.
pub async fn create_database_file(path: &Path) -> Result<(), ConnectError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .pragma("application_id", APPLICATION_ID.to_string())
        .disable_statement_logging();
    let failed = |error| ConnectError::from_sqlx(path.display().to_string(), &error);
    options.connect().await.map_err(failed)?.close().await.map_err(failed)
}

/// Removes a database that a run made, with its log. One that isn't there is fine.
///
/// # Errors
/// When it doesn't carry our mark, or can't be removed.
pub fn remove_database_file(path: &Path) -> io::Result<()> {
    let header = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // An empty file is one whose run was killed before it wrote anything.
    if !header.is_empty() && header.get(APPLICATION_ID_AT) != Some(&APPLICATION_ID.to_be_bytes()) {
        return Err(io::Error::other("it isn't a database of a run and isn't touched"));
    }
    for ending in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_database_of_ours_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("theirs.db");
        fs::write(&path, [7; 200]).expect("written");
        assert!(remove_database_file(&path).is_err());
        assert!(path.exists());
        fs::remove_file(&path).expect("removed");
        create_database_file(&path).await.expect("made");
        fs::write(folder.path().join("theirs.db-wal"), "").expect("written");
        remove_database_file(&path).expect("removed");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        remove_database_file(&path).expect("gone already");
    }
}
