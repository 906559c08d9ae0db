//! Finds the server's programs.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{EmbeddedError, fetch};

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
    /// Reads `DEADHEAT_POSTGRES`: nothing or `auto`, `download`, or a folder.
    pub fn from_env() -> Self {
        match env::var_os("DEADHEAT_POSTGRES") {
            None => Self::Auto,
            Some(value) if value.is_empty() || value == "auto" => Self::Auto,
            Some(value) if value == "download" => Self::Download,
            Some(value) => Self::Folder(value.into()),
        }
    }
}

/// A folder that holds `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries(pub PathBuf);

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `15.18`, as the server tells it.
    pub(super) fn version(&self) -> Result<String, EmbeddedError> {
        let program = self.program("postgres");
        let output = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| EmbeddedError::Spawn { program, error })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
    }

    /// The folder with its links resolved: the server finds its libraries beside its real place.
    fn at(folder: &Path) -> Option<Self> {
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let folder = postgres.parent()?;
        (folder.join("postgres").is_file() && folder.join("initdb").is_file())
            .then(|| Self(folder.to_owned()))
    }
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchPath {
    /// Single folders, in order.
    folders: Vec<PathBuf>,
    /// Folders of versions: `/usr/lib/postgresql` holds `15/bin`. The highest version wins.
    versioned: Vec<PathBuf>,
}

impl SearchPath {
    /// `PATH`, what `pg_config` says, and the usual places of Debian, Red Hat, Homebrew and
    /// PostgreSQL's own installer.
    fn of_machine() -> Self {
        let mut folders: Vec<PathBuf> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        folders.extend(pg_config());
        folders.extend(
            ["/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/opt/postgresql/bin"]
                .map(PathBuf::from),
        );
        let versioned =
            ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr", "/opt/postgresql"];
        Self { folders, versioned: versioned.map(PathBuf::from).into() }
    }

    fn find(&self) -> Option<Binaries> {
        if let Some(found) = self.folders.iter().find_map(|folder| Binaries::at(folder)) {
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
                    (version.parse(), Binaries::at(&entry.path().join("bin")))
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

/// Finds the programs, or fetches them.
pub(super) fn find(source: &BinarySource, stage: &mut dyn FnMut(&str)) -> Result<Binaries, EmbeddedError> {
    match source {
        BinarySource::Folder(folder) => {
            Binaries::at(folder).ok_or_else(|| EmbeddedError::NotInFolder(folder.clone()))
        }
        BinarySource::Download => fetch::fetch(stage).map(Binaries),
        BinarySource::Auto => match SearchPath::of_machine().find() {
            Some(found) => Ok(found),
            None => fetch::fetch(stage).map(Binaries),
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
        let search =
            SearchPath { folders: vec![path("client"), path("none")], versioned: vec![path("versions")] };
        assert_eq!(search.find(), Some(Binaries(path("versions/15/bin"))));
        server_in(&path("own"));
        let search = SearchPath { folders: vec![path("own")], ..search };
        assert_eq!(search.find(), Some(Binaries(path("own"))));
        assert_eq!(SearchPath::default().find(), None, "nothing to find when everything is hidden");
    }
}
