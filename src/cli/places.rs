//! Where a scenario's demands stand, for annotations.

use std::{collections::HashMap, path::Path};

use crate::{
    report::{Places, Reported, Section},
    scenario::{self, LoadOptions, Named, OneOrMany, Spanned},
};

/// Finds the demands in the text that the run was made from. A text that can't be read any more,
/// or a document without one, leaves the file without lines.
pub(super) fn places(reported: &Reported) -> Places {
    match reported {
        Reported::Ran(document) => Places {
            file: from_repository(&document.file),
            lines: document
                .file_text
                .as_deref()
                .and_then(|text| lines(Path::new(&document.file), text, document.profile.as_deref()))
                .unwrap_or_default(),
        },
        Reported::CouldNotRun { scenario, .. } => {
            Places { file: from_repository(scenario), ..Places::default() }
        }
    }
}

type Lines = HashMap<(Section, String), Vec<usize>>;

fn lines(path: &Path, text: &str, profile: Option<&str>) -> Option<Lines> {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile };
    let loaded = scenario::load_str(path, text, &options).ok()?;
    let source = &loaded.source;
    // A line of an included file says nothing in this one.
    let is_own = |name: &Spanned<String>| source.is_own(name.span.start);
    let line = |name: &Spanned<String>| source.line_column(name.span.start).0;
    let mut lines = Lines::new();
    for name in loaded.file.invariants.keys().filter(|name| is_own(name)) {
        lines.insert((Section::Invariants, name.value.clone()), vec![line(name)]);
    }
    let mut conditions = |section, named: &Named<OneOrMany<Spanned<String>>>| {
        for (name, written) in named.iter().filter(|(_, written)| written.iter().all(is_own)) {
            lines.insert((section, name.value.clone()), written.iter().map(line).collect());
        }
    };
    conditions(Section::Thresholds, &loaded.file.thresholds);
    conditions(Section::Require, &loaded.file.require);
    Some(lines)
}

/// GitHub wants paths from the root of the repository, which it checks out into its workspace.
fn from_repository(file: &str) -> String {
    let below = std::env::var_os("GITHUB_WORKSPACE").and_then(|workspace| {
        let path = std::env::current_dir().ok()?.join(file);
        Some(path.strip_prefix(workspace).ok()?.display().to_string())
    });
    below.unwrap_or_else(|| file.trim_start_matches("./").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_has_its_line() {
        let text = "version: 1\nname: x\ninvariants:\n  a: {sql: SELECT 1}\nthresholds:\n  latency:\n    - avg < 1s\n    - \
                    p(95) < 2s\n";
        let lines = lines(Path::new("x.yaml"), text, None).expect("a scenario");
        assert_eq!(lines[&(Section::Invariants, "a".to_owned())], [4]);
        assert_eq!(lines[&(Section::Thresholds, "latency".to_owned())], [7, 8]);
    }
}
