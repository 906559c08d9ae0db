//! What `check` warns of: a scenario for each warning, and none in what is shipped.

mod support;

use std::{fs, path::PathBuf};

use support::{Program, text};

fn scenarios(folder: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            scenarios(text(&path), found);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "toml") {
            found.push(path);
        }
    }
    found.sort();
}

/// What `check --deny-warnings` says of a file, and its status.
fn checked(file: &str) -> (String, i32) {
    let ended = Program::new().command(&["check", "--deny-warnings", "--no-color", file]).output();
    let ended = ended.expect("the program starts");
    (String::from_utf8(ended.stderr).expect("text"), ended.status.code().expect("a status"))
}

#[test]
fn each_warning_stands_at_its_place() {
    let mut files = Vec::new();
    scenarios("tests/data/lint", &mut files);
    assert!(files.len() >= 9);
    let mut all = String::new();
    for file in files {
        let (said, status) = checked(text(&file));
        assert_eq!(status, 2, "{said}");
        assert!(said.contains("warning: ") && !said.contains("error: "), "{said}");
        all.push_str(&said);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_warning_is_no_error_unless_it_is_denied() {
    let ended = Program::new().command(&["check", "tests/data/lint/one-worker.yaml"]).output();
    assert_eq!(ended.expect("the program starts").status.code(), Some(0));
}

#[test]
fn shipped_scenarios_are_warned_of_only_where_they_are_wrong_on_purpose() {
    let mut files = Vec::new();
    scenarios("scenarios", &mut files);
    let warned: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let (said, status) = checked(text(file));
            let warnings = said.matches("warning: ").count();
            assert_eq!(status, if warnings > 0 { 2 } else { 0 }, "{}: {said}", file.display());
            (warnings > 0).then(|| {
                assert!(said.contains("against the declared lock order"), "{said}");
                file.display().to_string()
            })
        })
        .collect();
    assert_eq!(warned, ["scenarios/payments-wrong-order.yaml"]);
}
