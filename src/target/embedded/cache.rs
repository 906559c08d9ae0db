//! What is kept between runs: fetched programs and cluster templates.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, user::is_root};

/// The cache: `$DEADHEAT_CACHE_DIR`; for root `/var/cache/deadheat`, because the server's user
/// can't look into root's home; else `deadheat` in the user's cache folder (XDG Base Directory
/// Specification).
pub(super) fn folder() -> Result<PathBuf, EmbeddedError> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("DEADHEAT_CACHE_DIR")
        .or_else(|| is_root().then(|| PathBuf::from("/var/cache/deadheat")))
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("deadheat")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/deadheat")))
        .unwrap_or_else(|| env::temp_dir().join("deadheat-cache"));
    fs::create_dir_all(&folder).map_err(EmbeddedError::io("can't make", &folder))?;
    Ok(folder)
}

/// Makes an entry of the cache by building it beside and renaming it, so that others never see
/// half of it. Returns the entry's path; when another process was faster, its entry is used.
pub(super) fn entry(
    name: &str,
    is_whole: &dyn Fn(&Path) -> bool,
    build: &mut dyn FnMut(&Path) -> Result<(), EmbeddedError>,
) -> Result<PathBuf, EmbeddedError> {
    let folder = folder()?;
    let path = folder.join(name);
    if is_whole(&path) {
        return Ok(path);
    }
    let building = tempfile::Builder::new()
        .prefix(".building-")
        .tempdir_in(&folder)
        .map_err(EmbeddedError::io("can't make a folder in", &folder))?;
    fs::set_permissions(building.path(), fs::Permissions::from_mode(0o755))
        .map_err(EmbeddedError::io("can't open up", building.path()))?;
    let inside = building.path().join("entry");
    fs::create_dir(&inside).map_err(EmbeddedError::io("can't make", &inside))?;
    build(&inside)?;
    if fs::rename(&inside, &path).is_err() && !is_whole(&path) {
        // What stands there is broken, as after a machine that stopped half-way.
        fs::remove_dir_all(&path).map_err(EmbeddedError::io("can't replace", &path))?;
        fs::rename(&inside, &path).map_err(EmbeddedError::io("can't keep", &path))?;
    }
    Ok(path)
}
