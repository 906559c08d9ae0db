//! The private folder of a throw-away database, written down before it is made.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::EmbeddedError;

/// How the names of our folders begin, before sixteen hexadecimal digits.
const PREFIX: &str = "deadheat-db-";
/// Longest path of a Unix socket, without its name (`sun_path` holds 108 bytes on Linux, 104 on
/// macOS).
const LONGEST_SOCKET_FOLDER: usize = 80;
/// How long somebody else may write into a folder that is being removed.
const LONGEST_REMOVAL: Duration = Duration::from_secs(5);

/// A folder that only its user may enter. It goes with this value, unless it is left.
#[derive(Debug)]
pub struct PrivateFolder(TempDir);

impl PrivateFolder {
    /// Makes the folder; `record` is told of it before it is there.
    ///
    /// # Errors
    /// When it can't be made or written down.
    pub fn new(record: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> Result<Self, EmbeddedError> {
        let parent = traversable_folder();
        let name = format!("{PREFIX}{:016x}", rand::random::<u64>());
        let path = parent.join(&name);
        record(&path).map_err(EmbeddedError::io("can't write down", &path))?;
        let private = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(EmbeddedError::io("can't make a folder in", &parent))?;
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

/// Whether a folder is named as ours are: a record may have been tampered with. What is in it doesn't tell,
/// because a removal that was killed leaves any part of it.
pub(super) fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_prefix(PREFIX))
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Removes a folder, though a process that is ending may still write into it. One that isn't there is fine.
pub(super) fn remove_folder(folder: &Path) -> Result<(), EmbeddedError> {
    let begun = Instant::now();
    loop {
        match fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == std::io::ErrorKind::DirectoryNotEmpty
                    && begun.elapsed() < LONGEST_REMOVAL =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(EmbeddedError::io("can't remove", folder)(error)),
        }
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
