//! Finds the server's programs.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{EmbeddedError, ServerKind, fetch};

/// Where the server's programs come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BinarySource {
    /// From this machine, or fetched when there are none.
    #[default]
    Auto,
    /// Fetched, whatever there is on the machine.
    Download,
    /// From this folder.
    Folder(PathBuf),
}

impl BinarySource {
    /// Reads `DEADHEAT_POSTGRES` or `DEADHEAT_MYSQL`: nothing or `auto`, `download` (PostgreSQL only), or a
    /// folder.
    pub fn from_env(kind: ServerKind) -> Self {
        match env::var_os(kind.variable()) {
            None => Self::Auto,
            Some(value) if value.is_empty() || value == "auto" => Self::Auto,
            Some(value) if value == "download" => Self::Download,
            Some(value) => Self::Folder(value.into()),
        }
    }
}

/// A server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    kind: ServerKind,
    server: PathBuf,
    /// Makes a fresh server's data: `initdb`, `mariadb-install-db`, or MySQL's server itself.
    maker: PathBuf,
}

impl Binaries {
    pub(super) fn server(&self) -> &Path {
        &self.server
    }

    pub(super) fn maker(&self) -> &Path {
        &self.maker
    }

    /// `PostgreSQL`, `MariaDB` or `MySQL`.
    pub(super) fn product(&self) -> &'static str {
        match self.kind {
            ServerKind::Postgres => "PostgreSQL",
            ServerKind::MySql if self.maker == self.server => "MySQL",
            ServerKind::MySql => "MariaDB",
        }
    }

    /// The folder of the installation: the one above the server's.
    pub(super) fn root(&self) -> &Path {
        self.server.parent().and_then(Path::parent).unwrap_or(Path::new("/"))
    }

    /// `15.18`, as the server tells it.
    pub(super) fn version(&self) -> Result<String, EmbeddedError> {
        let program = &self.server;
        let output = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| EmbeddedError::Spawn { program: program.clone(), error })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(self.kind.version(&text).unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The programs in a folder, with links resolved: a server finds its libraries beside its real
    /// place.
    pub(super) fn at(kind: ServerKind, folder: &Path) -> Option<Self> {
        kind.servers().iter().find_map(|name| {
            let server = folder.join(name).canonicalize().ok().filter(|path| path.is_file())?;
            let maker = match kind {
                ServerKind::Postgres => {
                    Some(server.parent()?.join("initdb")).filter(|path| path.is_file())?
                }
                ServerKind::MySql => mariadb_maker(&server).unwrap_or_else(|| server.clone()),
            };
            Some(Self { kind, server, maker })
        })
    }
}

/// `mariadb-install-db` of a server: beside it, in the `bin` or in the `scripts` of its installation.
/// `None`: it is MySQL's, which makes its data itself.
fn mariadb_maker(server: &Path) -> Option<PathBuf> {
    let beside = server.parent()?;
    let root = beside.parent()?;
    let folders = [beside.to_owned(), root.join("bin"), root.join("scripts")];
    folders.iter().map(|folder| folder.join("mariadb-install-db")).find(|path| path.is_file())
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchPath {
    kind: ServerKind,
    /// Single folders, in order.
    folders: Vec<PathBuf>,
    /// Folders of versions: `/usr/lib/postgresql` holds `15/bin`. The highest version wins.
    versioned: Vec<PathBuf>,
}

impl SearchPath {
    /// `PATH`, what `pg_config` says, and the usual places of Debian, Red Hat, Homebrew and the
    /// makers' own installers.
    fn of_machine(kind: ServerKind) -> Self {
        let mut folders: Vec<PathBuf> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        if kind == ServerKind::Postgres {
            folders.extend(pg_config());
        }
        folders.extend(kind.usual_folders().iter().map(PathBuf::from));
        Self { kind, folders, versioned: kind.versioned_folders().iter().map(PathBuf::from).collect() }
    }

    fn find(&self) -> Option<Binaries> {
        if let Some(found) = self.folders.iter().find_map(|folder| Binaries::at(self.kind, folder)) {
            return Some(found);
        }
        let mut found: Vec<(u32, Binaries)> = Vec::new();
        for parent in &self.versioned {
            for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let version = name
                    .trim_start_matches("postgresql")
                    .trim_start_matches("pgsql")
                    .trim_matches(['@', '-']);
                if let (Ok(version), Some(binaries)) =
                    (version.parse(), Binaries::at(self.kind, &entry.path().join("bin")))
                {
                    found.push((version, binaries));
                }
            }
        }
        found.into_iter().max_by_key(|(version, _)| *version).map(|(_, binaries)| binaries)
    }
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim())).filter(|folder| !folder.as_os_str().is_empty())
}

