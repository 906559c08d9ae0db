//! What is kept between runs: fetched programs and cluster templates.

use std::{
    env,
    fs::{self, File, OpenOptions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, folder::remove_folder, user::is_root};

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

/// What an entry is built in, before its name and something random.
const BUILDING: &str = ".building-";

/// Makes an entry.
type Build<'a> = &'a mut dyn FnMut(&Path, &mut dyn FnMut(&str)) -> Result<(), EmbeddedError>;

/// Makes an entry of the cache by building it beside and renaming it, so that others never see half of it.
/// Returns the entry's path. Whoever else wants it waits, and finds it made.
pub(super) fn entry(
    name: &str,
    is_whole: &dyn Fn(&Path) -> bool,
    stage: &mut dyn FnMut(&str),
    build: Build<'_>,
) -> Result<PathBuf, EmbeddedError> {
    let folder = folder()?;
    let path = folder.join(name);
    if is_whole(&path) {
        return Ok(path);
    }
    let lock = open_lock(&folder, name)?;
    if lock.try_lock().is_err() {
        stage("waiting for another run, which makes the same");
        lock.lock().map_err(EmbeddedError::io("can't lock", lock_path(&folder, name)))?;
    }
    if is_whole(&path) {
        return Ok(path);
    }
    sweep(&folder, name)?;
    let building = tempfile::Builder::new()
        .prefix(&format!("{BUILDING}{name}-"))
        .tempdir_in(&folder)
        .map_err(EmbeddedError::io("can't make a folder in", &folder))?;
    fs::set_permissions(building.path(), fs::Permissions::from_mode(0o755))
        .map_err(EmbeddedError::io("can't open up", building.path()))?;
    let inside = building.path().join("entry");
    fs::create_dir(&inside).map_err(EmbeddedError::io("can't make", &inside))?;
    build(&inside, stage)?;
    if path.exists() {
        // What stands there is broken, as after a machine that stopped half-way.
        fs::remove_dir_all(&path).map_err(EmbeddedError::io("can't replace", &path))?;
    }
    fs::rename(&inside, &path).map_err(EmbeddedError::io("can't keep", &path))?;
    Ok(path)
}

/// Removes what runs that were killed have left half built. Says how much that was.
///
/// # Errors
/// When it can't be removed.
pub fn remove_half_built() -> Result<usize, EmbeddedError> {
    let folder = folder()?;
    let mut removed = 0;
    for name in entries(&folder)? {
        let Some(name) = name.strip_prefix(LOCK) else { continue };
        // Somebody else is building it now.
        if open_lock(&folder, name)?.try_lock().is_ok() {
            removed += sweep(&folder, name)?;
        }
    }
    Ok(removed)
}

/// The lock that whoever builds an entry holds; the file stays.
const LOCK: &str = ".lock-";

fn lock_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{LOCK}{name}"))
}

fn open_lock(folder: &Path, name: &str) -> Result<File, EmbeddedError> {
    let path = lock_path(folder, name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(&path).map_err(EmbeddedError::io("can't open", &path))
}

/// Removes half-built folders of an entry whose lock is held by the caller.
fn sweep(folder: &Path, name: &str) -> Result<usize, EmbeddedError> {
    let prefix = format!("{BUILDING}{name}-");
    let mut removed = 0;
    for left in entries(folder)?.iter().filter(|one| one.starts_with(&prefix)) {
        remove_folder(&folder.join(left))?;
        removed += 1;
    }
    Ok(removed)
}

fn entries(folder: &Path) -> Result<Vec<String>, EmbeddedError> {
    let listed = fs::read_dir(folder).map_err(EmbeddedError::io("can't read", folder))?;
    Ok(listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
