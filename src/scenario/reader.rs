//! From a path to text: what can be refused before anything is parsed.

use std::{
    fs,
    io::{ErrorKind, Read},
    path::Path,
};

use super::{
    problem::{Problem, Problems},
    source::{Source, Syntax},
    suggest,
};

/// Values in one file, aliases expanded.
pub(super) const MOST_NODES: usize = 20_000;
/// Lists and maps inside one another: far beyond what a scenario needs, and within the 2 MB stack
/// of a thread even in a debug build, where every level of the model costs most.
pub(super) const DEEPEST: usize = 32;
/// Bytes in one file.
pub(super) const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads a file, at most [`LARGEST`] bytes of it.
pub(super) fn read(path: &Path) -> Result<Source, Problems> {
    let syntax = syntax(path)?;
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(a_folder(path).into());
    }
    if !metadata.is_file() {
        return Err(Problem::error(format!("`{}` is not a regular file", path.display())).into());
    }
    if metadata.len() > LARGEST {
        return Err(too_large(path).into());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(path).into());
    }
    source(path, bytes, syntax)
}

/// Takes a text as if it had been read from `path`.
pub(super) fn from_text(path: &Path, text: &str) -> Result<Source, Problems> {
    let syntax = syntax(path)?;
    if text.len() as u64 > LARGEST {
        return Err(too_large(path).into());
    }
    source(path, text.as_bytes().to_vec(), syntax)
}

/// What is wrong with the bytes is shown with the file's name.
fn source(path: &Path, bytes: Vec<u8>, syntax: Syntax) -> Result<Source, Problems> {
    let source = |text| Source::new(path.to_owned(), text, syntax);
    decode(bytes).map(source).map_err(|problem| Problems::from(problem).with_source(source(String::new())))
}

fn a_folder(path: &Path) -> Problem {
    Problem::error(format!("`{}` is a folder, not a scenario file", path.display()))
}

fn syntax(path: &Path) -> Result<Syntax, Problem> {
    match Syntax::of(path) {
        Some(syntax) => Ok(syntax),
        None if path.is_dir() => Err(a_folder(path)),
        None => Err(Problem::error(format!("`{}` is not a scenario file by its ending", path.display()))
            .hint("a scenario ends in .yaml, .yml or .toml")),
    }
}

fn too_large(path: &Path) -> Problem {
    Problem::error(format!("`{}` is larger than 4 MB, too large for a scenario", path.display()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    if error.kind() != ErrorKind::NotFound {
        return Problem::error(format!("could not read `{}`: {}", path.display(), error.kind()));
    }
    let problem = Problem::error(format!("`{}` doesn't exist", path.display()));
    match neighbour(path) {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem,
    }
}

/// The scenario file in the same folder whose name is nearest.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name()?.to_str()?;
    let names: Vec<String> = fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Syntax::of(Path::new(name)).is_some())
        .collect();
    let near = suggest::nearest(name, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

fn decode(mut bytes: Vec<u8>) -> Result<String, Problem> {
    let in_utf_8 = "save the file as UTF-8";
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    let zeros =
        |parity: usize| bytes.iter().take(256).skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let sampled = bytes.len().min(256);
    if bytes.starts_with(&[0xFF, 0xFE, 0, 0]) || bytes.starts_with(&[0, 0, 0xFE, 0xFF]) {
        return Err(Problem::error("the file looks like UTF-32").hint(in_utf_8));
    }
    let marked = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    if marked || (sampled >= 4 && zeros(0).max(zeros(1)) * 4 > sampled) {
        return Err(Problem::error("the file looks like UTF-16").hint(in_utf_8));
    }
    let place = |at: usize| {
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        (line, String::from_utf8_lossy(&bytes[start..at]).chars().count() + 1)
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let (line, column) = place(at);
        return Err(
            Problem::error(format!("a NUL byte at {line}:{column}")).hint("a scenario is plain text")
        );
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        let (line, column) = place(at);
        let legacy = "the file looks like Latin-1 or Windows-1252";
        let what = format!("{legacy}: byte 0x{:02X} at {line}:{column} is not UTF-8", bytes[at]);
        return Err(Problem::error(what).hint(in_utf_8));
    }
    let text = String::from_utf8(bytes).expect("checked just above");
    match text.trim().is_empty() {
        true => {
            Err(Problem::error("the file is empty").hint("`deadheat init` writes a scenario to start from"))
        }
        false => Ok(text),
    }
}
