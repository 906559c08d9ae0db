//! Where the history is, and how the file is made: nobody else can read it, and no version control
//! picks it up.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::HistoryError;

const FOLDER: &str = ".deadheat";
const FILE: &str = "history.sqlite";

/// The file in a working directory.
pub fn path(directory: &Path) -> PathBuf {
    directory.join(FOLDER).join(FILE)
}

/// True when runs in this directory are kept already.
pub fn exists(directory: &Path) -> bool {
    path(directory).is_file()
}

/// Makes folder and file where they aren't there yet. Concurrent callers may do so at once.
pub(super) fn make(path: &Path) -> Result<(), HistoryError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let wrong = |path: &Path, error| HistoryError::Make { path: path.display().to_string(), error };
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    ignore_existing(builder.create(folder)).map_err(|error| wrong(folder, error))?;
    let ignore = folder.join(".gitignore");
    ignore_existing(create(&ignore).and_then(|mut file| file.write_all(b"*\n")))
        .map_err(|error| wrong(&ignore, error))?;
    // An empty file is a database to SQLite, and its journals get the rights that it has.
    ignore_existing(create(path).map(drop)).map_err(|error| wrong(path, error))
}

fn create(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ignore_existing(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_can_read_it_and_git_does_not_see_it() {
        let directory = tempfile::tempdir().expect("a folder");
        assert!(!exists(directory.path()));
        let path = path(directory.path());
        make(&path).expect("made");
        make(&path).expect("made already");
        assert!(exists(directory.path()));
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        let ignored =
            std::fs::read_to_string(directory.path().join(".deadheat/.gitignore")).expect("there");
        assert_eq!(ignored, "*\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = make(Path::new("/proc/none/.deadheat/history.sqlite")).expect_err("no such place");
        assert!(error.to_string().contains("/proc/none/.deadheat"), "{error}");
    }
}
