//! The user that the server runs as: PostgreSQL, MariaDB and MySQL refuse root.

use std::os::unix::process::CommandExt;
use std::{fs, os::unix, path::Path, process::Command};

use super::{EmbeddedError, ServerKind};

/// An unprivileged user to become; `None` when this process isn't root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerUser(Option<(u32, u32)>);

impl ServerUser {
    /// `nobody` when this process is root, else whoever it is.
    pub(super) fn find(kind: ServerKind) -> Result<Self, EmbeddedError> {
        if !is_root() {
            return Ok(Self(None));
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some("nobody")).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            Some((uid, fields.next()?.parse().ok()?))
        });
        ids.map(|ids| Self(Some(ids))).ok_or(EmbeddedError::NoUser(kind.product()))
    }

    /// Lets a command run as this user.
    pub(super) fn applied_to(self, command: &mut Command) -> &mut Command {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(super) fn own(self, path: &Path) -> Result<(), EmbeddedError> {
        match self.0 {
            Some((uid, gid)) => unix::fs::lchown(path, Some(uid), Some(gid))
                .map_err(EmbeddedError::io("can't give away", path)),
            None => Ok(()),
        }
    }
}

/// Whether this process is root: a file that it makes belongs to it.
pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.uid() == 0)
}
