//! `report`: every report again from a result document, by the built program.

mod support;

use std::{fs, io::Write, process::Stdio};

use support::{Ended, Program, file, text};

const YESTERDAY: &str = "tests/data/yesterday.json";
const OLDER: &str = "tests/data/older.json";

fn with_stdin(program: &Program, arguments: &[&str], input: &[u8]) -> Ended {
    let mut command = program.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that refuses its input early may close the pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    Ended::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn without_options_it_prints_the_table() {
    let ended = Program::new().run(&["report", YESTERDAY]).expect_status(0);
    assert!(ended.stdout.contains("Verdict: fail, grade: failed\n"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[test]
fn every_report_is_made_at_once_and_the_exit_status_is_not_the_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let (markdown, junit) = (path("r.md"), path("r.xml"));
    let ended = Program::new()
        .run(&[
            "report",
            YESTERDAY,
            OLDER,
            "--markdown",
            &markdown,
            "--junit",
            &junit,
            "--annotations",
            "github",
        ])
        .expect_status(0);
    assert!(ended.stdout.starts_with("::error file=scenarios/payments-wrong-order.yaml,title="));
    assert_eq!(ended.stdout.lines().count(), 2);
    let markdown = fs::read_to_string(markdown).expect("written");
    assert!(markdown.starts_with("| scenario | verdict | grade |"), "two runs begin with a summary");
    assert_eq!(fs::read_to_string(junit).expect("written").matches("<testsuite ").count(), 2);
}

#[test]
fn stdin_and_stdout_will_do() {
    let document = fs::read(YESTERDAY).expect("the document");
    let program = Program::new();
    let arguments = ["report", "-", "--markdown", "-", "--annotations", "github"];
    let ended = with_stdin(&program, &arguments, &document).expect_status(0);
    assert!(ended.stdout.starts_with("## ❌ payments-wrong-order: fail"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("::error"), "the annotations leave stdout to the report");
    ended.expect_stderr("::error file=");
    let both = ["report", YESTERDAY, "--markdown", "-", "--junit", "-"];
    program.run(&both).expect_status(2).expect_stderr("only one report can go to stdout");
}

#[test]
fn a_list_of_documents_is_read() {
    let one = fs::read_to_string(OLDER).expect("the document");
    let ended = with_stdin(&Program::new(), &["report", "-"], format!("[{one},{one}]").as_bytes());
    assert_eq!(ended.expect_status(0).stdout.matches("Verdict: ").count(), 2);
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let program = Program::new();
    let foreign = "it is JSON, but no result document of deadheat";
    for (input, message) in [
        (
            &b""[..],
            "can't use stdin: it is not JSON: EOF while parsing a value at line 1 column 0".to_owned(),
        ),
        (
            b"{\"version\": 1,\n \"scenario\": nope}",
            "it is not JSON: expected ident at line 2 column 15".to_owned(),
        ),
        (
            b"{\"version\": 1,\n \"scenario\": 7}",
            "invalid type: integer `7`, expected a string at line 2 column 14".to_owned(),
        ),
        (b"{\"version\": 1}", "a field is wrong: missing field `scenario`".to_owned()),
        (b"{\"version\": 2}", "its version is 2, and this deadheat reads version 1".to_owned()),
        (b"[{\"version\": \"1\"}]", "its version is \"1\", and".to_owned()),
        (b"{}", format!("{foreign}: it has no `version`")),
        (b"[]", format!("{foreign}: it is an empty list")),
        (b"3", format!("{foreign}: it is not an object")),
        (b"{\"version\": 1, \xff", "it is not text in UTF-8, from byte 15 on".to_owned()),
    ] {
        let ended = with_stdin(&program, &["report", "-"], input).expect_status(2).expect_stderr(&message);
        assert_eq!(ended.stdout, "");
    }
    let deep = "[".repeat(100_000);
    with_stdin(&program, &["report", "-"], deep.as_bytes())
        .expect_status(2)
        .expect_stderr("recursion limit");
    program.run(&["report", "nowhere.json"]).expect_status(3).expect_stderr("can't read nowhere.json: ");
    program
        .run(&["report", YESTERDAY, "--markdown", "/nowhere/x.md"])
        .expect_status(3)
        .expect_stderr("can't write");
}

#[test]
fn annotations_name_the_line_and_the_file_from_the_root_of_the_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut document = support::json(std::path::Path::new(YESTERDAY));
    document["file_text"] =
        fs::read_to_string("scenarios/payments-wrong-order.yaml").expect("the scenario").into();
    let path = file(folder.path(), "result.json", &document.to_string());
    let scenario = fs::read_to_string("scenarios/payments-wrong-order.yaml").expect("the scenario");
    let line =
        scenario.lines().position(|line| line.contains("lock_order_violations:")).expect("the threshold")
            + 1;
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above");
    let ended = Program::new()
        .with("GITHUB_WORKSPACE", text(workspace))
        .run(&["report", text(&path), "--annotations", "github"])
        .expect_status(0);
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).file_name().expect("a name").to_string_lossy();
    let expected = format!(
        "::error file={root}/scenarios/payments-wrong-order.yaml,line={line},title=deadheat%3A payments-wrong-order::\
         lock_order_violations is 611, and should be == 0\n"
    );
    assert_eq!(ended.stdout, expected);
}