/// Finds the programs, or fetches them where that can be done.
pub(super) fn find(
    kind: ServerKind,
    source: &BinarySource,
    stage: &mut dyn FnMut(&str),
) -> Result<Binaries, EmbeddedError> {
    let mut fetched = || match kind {
        ServerKind::Postgres => {
            let folder = fetch::fetch(stage)?;
            Binaries::at(kind, &folder).ok_or(EmbeddedError::NotInFolder(kind, folder))
        }
        ServerKind::MySql => Err(EmbeddedError::NoBinaries(kind)),
    };
    match source {
        BinarySource::Folder(folder) => {
            Binaries::at(kind, folder).ok_or_else(|| EmbeddedError::NotInFolder(kind, folder.clone()))
        }
        BinarySource::Download => fetched(),
        BinarySource::Auto => match SearchPath::of_machine(kind).find() {
            Some(found) => Ok(found),
            None => fetched(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_in(folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        for program in ["postgres", "initdb"] {
            std::fs::write(folder.join(program), "").expect("a file");
        }
    }

    #[test]
    fn the_highest_version_wins_and_a_client_alone_does_not_count() {
        let root = tempfile::tempdir().expect("a folder");
        let root_path = root.path().canonicalize().expect("a path");
        let path = |name: &str| root_path.join(name);
        server_in(&path("versions/9/bin"));
        server_in(&path("versions/15/bin"));
        std::fs::create_dir_all(path("client")).expect("a folder");
        std::fs::write(path("client/postgres"), "").expect("a file");
        let search = SearchPath {
            kind: ServerKind::Postgres,
            folders: vec![path("client"), path("none")],
            versioned: vec![path("versions")],
        };
        let found = |search: &SearchPath| search.find().map(|found| found.server().to_owned());
        assert_eq!(found(&search), Some(path("versions/15/bin/postgres")));
        server_in(&path("own"));
        let search = SearchPath { folders: vec![path("own")], ..search };
        assert_eq!(found(&search), Some(path("own/postgres")));
        assert_eq!(found(&SearchPath::default()), None, "nothing to find when everything is hidden");
    }

    #[test]
    fn mariadb_is_made_by_its_script_and_mysql_by_its_server() {
        let root = tempfile::tempdir().expect("a folder");
        let root_path = root.path().canonicalize().expect("a path");
        let write = |name: &str| {
            let path = root_path.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, "").expect("a file");
            path
        };
        let server = write("mariadb/sbin/mariadbd");
        let maker = write("mariadb/bin/mariadb-install-db");
        let found = Binaries::at(ServerKind::MySql, &root_path.join("mariadb/sbin")).expect("found");
        assert_eq!((found.server(), found.maker()), (server.as_path(), maker.as_path()));
        assert_eq!(found.root(), root_path.join("mariadb"));
        let server = write("mysql/bin/mysqld");
        let found = Binaries::at(ServerKind::MySql, &root_path.join("mysql/bin")).expect("found");
        assert_eq!((found.server(), found.maker()), (server.as_path(), server.as_path()));
    }
}
