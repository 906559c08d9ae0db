//! The library of races on SQLite: every one does what its file says, and its transcript is golden.

mod support;

use support::races::transcripts;

#[test]
fn every_race_of_the_library_does_what_its_file_says() {
    for (name, transcript) in transcripts("sqlite:", &["gap-locks", "snapshot-isolation"]) {
        insta::assert_snapshot!(name, transcript);
    }
}
