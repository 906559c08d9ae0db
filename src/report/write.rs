//! The one place that writes report files.

use std::{
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
