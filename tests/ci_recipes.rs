//! The recipes of `docs/ci.md`: read by the services' own parsers as far as those can be had, and their
//! commands run word for word.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Ended, Program, file, python, text};

const SCENARIO: &str = "version: 1
name: recipe
targets: {db: {database: \"sqlite:\", migrations: migrations, begin: immediate, lock_timeout: 10s}}
fixtures: {things: {table: things, rows: 1, values: {n: 0}}}
operations:
  count: {steps: [{sleep: 5ms}, {sql: 'UPDATE things SET n = n + 1 WHERE id = {{ things.id }}'}]}
load: {concurrency: 2, iterations: 100000}
thresholds: {success_rate: \"> 99%\"}
profiles: {ci: {load: {iterations: 50}}}
";

fn page() -> String {
    fs::read_to_string("docs/ci.md").expect("the page")
}

/// The block under a heading.
fn recipe(service: &str) -> String {
    let page = page();
    let section = page.split(&format!("\n## {service}\n")).nth(1).expect("a section");
    let block = section.split("```").nth(1).expect("a block");
    block.split_once('\n').expect("a language").1.to_owned()
}

/// Where `scripts/test` puts the readers.
fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools");
    assert!(tools.exists(), "scripts/test installs the parsers");
    tools
}

fn github_says(workflow: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "workflow.yml", workflow);
    let output = Command::new("node")
        .args(["tests/support/workflow.mjs", text(&tools()), text(&path)])
        .output()
        .expect("node is there");
    Ended::of(output).expect_status(0).stdout
}

#[test]
fn github_takes_the_workflow() {
    let workflow = recipe("GitHub Actions");
    assert_eq!(github_says(&workflow), "");
    let wrong = workflow.replace("runs-on:", "run-on:");
    assert!(github_says(&wrong).contains("run-on"), "the parser finds a mistake");
}

/// What the reader of pipelines says, and whether it takes this one.
fn gitlab_says(pipeline: &str) -> (String, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), ".gitlab-ci.yml", pipeline);
    let reader = tools().join("node_modules/.bin/gitlab-ci-local");
    let git = Command::new("git").args(["init", "--quiet"]).current_dir(folder.path()).status();
    assert!(git.expect("git is there").success());
    let output = Command::new(reader).arg("--preview").current_dir(folder.path()).output();
    let Ended { status, stdout, stderr } = Ended::of(output.expect("node is there"));
    (format!("{stdout}{stderr}"), status == Some(0))
}

#[test]
fn gitlab_takes_the_pipeline() {
    let recipe = recipe("GitLab");
    let (said, is_taken) = gitlab_says(&recipe);
    assert!(is_taken && said.contains("json schema validated"), "{said}");
    let (said, is_taken) = gitlab_says(&recipe.replace("when: always", "when: allways"));
    assert!(
        !is_taken && said.contains("'when' property must be one of"),
        "the reader finds a mistake: {said}"
    );
    let pipeline: serde_json::Value = serde_saphyr::from_str(&recipe).expect("YAML");
    let job = &pipeline["deadheat"];
    let commands = job["script"].to_string();
    for report in [&job["artifacts"]["reports"]["junit"], &job["artifacts"]["paths"][0]] {
        assert!(commands.contains(report.as_str().expect("a path")), "{report} is written");
    }
}

/// What a parser of JUnit reads from a report.
fn junit(path: &Path) -> String {
    let output = python().args(["tests/support/junit.py", text(path)]).output();
    Ended::of(output.expect("it starts")).expect_status(0).stdout
}

#[test]
fn junit_of_a_failed_run_and_of_a_broken_race_is_read_by_a_parser() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = "CREATE TABLE things (id integer PRIMARY KEY, n integer);";
    file(folder.path(), "migrations/sqlite/1.sql", table);
    let failing = SCENARIO.replace("100000", "20").replace("> 99%", "< 1%").replace(
        "thresholds:",
        "invariants: {'none & <b>': {sql: 'SELECT n FROM things WHERE n > 0'}}\nthresholds:",
    );
    let race = "version: 1
name: lost update
targets: {db: {database: \"sqlite:\", migrations: migrations}}
races:
  lost:
    fixtures: {thing: {table: things, rows: 1, values: {n: 0}}}
    sessions:
      alice:
        - read: {sql: \"SELECT n FROM things WHERE id = {{ thing.id }}\", capture: seen}
        - write: {sql: \"UPDATE things SET n = {{ seen.n + 1 }} WHERE id = {{ thing.id }}\"}
      bob: {like: alice}
    invariants: {both: {sql: \"SELECT n FROM things WHERE n <> 2\"}}
";
    let report = folder.path().join("report.xml");
    let read = |command: &str, scenario: &str| {
        let path = file(folder.path(), "scenario.yaml", scenario);
        Program::new().run(&[command, text(&path), "--quiet", "--junit", text(&report)]).expect_status(1);
        junit(&report)
    };
    let run = read("run", &failing);
    for line in [
        "suite recipe: {'tests': ",
        "failure recipe.thresholds success_rate",
        "failure recipe.invariants none & <b>",
    ] {
        assert!(run.lines().any(|found| found.starts_with(line)), "{line}:\n{run}");
    }
    let race = read("race", race);
    assert!(race.starts_with("suite lost update: {'tests': 3, 'failures': 2, 'errors': 0"), "{race}");
    assert!(race.contains("failure lost update.races lost"), "{race}");
}

#[test]
fn every_command_does_what_it_says() {
    let page = page();
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ").or(Some(line.trim())))
        .map(|line| line.strip_prefix("run: ").unwrap_or(line))
        .filter(|line| line.starts_with("deadheat "))
        .collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands {
        let folder = tempfile::tempdir().expect("a folder");
        file(folder.path(), "tests/load/recipe.yaml", SCENARIO);
        file(
            folder.path(),
            "tests/load/migrations/sqlite/1.sql",
            "CREATE TABLE things (id integer PRIMARY KEY, n integer);",
        );
        let program = Program::new();
        let binary = Path::new(env!("CARGO_BIN_EXE_deadheat")).parent().expect("a folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-ec", command])
            .current_dir(folder.path())
            .env("PATH", path)
            .env("DEADHEAT_STATE_DIR", program.state.path())
            .env("GITHUB_STEP_SUMMARY", folder.path().join("summary.md"))
            .output();
        Ended::of(output.expect("a shell")).expect_status(0);
        for (option, name, begins) in [
            ("--json", "deadheat.json", "{"),
            ("--html", "deadheat.html", "<!doctype html>"),
            ("--junit", "deadheat.xml", "<?xml"),
            ("--markdown", "summary.md", "#"),
        ] {
            let written = fs::read_to_string(folder.path().join(name)).ok();
            assert_eq!(written.is_some(), command.contains(option), "{command}: {name}");
            let begins = written.is_none_or(|text| text.to_lowercase().trim_start().starts_with(begins));
            assert!(begins, "{command}: {name}");
        }
    }
}
