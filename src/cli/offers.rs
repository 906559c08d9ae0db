//! What the menu offers: the scenarios of a folder and of its `scenarios`, and what can be done with each.

use std::path::{Path, PathBuf};

use crate::{
    run::load_plan,
    scenario::{LoadOptions, NodeKind, load_str},
};

/// Files that are looked at, at most: a menu of more is none.
const MOST_FILES: usize = 300;
/// Larger files aren't scenarios that somebody wrote.
const LARGEST: u64 = 1024 * 1024;
/// Characters of a name in the list.
const LONGEST_LABEL: usize = 30;
/// The variable that a scenario multiplies its workers with.
const MULTIPLIER: &str = "multiplier";

/// A scenario, and what can be done with it.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub file: PathBuf,
    pub name: String,
    /// The name, and the file's when others have that name too.
    pub label: String,
    pub description: Option<String>,
    pub offers: Vec<Offer>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Offer {
    Plain {
        what: String,
        arguments: Vec<String>,
    },
    /// Asks for a variable first.
    Asks {
        what: String,
        variable: &'static str,
        usual: String,
        arguments: Vec<String>,
    },
}

impl Found {
    fn new(file: &Path, name: String, description: Option<String>, offers: Vec<Offer>) -> Self {
        Self { file: file.to_owned(), label: name.clone(), name, description, offers }
    }

    /// In the list: label and description, cut to the width.
    fn line(&self, column: usize, width: usize) -> String {
        let label = cut(&self.label, column);
        let description = self.description.as_deref().unwrap_or_default();
        fit(&format!("{label:column$}  {description}"), width)
    }
}

/// The list's lines, descriptions one below the other.
pub(super) fn lines(found: &[Found], width: usize) -> Vec<String> {
    let longest = found.iter().map(|one| one.label.chars().count()).max().unwrap_or_default();
    let column = longest.min(LONGEST_LABEL);
    found.iter().map(|one| one.line(column, width)).collect()
}

impl Offer {
    pub(super) fn line(&self, number: usize, width: usize) -> String {
        let (Self::Plain { what, .. } | Self::Asks { what, .. }) = self;
        fit(&format!("{number} {what}"), width)
    }
}

/// One line that the list can't wrap; its marks need four columns. Control characters of a file's text
/// don't reach the terminal.
fn fit(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&text, width.saturating_sub(5)).trim_end().to_owned()
}

/// At most so many characters, the last of which tells that there were more.
fn cut(text: &str, room: usize) -> String {
    match text.char_indices().nth(room) {
        None => text.to_owned(),
        Some(_) => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The scenarios of a folder first, then those of `scenarios` below it.
pub(super) fn find(folder: &Path) -> Vec<Found> {
    let mut files = Vec::new();
    scenarios_in(folder, 0, &mut files);
    scenarios_in(&folder.join("scenarios"), 2, &mut files);
    files.truncate(MOST_FILES);
    let mut found: Vec<Found> = files.iter().filter_map(|file| read(file)).collect();
    // The first to be tried comes first; the rest in the order of the folders.
    found.sort_by_key(|one| one.name != "payments");
    let names: Vec<String> = found.iter().map(|one| one.name.clone()).collect();
    for one in &mut found {
        if names.iter().filter(|name| **name == one.name).count() > 1 {
            // Where the file has the scenario's name, its format tells them apart.
            let has_its_name = one.file.file_stem().is_some_and(|stem| *stem == *one.name);
            let told = if has_its_name { one.file.extension() } else { one.file.file_name() };
            one.label = format!("{} ({})", one.name, told.unwrap_or_default().display());
        }
    }
    found
}

fn scenarios_in(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.path();
        let is_scenario = path
            .extension()
            .is_some_and(|ending| ["yaml", "yml", "toml"].iter().any(|known| ending == *known));
        if path.is_dir() && depth > 0 {
            folders.push(path);
        } else if is_scenario && entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST) {
            into.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
        }
    }
    folders.iter().for_each(|folder| scenarios_in(folder, depth - 1, into));
}

