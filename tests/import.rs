//! `deadheat import`: isolation test specifications as scenarios, and what they then do, compared with
//! PostgreSQL's own `isolationtester`.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use deadheat::target::embedded::EmbeddedServer;
use proptest::prelude::*;
use support::{Program, file, text};

const FOLDER: &str = "tests/data/specs";

/// The committed specifications, in the order of their names.
fn specifications() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).expect("specifications").flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "spec")).collect();
    paths.sort();
    assert!(paths.len() >= 6, "{paths:?}");
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

#[test]
fn specifications_become_scenarios() {
    let program = Program::new();
    for path in specifications() {
        let imported = program.run(&["import", text(&path), "-o", "-"]).expect_status(0);
        insta::assert_snapshot!(format!("import_{}", stem(&path)), imported.stdout);
        let scenario = file(program.state.path(), "imported.yaml", &imported.stdout);
        program.run(&["check", text(&scenario)]).expect_status(0);
    }
}

#[test]
fn the_scenario_is_written_beside_its_specification_and_replaces_nothing() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let specification = "session a step x { SELECT 1; } session b step y { SELECT 2; }";
    let path = file(folder.path(), "two.spec", specification);
    let made = folder.path().join("two.yaml");
    program.run(&["import", text(&path)]).expect_status(0).expect_stderr("wrote");
    let first = fs::read_to_string(&made).expect("it is there");
    assert!(first.contains("name: two\n"), "{first}");

    fs::write(&made, "mine").expect("written");
    program.run(&["import", text(&path)]).expect_status(2).expect_stderr("two.yaml is there already");
    assert_eq!(fs::read_to_string(&made).expect("readable"), "mine");
    program.run(&["import", text(&path), "--force", "--quiet"]).expect_status(0);
    assert_eq!(fs::read_to_string(&made).expect("readable"), first);

    let other = folder.path().join("other.yml");
    program.run(&["import", text(&path), "-o", text(&other)]).expect_status(0);
    assert_eq!(fs::read_to_string(&other).expect("readable"), first);
    let toml = folder.path().join("two.toml");
    program.run(&["import", text(&path), "-o", text(&toml)]).expect_status(2).expect_stderr("as YAML");
    let nowhere = folder.path().join("none/two.yaml");
    program
        .run(&["import", text(&path), "-o", text(&nowhere)])
        .expect_status(3)
        .expect_stderr("can't write");
}

#[test]
fn what_cannot_be_imported_is_shown_with_its_line() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path =
        file(folder.path(), "bad.spec", "session a\nstep x { SELECT '{{'; }\nsession b\nstep y {}\n");
    let ended = program.run(&["import", text(&path), "-o", "-"]).expect_status(2);
    assert_eq!(ended.stdout, "");
    ended.expect_stderr("bad.spec:2:18").expect_stderr("bad.spec:4:9");
    program.run(&["check", text(&path)]).expect_status(2).expect_stderr("deadheat import");
}

/// PostgreSQL's tester, where it is on this machine.
fn isolationtester() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let tester = "lib/pgxs/src/test/isolation/isolationtester";
    let found = versions.map(|version| version.path().join(tester)).find(|path| path.exists());
    found.expect("isolationtester: Debian has it in the package postgresql-client-15, see scripts/test")
}

/// True when the tester takes a text; it reads it before it connects, in vain, to a server.
fn is_taken(tester: &Path, specification: &str) -> bool {
    let mut child = Command::new(tester)
        .arg("host=/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, specification.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).contains("Parsed test spec")
}

/// What PostgreSQL's own suite runs under.
const SETTINGS: [(&str, &str); 3] =
    [("DateStyle", "Postgres, MDY"), ("TimeZone", "PST8PDT"), ("IntervalStyle", "postgres_verbose")];

/// What the tester prints for a specification.
fn tested(path: &Path, server: &EmbeddedServer) -> String {
    let output = Command::new(isolationtester())
        .arg(server.url())
        .env("PG_TEST_TIMEOUT_DEFAULT", "30")
        .stdin(fs::File::open(path).expect("the specification"))
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn imported_races_do_what_the_tester_does() {
    let server = support::server(&SETTINGS, 30);
    let url = server.url();
    let program = Program::new().with("DATABASE_URL", &url);
    for path in specifications() {
        let recorded = fs::read_to_string(path.with_extension("out")).expect("a recorded transcript");
        assert_eq!(tested(&path, &server), recorded, "the tester prints something else for {path:?}");
        let scenario = program.state.path().join(format!("{}.yaml", stem(&path)));
        program.run(&["import", text(&path), "-o", text(&scenario)]).expect_status(0);
        let raced = program.run(&["race", "--transcript", text(&scenario)]);
        assert_eq!(raced.stdout, recorded, "{path:?}: {}", raced.stderr);
        fs::remove_file(&scenario).expect("it was written");
    }
    assert_eq!(program.records(), 0);
    assert_eq!(support::value(&server, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}

#[test]
fn an_imported_race_brings_the_settings_of_the_suite_along() {
    let program = Program::new();
    let specification = "session a step x { SELECT date '2024-02-29' AS d, current_schema AS s; }
        session b step y { SELECT timestamptz '2024-02-29 12:00+00' AS t; } permutation x y";
    let path = file(program.state.path(), "settings.spec", specification);
    program.run(&["import", text(&path)]).expect_status(0);
    let scenario = path.with_extension("yaml");
    let raced = program.run(&["race", "--transcript", text(&scenario)]);
    assert!(raced.stdout.contains("\n02-29-2024|public\n"), "{}", raced.stdout);
    assert!(raced.stdout.contains("\nThu Feb 29 04:00:00 2024 PST\n"), "{}", raced.stdout);
}

const FRAGMENTS: [&str; 34] = [
    "setup",
    "teardown",
    "session",
    "step",
    "permutation",
    "notices",
    "a",
    "b",
    "\"a\"",
    "\"b\"\"\"",
    "é",
    "x1$",
    "{ x }",
    "{}",
    "{\n}",
    "{ { # }",
    "(",
    ")",
    "*",
    ",",
    "7",
    "# c",
    "\n",
    "\r",
    "\t",
    "a(*)",
    "b(a)",
    "a(b notices 2, *)",
    "session s step a { x }",
    "session t step b { y }",
    "permutation a b",
    "-",
    "}",
    "\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the tester doesn't take is no specification here either, and what it takes is one.
    #[test]
    fn the_grammar_is_the_testers(
        parts in prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..12),
        is_nearly_right in any::<bool>(),
    ) {
        let tester = isolationtester();
        let frame = if is_nearly_right { "setup { s } session s step a { x } session t step b { y }\n" } else { "" };
        let specification = format!("{frame}{}", parts.join(" "));
        prop_assume!(!specification.trim().is_empty());
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "a.spec", &specification);
        let said = match deadheat::import::import(&path) {
            Ok(_) => None,
            Err(problems) => Some(problems.render_own(false)),
        };
        // What a race can't do is refused although it is a specification.
        let beyond = ["a race has", "a step of a race has SQL", "this is no name for a step of a race", "a second session"];
        let is_refused = said.as_ref().is_some_and(|said| {
            let all = said.matches("error:").count();
            let kinds: usize = beyond.iter().map(|message| said.matches(&format!("error: {message}")).count()).sum();
            all > kinds
        });
        prop_assert_eq!(is_taken(&tester, &specification), !is_refused, "{:?} {:?}", specification, said);
    }
}
