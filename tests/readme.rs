//! The README and the pages that it leads to say what the program does: its commands, metrics and scenarios,
//! and every key of the language.

use std::{fs, process::Command};

use deadheat::scenario::threshold::Metric;

/// The README and the pages that it leads to.
fn readme() -> String {
    let mut text = fs::read_to_string("README.md").expect("the README");
    for page in fs::read_dir("docs").expect("the pages").flatten().map(|entry| entry.path()) {
        if page.extension().is_some_and(|ending| ending == "md") {
            let name = format!("(docs/{})", page.file_name().expect("a name").to_string_lossy());
            let others = ["findings.md"].iter().any(|other| page.ends_with(other));
            assert!(others || text.contains(&name), "the README leads to {name}");
            if !page.ends_with("reference.md") {
                text += &fs::read_to_string(&page).expect("a page");
            }
        }
    }
    text
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_deadheat")).args(arguments).output().expect("it starts");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_command_and_option_of_run_is_there() {
    let readme = readme();
    for line in help(&["--help"]).lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(command) = line.split_whitespace().next() else { break };
        if command != "help" {
            assert!(readme.contains(&format!("`deadheat {command}")), "{command}");
        }
    }
    for word in help(&["run", "--help"])
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|w| w.starts_with("--"))
    {
        if !matches!(word, "--help" | "--version") {
            assert!(readme.contains(&format!("`{word}")), "{word}");
        }
    }
}

#[test]
fn every_key_of_the_language_is_there() {
    let reference = fs::read_to_string("docs/reference.md").expect("the reference");
    let readme = readme() + &reference;
    assert!(readme.contains("(docs/reference.md)"), "the README leads to it");
    let schema = deadheat::scenario::json_schema();
    let mut keys: Vec<String> = Vec::new();
    let mut collect = |value: &serde_json::Value| {
        keys.extend(value["properties"].as_object().into_iter().flat_map(|object| object.keys().cloned()));
    };
    collect(&schema);
    for definition in schema["$defs"].as_object().expect("definitions").values() {
        collect(definition);
    }
    assert!(keys.len() > 40);
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| {
            let words = [
                format!("`{key}`"),
                format!("`{key}:"),
                format!("{key}:"),
                format!("{key},"),
                format!("{key}}}"),
            ];
            !words.iter().any(|word| readme.contains(word.as_str()))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_metric_and_shipped_scenario_is_there() {
    let readme = readme();
    for metric in Metric::ALL {
        assert!(readme.contains(&format!("`{}`", metric.name())), "{metric}");
    }
    for entry in fs::read_dir("scenarios").expect("scenarios").flatten() {
        if entry.path().is_dir() {
            continue; // The shop's own scenarios: tests/shop.rs reads their table.
        }
        let name = entry.file_name().into_string().expect("a name");
        let (stem, ending) = name.rsplit_once('.').expect("an ending");
        assert!(
            readme.contains(&name) || readme.contains(&format!("`{stem}.yaml`, `.{ending}`")),
            "{name}"
        );
    }
}

#[test]
fn the_commands_that_it_begins_with_are_real() {
    let readme = readme();
    assert!(readme.contains("cargo run --release -- run scenarios/payments.yaml"));
    assert!(readme.contains("\nscripts/test\n"));
    assert!(fs::read_to_string(".ci/run").expect("CI's script").contains("scripts/test"));
}
