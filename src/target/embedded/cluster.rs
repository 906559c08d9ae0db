//! A server's data: a template made once, and copies of it.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use super::{EmbeddedError, ServerKind, binaries::Binaries, cache, guard::Guard, user::ServerUser};

/// Fills `folder`, which is empty, with a fresh server's data that belongs to `user`.
pub(super) fn create(
    kind: ServerKind,
    folder: &Path,
    binaries: &Binaries,
    version: &str,
    user: ServerUser,
    stage: &mut dyn FnMut(&str),
) -> Result<(), EmbeddedError> {
    let name = format!("{}-{version}", kind.template());
    let is_whole = |path: &Path| path.join("data").join(kind.sign_of_wholeness()).is_file();
    let template = cache::entry(&name, &is_whole, stage, &mut |path, stage| {
        stage("making a database cluster; it is kept for the next time");
        init(kind, path, folder, binaries, user)
    })?;
    copy(&template.join("data"), folder, user)
}

/// Makes a cluster in `scratch`, an empty folder that the server's user may be given, and keeps it in `path`.
fn init(
    kind: ServerKind,
    path: &Path,
    scratch: &Path,
    binaries: &Binaries,
    user: ServerUser,
) -> Result<(), EmbeddedError> {
    user.own(scratch)?;
    let data = scratch.join("data");
    let (program, arguments) = kind.initialise(binaries, &data);
    let output = Guard::output(scratch, &program, &arguments, user)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(EmbeddedError::InitDb(String::from_utf8_lossy(&said).trim().to_owned()));
    }
    let kept = path.join("data");
    fs::create_dir(&kept).map_err(EmbeddedError::io("can't make", &kept))?;
    copy_tree(&data, &kept, None)?;
    for entry in fs::read_dir(scratch).map_err(EmbeddedError::io("can't read", scratch))?.flatten() {
        // Whatever the program left beside the cluster goes too.
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(EmbeddedError::io("can't remove", &path))?;
    }
    Ok(())
}

/// Copies a cluster; the copy belongs to `user` and nobody else may look into it.
fn copy(from: &Path, into: &Path, user: ServerUser) -> Result<(), EmbeddedError> {
    fs::set_permissions(into, fs::Permissions::from_mode(0o700))
        .map_err(EmbeddedError::io("can't close", into))?;
    copy_tree(from, into, Some(user))?;
    user.own(into)
}

fn copy_tree(from: &Path, into: &Path, user: Option<ServerUser>) -> Result<(), EmbeddedError> {
    let read = |error: io::Error| EmbeddedError::Io { what: "can't read", path: from.to_owned(), error };
    for entry in fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let (source, target) = (entry.path(), into.join(entry.file_name()));
        let write =
            |error: io::Error| EmbeddedError::Io { what: "can't write", path: target.clone(), error };
        if entry.file_type().map_err(read)?.is_dir() {
            fs::create_dir(&target).map_err(write)?;
            copy_tree(&source, &target, user)?;
            let mode = if user.is_some() { 0o700 } else { 0o755 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(write)?;
        } else {
            fs::copy(&source, &target).map_err(write)?;
            let mode = if user.is_some() { 0o600 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(write)?;
        }
        if let Some(user) = user {
            user.own(&target)?;
        }
    }
    Ok(())
}
