//! `check --watch` and `man`: what is there for people at work on a scenario.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use support::{Program, file, text};

const SCENARIO: &str = "version: 1
name: watched
include: shared.yaml
operations: {look: {steps: [{sql: SELECT 1}]}}
load: {concurrency: 1, iterations: 1}
";

/// Waits for a line that holds a text; every line until then is consumed.
fn wait_for_line(lines: &Receiver<String>, wanted: &str) {
    let mut before = String::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(30)) {
            Ok(line) if line.contains(wanted) => return,
            Ok(line) => before.push_str(&format!("{line}\n")),
            Err(error) => panic!("no `{wanted}` ({error}) after:\n{before}"),
        }
    }
}

#[test]
fn a_change_of_the_file_or_of_an_included_one_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let shared = file(folder.path(), "shared.yaml", "targets: {db: {database: embedded}}\n");
    let path = file(folder.path(), "scenario.yaml", SCENARIO);
    let program = Program::new();
    let mut child = program
        .command(&["check", "--watch", text(&path)])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let (sender, lines) = channel();
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));

    wait_for_line(&lines, "scenario.yaml: ok");
    wait_for_line(&lines, "waiting for a change");
    fs::write(&shared, "targets: {db: {databse: embedded}}\n").expect("written");
    wait_for_line(&lines, "unknown key `databse`");
    wait_for_line(&lines, "shared.yaml:1:");
    wait_for_line(&lines, "waiting for a change");
    // As many editors do it: a new file in the place of the old one. It was broken, and is still watched.
    let new = file(folder.path(), "new", "targets: {db: {database: embedded}}\n");
    fs::rename(new, &shared).expect("replaced");
    wait_for_line(&lines, "scenario.yaml: ok");
    wait_for_line(&lines, "waiting for a change");
    fs::write(&path, SCENARIO.replace("name: watched", "nmae: watched")).expect("written");
    wait_for_line(&lines, "did you mean `name`?");
    child.kill().expect("it is still there");
    child.wait().expect("it ends");
}

#[test]
fn every_command_has_a_page_that_man_can_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    program.run(&["man", text(folder.path())]).expect_status(0);
    let help = program.run(&["--help"]).expect_status(0).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let page = folder.path().join(format!("deadheat-{command}.1"));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(&format!(".TH deadheat-{command} 1")), "{page}");
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{command}");
    }
    let page = fs::read_to_string(folder.path().join("deadheat.1")).expect("the first page");
    assert!(page.contains("Exit status: 0 pass, 1 fail"), "{page}");
    program.run(&["man", "/dev/null/x"]).expect_status(3).expect_stderr("can't write manual pages");
}
