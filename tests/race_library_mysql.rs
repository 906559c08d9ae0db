//! The library of races on MariaDB or MySQL: every one does what its file says at every level, and its
//! transcript is golden.

mod support;

use support::races::transcripts;

#[test]
fn every_race_of_the_library_does_what_its_file_says() {
    for (name, transcript) in transcripts("embedded:mysql", &["sqlite-busy"]) {
        insta::assert_snapshot!(name, transcript);
    }
}
