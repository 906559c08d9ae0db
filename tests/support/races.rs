//! The library of races, driven on one kind of database.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{Program, json, text};

/// The files of the library.
pub fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir("scenarios/races")
        .expect("the library")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "the library is there");
    files
}

/// Drives every file on a database, and gives the transcript of each, by its name. `elsewhere`: the files in
/// which nothing applies to this kind.
pub fn transcripts(database: &str, elsewhere: &[&str]) -> Vec<(String, String)> {
    let program = Program::new();
    let target = format!("db={database}");
    let mut all = Vec::new();
    for path in files() {
        let name = path.file_stem().expect("a name").to_str().expect("text").to_owned();
        let found = transcript(&program, &target, text(&path), elsewhere.contains(&name.as_str()));
        all.extend(found.map(|found| (name, found)));
    }
    assert_eq!(program.records(), 0, "nothing is left to clean");
    all
}

/// Every race of a file does what the file says, at every level that the database has.
fn transcript(program: &Program, target: &str, path: &str, is_elsewhere: bool) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result.json");
    let base = ["race", "--quiet", "--seed", "1", "--target", target, path];
    let ended = program.run(&[base.as_slice(), &["--json", text(&result)]].concat());
    // A run in which nothing applies proves nothing.
    let status = if is_elsewhere { 4 } else { 0 };
    assert_eq!(ended.status, Some(status), "{path}: {}\n{}", ended.stdout, ended.stderr);
    let document = json(&result);
    let races = document["races"].as_array().expect("races");
    let driven: Vec<&Value> = races.iter().filter(|race| race["does_not_apply"].is_null()).collect();
    assert_eq!(driven.is_empty(), is_elsewhere, "{path}: {}", ended.stdout);
    let mut names: Vec<&str> = driven.iter().map(|race| race["race"].as_str().expect("a name")).collect();
    names.dedup();
    let mut transcripts = String::new();
    for race in names {
        let levels: Vec<&Value> = driven.iter().copied().filter(|one| one["race"] == race).collect();
        assert!(levels.iter().all(|level| level["expect"].is_string()), "{race} says what it does");
        let schedule = telling(&levels);
        let mut arguments = [base.as_slice(), &["--transcript", "--only", race]].concat();
        arguments.extend(schedule.iter().flat_map(|schedule| ["--schedule", schedule]));
        // One schedule alone needn't do what is expected of all.
        let printed = program.run(&arguments).stdout;
        assert!(printed.contains("starting permutation"), "{race}: {printed}");
        transcripts.push_str(&printed);
    }
    (!is_elsewhere).then_some(transcripts)
}

/// A schedule that shows what a race is about: the first that broke something, else the first in which
/// a session failed. `None`: neither happens, at any level.
fn telling<'a>(races: &[&'a Value]) -> Option<&'a str> {
    let schedule = |key: &str| races.iter().find_map(|race| race[key]["schedule"].as_str());
    schedule("counter_example").or_else(|| schedule("first_error"))
}
