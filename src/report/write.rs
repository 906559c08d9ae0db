//! The one place that writes report files.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// A report that couldn't be written; nothing half-written is left.
#[derive(Debug, thiserror::Error)]
#[error("can't write {path}: {error}")]
pub struct WriteError {
    path: String,
    error: io::Error,
}

/// Writes a report: into a temporary file beside it, which then takes its name, so that a reader
/// never sees half of it. `-` is stdout. Others can't read the file: a report may tell more than
/// its author thinks.
///
/// # Errors
/// When the folder isn't there or can't be written, or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let wrong = |error| WriteError { path: path.display().to_string(), error };
    if path == Path::new("-") {
        let mut stdout = io::stdout().lock();
        return stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(wrong);
    }
    // A device or a pipe can't be replaced by a file.
    if path.exists() && !path.is_file() && !path.is_dir() {
        return std::fs::write(path, bytes).map_err(wrong);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".deadheat-").tempfile_in(folder).map_err(wrong)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    Ok(())
}

/// Makes a file that only its owner can read, for what is written piece by piece.
///
/// # Errors
/// When it can't be made.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_the_old_one_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.xml");
        write(&path, b"old").expect("written");
        write(&path, b"new").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (report, pieces) = (folder.path().join("report.xml"), folder.path().join("history.jsonl"));
        write(&report, b"new").expect("written");
        create(&pieces).expect("made");
        for path in [report, pieces] {
            let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_report_that_cannot_be_written_says_where() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("none/report.xml");
        let error = write(&missing, b"").expect_err("there is no folder").to_string();
        assert!(error.contains("none/report.xml"), "{error}");
        assert!(write(folder.path(), b"").is_err(), "a folder isn't a file");
        assert!(write(Path::new("/dev/full"), b"x").is_err(), "the disk is full");
    }
}