/// `None` for what isn't a scenario. One with mistakes is offered to be checked.
fn read(file: &Path) -> Option<Found> {
    let text = std::fs::read_to_string(file).ok()?;
    if !text.lines().any(says_version) {
        return None;
    }
    let shown = file.display().to_string();
    let arguments = |command: &str| vec![command.to_owned(), shown.clone()];
    let plain = |what: &str, command| Offer::Plain { what: what.to_owned(), arguments: arguments(command) };
    let Ok((compiled, _)) = load_plan(file, &[], &[]) else {
        let name = file.file_stem()?.to_string_lossy().into_owned();
        let offers = vec![plain("Check: it has mistakes", "check")];
        return Some(Found::new(file, name, None, offers));
    };
    let plan = compiled.plan;
    let mut offers = Vec::new();
    if !plan.operations.is_empty() {
        let workers = plan.load.concurrency;
        let beside = file.with_file_name("webhooks.yaml");
        match multiplier(&text, file) {
            Some(usual) => {
                offers.push(plain(&format!("Full stress: {workers} workers"), "run"));
                if beside.is_file() && beside != file {
                    let arguments = vec!["run".to_owned(), beside.display().to_string()];
                    offers.push(Offer::Plain { what: "Webhooks only, over HTTP".to_owned(), arguments });
                }
                offers.push(Offer::Asks {
                    what: format!("Custom multiplier ({usual} as written)"),
                    variable: MULTIPLIER,
                    usual,
                    arguments: arguments("run"),
                });
            }
            None => offers.push(plain(&format!("Run: {workers} workers"), "run")),
        }
    }
    if !plan.races.is_empty() {
        offers.push(plain("Race: drive the interleavings", "race"));
    }
    offers.push(plain("Explain: print what it does", "explain"));
    Some(Found::new(file, plan.name, plan.description, offers))
}

/// `version: 1` or `version = 1`, which no other kind of file begins with.
fn says_version(line: &str) -> bool {
    let code = line.split('#').next().unwrap_or_default();
    let code: String = code.split_whitespace().collect();
    matches!(code.as_str(), "version:1" | "version=1")
}

/// The multiplier as written, when the scenario has one.
fn multiplier(text: &str, file: &Path) -> Option<String> {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    let loaded = load_str(file, text, &options).ok()?;
    match loaded.file.vars.get(MULTIPLIER)?.kind {
        NodeKind::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_scenarios_are_offered() {
        let found = find(Path::new("."));
        let payments = &found[0];
        assert_eq!(
            (payments.name.as_str(), payments.file.to_str()),
            ("payments", Some("scenarios/payments.yaml"))
        );
        let lines: Vec<String> =
            payments.offers.iter().enumerate().map(|(n, offer)| offer.line(n + 1, 80)).collect();
        assert_eq!(
            lines,
            [
                "1 Full stress: 250 workers",
                "2 Webhooks only, over HTTP",
                "3 Custom multiplier (50 as written)",
                "4 Explain: print what it does"
            ]
        );
        let race = found.iter().find(|one| one.name == "last-item").expect("the library of races");
        let Offer::Plain { arguments, .. } = &race.offers[0] else { panic!("{:?}", race.offers) };
        assert_eq!(arguments, &["race", "scenarios/races/last-item.yaml"]);
        let mut lines = super::lines(&found, 80);
        assert!(lines.iter().all(|line| line.chars().count() <= 76), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("lost-update (toml)")), "{lines:?}");
        let all = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), all, "no two look alike");
    }

    #[test]
    fn what_is_no_scenario_is_left_out_and_a_broken_one_is_offered_to_be_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("compose.yaml", "services: {}\n");
        write("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.0.0\"\n");
        write("broken.yaml", "version: 1\nname: broken\noperations: 7\n");
        write("notes.txt", "version: 1\nname: x\n");
        let found = find(folder.path());
        assert_eq!(found.len(), 1, "{found:?}");
        let Offer::Plain { arguments, .. } = &found[0].offers[0] else { panic!("{found:?}") };
        assert_eq!(arguments[0], "check");
    }

    #[test]
    fn a_line_never_moves_the_cursor() {
        assert_eq!(fit("a\u{1b}[2Jb\nc", 80), "a [2Jb c");
        assert_eq!(fit(&"x".repeat(200), 80).chars().count(), 75);
    }
}
