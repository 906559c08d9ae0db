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

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scenario,
    /// Something that a scenario is made from.
    Specification,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Specification => "specification",
        }
    }
}

/// Reads a scenario, at most [`LARGEST`] bytes of it.
pub(super) fn read(path: &Path) -> Result<(Source, Syntax), Problems> {
    let syntax = syntax(path)?;
    let bytes = read_bytes(path, Kind::Scenario)?;
    Ok((source(path, bytes, Some(syntax))?, syntax))
}

/// Reads a file that a scenario is made from, with the same bounds.
///
/// # Errors
/// When it can't be read, is larger than 4 MB or isn't text.
pub fn read_specification(path: &Path) -> Result<Source, Problems> {
    source(path, read_bytes(path, Kind::Specification)?, None)
}

/// Takes a text as if it were the specification at `path`.
///
/// # Errors
/// When it isn't text.
pub fn specification_from_text(path: &Path, text: &str) -> Result<Source, Problems> {
    source(path, text.as_bytes().to_vec(), None)
}

/// Takes a text as if it had been read from `path`.
pub(super) fn from_text(path: &Path, text: &str) -> Result<(Source, Syntax), Problems> {
    let syntax = syntax(path)?;
    if text.len() as u64 > LARGEST {
        return Err(too_large(path, Kind::Scenario).into());
    }
    Ok((source(path, text.as_bytes().to_vec(), Some(syntax))?, syntax))
}

fn read_bytes(path: &Path, kind: Kind) -> Result<Vec<u8>, Problem> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(a_folder(path, kind));
    }
    if !metadata.is_file() {
        return Err(Problem::error(format!("`{}` is not a regular file", path.display())));
    }
    if metadata.len() > LARGEST {
        return Err(too_large(path, kind));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(path, kind));
    }
    Ok(bytes)
}

/// What is wrong with the bytes is shown with the file's name.
fn source(path: &Path, bytes: Vec<u8>, syntax: Option<Syntax>) -> Result<Source, Problems> {
    let kind = if syntax.is_some() { Kind::Scenario } else { Kind::Specification };
    let source = |text| Source::new(path.to_owned(), text, syntax);
    decode(bytes, kind)
        .map(source)
        .map_err(|problem| Problems::from(problem).with_source(source(String::new())))
}

fn a_folder(path: &Path, kind: Kind) -> Problem {
    Problem::error(format!("`{}` is a folder, not a {} file", path.display(), kind.noun()))
}

fn syntax(path: &Path) -> Result<Syntax, Problem> {
    let problem = || Problem::error(format!("`{}` is not a scenario file by its ending", path.display()));
    match Syntax::of(path) {
        Some(syntax) => Ok(syntax),
        None if path.is_dir() => Err(a_folder(path, Kind::Scenario)),
        None if path.extension().is_some_and(|ending| ending == "spec") => Err(problem()
            .hint(format!("`deadheat import {}` makes a scenario of an isolation test", path.display()))),
        None => Err(problem().hint("a scenario ends in .yaml, .yml or .toml")),
    }
}

fn too_large(path: &Path, kind: Kind) -> Problem {
    let (path, noun) = (path.display(), kind.noun());
    Problem::error(format!("`{path}` is larger than 4 MB, too large for a {noun}"))
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

/// The file of this kind in the same folder whose name is nearest.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name()?.to_str()?;
    let alike = |other: &Path| match Syntax::of(path) {
        Some(_) => Syntax::of(other).is_some(),
        None => other.extension() == path.extension(),
    };
    let names: Vec<String> = fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| alike(Path::new(name)))
        .collect();
    let near = suggest::nearest(name, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

fn decode(mut bytes: Vec<u8>, kind: Kind) -> Result<String, Problem> {
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
        return Err(Problem::error(format!("a NUL byte at {line}:{column}"))
            .hint(format!("a {} is plain text", kind.noun())));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        let (line, column) = place(at);
        let legacy = "the file looks like Latin-1 or Windows-1252";
        let what = format!("{legacy}: byte 0x{:02X} at {line}:{column} is not UTF-8", bytes[at]);
        return Err(Problem::error(what).hint(in_utf_8));
    }
    let text = String::from_utf8(bytes).expect("checked just above");
    let empty = || Problem::error("the file is empty");
    match kind {
        _ if !text.trim().is_empty() => Ok(text),
        Kind::Scenario => Err(empty().hint("`deadheat init` writes a scenario to start from")),
        Kind::Specification => Err(empty()),
    }
}
