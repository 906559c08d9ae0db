//! The library of races: every one does what its file says at every level, and its transcript is golden.

mod support;

use std::{fs, path::PathBuf};

use serde_json::Value;
use support::{Program, json, text};

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir("scenarios/races")
        .expect("the library")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    files
}

/// A schedule that shows what a race is about: the first that broke something, else the first in which
/// a session failed. `None`: neither happens, at any level.
fn telling<'a>(races: &[&'a Value]) -> Option<&'a str> {
    let schedule = |key: &str| races.iter().find_map(|race| race[key]["schedule"].as_str());
    schedule("counter_example").or_else(|| schedule("first_error"))
}

#[test]
fn every_race_of_the_library_does_what_its_file_says() {
    let files = files();
    assert!(files.len() >= 9, "the library is there");
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result.json");
    for path in &files {
        let name = path.file_stem().expect("a name").to_str().expect("text").to_owned();
        let ended = program.run(&["race", "--quiet", "--json", text(&result), "--seed", "1", text(path)]);
        assert_eq!(ended.status, Some(0), "{name}: {}\n{}", ended.stdout, ended.stderr);
        let document = json(&result);
        let races = document["races"].as_array().expect("races");
        let mut names: Vec<&str> =
            races.iter().map(|race| race["race"].as_str().expect("a name")).collect();
        names.dedup();
        let mut transcripts = String::new();
        for race in names {
            let levels: Vec<&Value> = races.iter().filter(|one| one["race"] == race).collect();
            assert!(levels.iter().all(|level| level["expect"].is_string()), "{race} says what it does");
            let mut arguments =
                vec!["race", "--quiet", "--transcript", "--seed", "1", text(path), "--only", race];
            let schedule = telling(&levels);
            arguments.extend(schedule.iter().flat_map(|schedule| ["--schedule", schedule]));
            // One schedule alone needn't do what is expected of all.
            let printed = program.run(&arguments).stdout;
            assert!(printed.contains("starting permutation"), "{race}: {printed}");
            transcripts.push_str(&printed);
        }
        insta::assert_snapshot!(name, transcripts);
    }
    assert_eq!(program.records(), 0, "nothing is left to clean");
}

/// Each race that shows a mistake stands beside one that shows the fix.
#[test]
fn every_mistake_of_the_payments_has_its_fix() {
    let readme = fs::read_to_string("README.md").expect("the README");
    for path in files().iter().filter(|path| !path.ends_with("hermitage.yaml")) {
        let (compiled, _) = deadheat::run::load_plan(path, &[], &[]).expect("it is valid");
        let file = path.file_name().expect("a name").to_str().expect("text");
        assert!(readme.contains(&format!("| `{file}` |")), "the README knows {file}");
        let names: Vec<&str> = compiled.plan.races.iter().map(|race| race.name.as_str()).collect();
        assert!(names.contains(&format!("{}_fixed", names[0]).as_str()), "{}: {names:?}", path.display());
        assert!(compiled.plan.races.iter().all(|race| race.description.is_some()), "{names:?}");
    }
}
