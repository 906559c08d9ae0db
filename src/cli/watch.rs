//! `check --watch`: checks again whenever a scenario file, or one that it includes, changes.
//!
//! Files are asked for their time and length a few times a second: that works on every file system, also
//! where an editor replaces the file instead of writing into it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::{args::CheckArguments, check, console::Console};
use crate::run::load_run;

const PAUSE: Duration = Duration::from_millis(200);

/// What tells one state of a file from another; none while it isn't there.
type Stamp = Option<(SystemTime, u64)>;

/// Never comes back: Ctrl-C ends it.
pub(super) fn watch(arguments: &CheckArguments, console: &Console) -> u8 {
    loop {
        // Taken before the check, so that a change during it counts.
        let before = stamps(arguments);
        check::check(arguments, console);
        console.note("waiting for a change; Ctrl-C ends");
        while stamps_of(before.keys().cloned()) == before {
            std::thread::sleep(PAUSE);
        }
        console.note("");
    }
}

/// The files and what they include, as far as they can be read.
fn stamps(arguments: &CheckArguments) -> BTreeMap<PathBuf, Stamp> {
    let mut files = arguments.files.clone();
    for file in &arguments.files {
        let source = match load_run(&arguments.reach.options(file, None, false)) {
            Ok((_, source)) => Some(source),
            Err(problems) => problems.source().cloned(),
        };
        files.extend(source.iter().flat_map(|source| source.included()).map(PathBuf::from));
    }
    stamps_of(files)
}

fn stamps_of(files: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Stamp> {
    let stamp = |file: &PathBuf| {
        let facts = fs::metadata(file).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    };
    files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
}
