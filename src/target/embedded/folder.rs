//! The private folder of a throw-away database, written down before there is anything in it.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::EmbeddedError;

/// Marks a folder as one of ours.
pub(super) const MARK: &str = "deadheat-server";
/// Longest path of a Unix socket, without its name (`sun_path` holds 108 bytes on Linux, 104 on
/// macOS).
const LONGEST_SOCKET_FOLDER: usize = 80;

/// A folder that only its user may enter. It goes with this value, unless it is left.
#[derive(Debug)]
pub struct PrivateFolder(TempDir);

impl PrivateFolder {
    /// Makes the folder; `record` is told of it before there is anything in it.
    ///
    /// # Errors
    /// When it can't be made or written down.
    pub fn new(record: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> Result<Self, EmbeddedError> {
        let parent = traversable_folder();
        let private = tempfile::Builder::new()
            .prefix("deadheat-db-")
            .tempdir_in(&parent)
            .map_err(EmbeddedError::io("can't make a folder in", &parent))?;
        fs::write(private.path().join(MARK), "")
            .map_err(EmbeddedError::io("can't write in", private.path()))?;
        record(private.path()).map_err(EmbeddedError::io("can't write down", private.path()))?;
        Ok(Self(private))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove(self) -> Result<(), EmbeddedError> {
        remove_folder(&self.0.keep())
    }

    /// Leaves it where it is, for [`super::remove_abandoned`].
    pub fn leave(self) -> PathBuf {
        self.0.keep()
    }
}

/// Removes a folder. One that isn't there is fine.
pub(super) fn remove_folder(folder: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(EmbeddedError::io("can't remove", folder)(error)),
    }
}

/// The temporary folder, when every user can reach it and a socket in it has a short enough
/// path; else `/tmp`.
pub(super) fn traversable_folder() -> PathBuf {
    let temporary = env::temp_dir();
    let reachable = temporary.ancestors().all(|folder| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    });
    if reachable && temporary.as_os_str().len() + 30 <= LONGEST_SOCKET_FOLDER {
        temporary
    } else {
        "/tmp".into()
    }
}
