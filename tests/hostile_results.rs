//! Whatever services and databases answer: what is made of a run is well-formed.

mod support;

use std::{path::Path, process::Command};

use support::{
    Ended, Program, file,
    http::{Service, answer},
    text,
};

/// Control characters, NULs, marks that turn or hide text, code points that are none, and markup.
const HOSTILE: &str = "a\u{0}b\u{1b}[2Jc\u{202e}d\u{2066}e\u{200b}f\u{fffe}g\u{ffff}h\r\n::error::i|j`k\u{7f}l\u{85}m<b>&amp;]]>n\u{feff}o\u{2028}p";
/// What must not stand in any text that people look at.
const TRICKY: [char; 12] = [
    '\u{0}', '\u{1b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{fffe}', '\u{ffff}', '\u{7f}', '\u{85}',
    '\u{feff}', '\u{2028}', '\r',
];

const SCENARIO: &str = r#"
version: 1
name: hostile
targets:
  db: {database: "sqlite:", migrations: migrations}
  api: {http: "URL"}
operations:
  captured:
    steps:
      - http: GET /json
        capture: {one: $.text}
        assert: status == 200
      - sql: INSERT INTO texts (text) VALUES ({{ one }})
      - check: one == 'x' and 1 == one | int
  half:
    steps:
      - http: GET /half
        capture: {one: $.text}
      - sql: INSERT INTO texts (text) VALUES ({{ one }})
  long:
    steps:
      - http: GET /long
        capture: {one: body}
      - check: one | length == 3
      - check: one == 'x'
      - check: one | int == 1
  long_failure: {steps: [{http: GET /failure}]}
  bytes: {steps: [{http: GET /bytes, assert: "json.a == 1"}]}
  header: {steps: [{http: GET /header, assert: "headers['x-one'] | int == 1"}]}
invariants:
  no_text_is_left: {sql: "SELECT text, text AS \"od<d\tna`m|e\" FROM texts", message: "there is {{ text }}"}
load: {concurrency: 2, iterations: 120}
"#;

fn well_formed(name: &str, text: &str) {
    let tricky: Vec<char> = TRICKY.into_iter().filter(|c| text.contains(*c)).collect();
    assert!(tricky.is_empty(), "{tricky:?} in {name}");
    let control: Vec<char> = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\t')).collect();
    assert!(control.is_empty(), "{control:?} in {name}");
}

fn read(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).expect("a report")).expect("a report is text")
}

#[test]
fn every_report_of_a_hostile_world_is_well_formed() {
    let escaped = serde_json::json!({ "text": HOSTILE }).to_string();
    let service = Service::start(move |seen| match seen.path.as_str() {
        "/json" => answer(200, escaped.clone()),
        "/half" => answer(200, r#"{"text": "a\ud800b\udc00c", "\ud800": 1}"#),
        "/long" => answer(200, format!("{HOSTILE}{}", "long ".repeat(400_000))),
        "/failure" => answer(500, HOSTILE.repeat(20_000)),
        "/bytes" => answer(200, b"\xff\xfe\x00\xed\xa0\x80{\"a\": 1".to_vec()),
        _ => support::http::Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nx-one: \x80\x1b[2J\xe2\x80\xae\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
    });
    let folder = tempfile::tempdir().expect("a folder");
    file(
        folder.path(),
        "migrations/sqlite/1.sql",
        "CREATE TABLE texts (id integer PRIMARY KEY, text text)",
    );
    let path = file(folder.path(), "hostile.yaml", &SCENARIO.replace("URL", &service.url()));
    let program = Program::new();
    let place = |name: &str| folder.path().join(name);
    let (json, junit, html, markdown) = (place("r.json"), place("r.xml"), place("r.html"), place("r.md"));
    let made = |arguments: &[&str]| -> Ended { program.run(arguments) };
    let others = [
        "--junit",
        text(&junit),
        "--html",
        text(&html),
        "--markdown",
        text(&markdown),
        "--annotations",
        "github",
    ];
    let run = [&["run", "--seed", "7", "--json", text(&json)], others.as_slice(), &[text(&path)]].concat();
    let ran = made(&run).expect_status(1);
    let report = [&["report", text(&json)], others.as_slice()].concat();
    for (command, ended) in
        [("run", ran), ("report", made(&report)), ("table", made(&["report", text(&json)]))]
    {
        well_formed(&format!("{command}, stdout"), &ended.stdout);
        well_formed(&format!("{command}, stderr"), &ended.stderr);
        for line in ended.stdout.lines().filter(|line| line.trim_start().starts_with("::")) {
            assert!(line.starts_with("::error file="), "{command}: {line}");
        }
        let xml = read(&junit);
        well_formed("JUnit", &xml);
        let checked = Command::new("xmllint").args(["--noout", text(&junit)]).output().expect("xmllint");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let page = read(&html);
        well_formed("HTML", &page);
        assert!(
            page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"),
            "{}",
            &page[..40]
        );
        assert!(!page.contains("m<b>&amp;"), "markup stays text");
        let page = read(&markdown);
        well_formed("Markdown", &page);
        assert!(page.len() < 65_536, "a comment has room for it: {}", page.len());
        let document: serde_json::Value = serde_json::from_str(&read(&json)).expect("JSON");
        assert_eq!(document["scenario"], "hostile");
        assert!(read(&json).len() < 1_000_000, "{} bytes of JSON", read(&json).len());
    }
}
