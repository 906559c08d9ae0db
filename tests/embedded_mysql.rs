//! The throw-away MariaDB or MySQL.

mod support;

use deadheat::target::embedded::{
    BinarySource, EmbeddedOptions, EmbeddedServer, ServerKind, remove_abandoned,
};
use support::{block_on, server_of, session, wait_for};

fn variable(server: &EmbeddedServer, name: &str) -> String {
    block_on(async {
        let mut session = session(&server.url()).await;
        let rows = session.query(&format!("SELECT @@GLOBAL.{name}"), &[]).await.expect("read");
        session.close().await;
        rows.single().to_string()
    })
}

#[test]
fn mariadb_servers_live_side_by_side_without_a_network() {
    let one = server_of(ServerKind::MySql, &[], 20);
    let other = server_of(ServerKind::MySql, &[("lock_wait_timeout", "77")], 30);
    assert!(matches!(one.product(), "MariaDB" | "MySQL"));
    assert!(one.version().split('.').count() >= 2, "{}", one.version());
    assert_eq!(
        (variable(&one, "skip_networking"), variable(&other, "skip_networking")),
        ("1".into(), "1".into())
    );
    assert_eq!(variable(&other, "lock_wait_timeout"), "77");
    assert_eq!(variable(&other, "max_connections"), "30");
    let folders = [one.folder().to_owned(), other.folder().to_owned()];
    one.stop().expect("stopped");
    assert!(!folders[0].exists());
    drop(other);
    wait_for("the folder to go", || !folders[1].exists());
}

#[test]
fn a_mariadb_server_that_was_left_is_ended_and_removed() {
    let server = server_of(ServerKind::MySql, &[], 20);
    let folder = server.folder().to_owned();
    let process = std::fs::read_to_string(folder.join("server.pid")).expect("its number");
    let process = std::path::Path::new("/proc").join(process.trim());
    server.leave_running();
    assert!(process.exists() && folder.exists());
    remove_abandoned(&folder).expect("removed");
    assert!(!folder.exists());
    wait_for("the server to end", || !process.exists());
}

#[test]
fn a_wrong_mariadb_setting_is_told_in_the_servers_words() {
    let options = EmbeddedOptions {
        kind: ServerKind::MySql,
        settings: vec![("no_such_thing".to_owned(), "1".to_owned())],
        ..EmbeddedOptions::default()
    };
    let error =
        EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect_err("it doesn't start");
    assert!(error.to_string().contains("no_such_thing"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("settings")));
}

#[test]
fn a_wrong_folder_of_mariadb_says_what_to_set() {
    let binaries = BinarySource::Folder("/none".into());
    let options = EmbeddedOptions { kind: ServerKind::MySql, binaries, ..EmbeddedOptions::default() };
    let error = EmbeddedServer::start(&options, &mut |_| Ok(()), &mut |_| {}).expect_err("no server there");
    assert!(error.hint().is_some_and(|hint| hint.contains("DEADHEAT_MYSQL")), "{error}");
}
