//! The throw-away server from every source, beside others of its kind.

mod support;

use std::time::Duration;

use deadheat::target::embedded::{BinarySource, EmbeddedOptions, EmbeddedServer, remove_abandoned};
use support::{server, value, wait_for};

fn start(binaries: BinarySource) -> EmbeddedServer {
    let options = EmbeddedOptions { max_connections: 20, binaries, ..EmbeddedOptions::default() };
    EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect("a server")
}

#[test]
fn a_server_is_fetched_where_none_is_installed() {
    let server = start(BinarySource::Download);
    assert!(server.version().starts_with("18."), "{}", server.version());
    assert_eq!(value(&server, "SELECT 1 + 1"), "2");
    let folder = server.folder().to_owned();
    server.stop().expect("stopped");
    assert!(!folder.exists());
}

#[test]
fn servers_live_side_by_side() {
    let (one, other) = (server(&[], 20), server(&[("work_mem", "5MB")], 20));
    assert_ne!(one.folder(), other.folder());
    assert_eq!(value(&one, "SELECT current_setting('work_mem')"), "4MB");
    assert_eq!(value(&other, "SELECT current_setting('work_mem')"), "5MB");
    one.stop().expect("stopped");
    assert_eq!(value(&other, "SELECT 1"), "1");
    other.stop().expect("stopped");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let server = server(&[], 20);
    let folder = server.folder().to_owned();
    assert!(folder.exists());
    drop(server);
    wait_for("the folder to go", || !folder.exists());
}

#[test]
fn a_folder_that_is_not_ours_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("precious"), "data").expect("written");
    assert!(remove_abandoned(folder.path()).is_err());
    assert!(folder.path().join("precious").exists());
    remove_abandoned(&folder.path().join("none")).expect("nothing to remove");
}

#[test]
fn a_wrong_folder_of_binaries_says_what_to_set() {
    let options =
        EmbeddedOptions { binaries: BinarySource::Folder("/none".into()), ..EmbeddedOptions::default() };
    let error = EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect_err("no server there");
    assert!(error.hint().is_some_and(|hint| hint.contains("DEADHEAT_POSTGRES")), "{error}");
}

/// The fastest of several, because others use the machine too.
#[test]
fn a_start_from_the_template_takes_less_than_a_second() {
    let starts = (0..5).map(|_| {
        let server = server(&[], 20);
        let time = server.started_in();
        server.stop().expect("stopped");
        time
    });
    let fastest = starts.min().expect("there were starts");
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}
