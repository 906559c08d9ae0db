//! The library of races on PostgreSQL: every one does what its file says at every level, and its transcript
//! is golden.

mod support;

use std::fs;

use support::races::{files, transcripts};

#[test]
fn every_race_of_the_library_does_what_its_file_says() {
    for (name, transcript) in transcripts("embedded", &["snapshot-isolation", "sqlite-busy"]) {
        insta::assert_snapshot!(name, transcript);
    }
}

/// Each race that shows a mistake stands beside one that shows the fix.
#[test]
fn every_mistake_of_the_payments_has_its_fix() {
    let readme = fs::read_to_string("README.md").expect("the README");
    for path in files() {
        let (compiled, _) = deadheat::run::load_plan(&path, &[], &[]).expect("it is valid");
        let file = path.file_name().expect("a name").to_str().expect("text");
        assert!(readme.contains(&format!("| `{file}` |")), "the README knows {file}");
        let races = &compiled.plan.races;
        assert!(races.iter().all(|race| race.description.is_some()), "{file}");
        let names: Vec<&str> = races.iter().map(|race| race.name.as_str()).collect();
        let is_payments = compiled.plan.tags.iter().any(|tag| tag == "payments");
        assert!(
            !is_payments || names.contains(&format!("{}_fixed", names[0]).as_str()),
            "{file}: {names:?}"
        );
    }
}
