//! Files that a scenario names: they lie beside it or below it, links resolved.

use std::{
    io,
    path::{Component, Path},
};

use super::scope::Scope;
use crate::scenario::{self, Spanned};

/// The content of a file of at most so many bytes; `None` after a problem. `what` it is stands in messages.
pub(super) fn read(
    scope: &mut Scope<'_>,
    file: &Spanned<String>,
    what: &str,
    most: u64,
) -> Option<Vec<u8>> {
    let folder = scope.loaded.source.folder_at(file.span.start).to_owned();
    let inside = Path::new(&file.value)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        scope.error(&file.span, format!("{what} lies beside the scenario, or below it"), None);
        return None;
    }
    let path = folder.join(&file.value);
    if let Err(problem) = scenario::check_inside(&path, &folder, &file.value) {
        scope.problems.push(problem.at(file.span.clone()));
        return None;
    }
    let read = std::fs::metadata(&path).and_then(|facts| {
        if !facts.is_file() {
            return Err(io::Error::other("it isn't a file"));
        }
        if facts.len() > most {
            return Err(io::Error::other(format!("it is larger than {most} bytes")));
        }
        std::fs::read(&path)
    });
    match read {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            scope.error(&file.span, format!("can't read {}: {error}", path.display()), None);
            None
        }
    }
}
