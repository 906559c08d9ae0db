//! From the path of a specification to the text of a scenario.

use std::path::Path;

use super::{check::check, convert::convert, parser::parse};
use crate::scenario::{
    LoadOptions, Problem, Problems, Severity, Source, load_str, read_specification, specification_from_text,
};

/// A scenario made of a specification.
#[derive(Debug)]
pub struct Imported {
    /// YAML.
    pub text: String,
    /// What is odd about the specification, with its source.
    pub warnings: Problems,
}

/// Reads an isolation test specification and says it as a scenario, which has the name of the file.
///
/// # Errors
/// Everything that is wrong with the specification, or that a race can't do, each at its place.
pub fn import(path: &Path) -> Result<Imported, Problems> {
    of_source(read_specification(path)?)
}

/// Says a text as a scenario, as if it were the specification at `path`.
///
/// # Errors
/// As those of [`import`].
pub fn import_text(path: &Path, text: &str) -> Result<Imported, Problems> {
    of_source(specification_from_text(path, text)?)
}

fn of_source(source: Source) -> Result<Imported, Problems> {
    let (text, problems) = scenario(&source);
    let problems = Problems::from(problems).with_source(source);
    if problems.has_errors() { Err(problems) } else { Ok(Imported { text, warnings: problems }) }
}

/// The scenario's text, and problems; with an error among them the text is of no use.
pub(super) fn scenario(source: &Source) -> (String, Vec<Problem>) {
    let (specification, mut problems) = parse(&source.text);
    check(&specification, &mut problems);
    let part = |part: Option<&std::ffi::OsStr>| part.map(|name| name.to_string_lossy().into_owned());
    let file = part(source.path.file_name()).unwrap_or_default();
    let name = part(source.path.file_stem()).unwrap_or_default();
    let text = convert(specification, &file, &name, &mut problems);
    if problems.iter().all(|problem| problem.severity == Severity::Warning) {
        problems.extend(unreadable(&text));
    }
    (text, problems)
}

/// Why a scenario can't be read: it is larger than scenarios may be.
fn unreadable(text: &str) -> Option<Problem> {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    let first = match load_str(Path::new("imported.yaml"), text, &options) {
        Ok(loaded) => loaded.problems.iter().find(|problem| problem.severity == Severity::Error).cloned(),
        Err(problems) => problems.iter().next().cloned(),
    };
    let message = first?.message;
    Some(Problem::error(format!("no scenario can be made of it: {message}")))
}
