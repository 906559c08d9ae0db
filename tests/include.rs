//! `include` and profiles: what is shared is written once, every problem points into the file in which
//! it stands, and no file outside the scenario's folder is read.

mod support;

use std::{fs, os::unix::fs::symlink, path::Path};

use deadheat::scenario::{LoadOptions, Loaded, Problems, load};
use support::Program;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }
    folder
}

fn loaded(path: &Path, profile: Option<&str>) -> Result<Loaded, Problems> {
    load(path, &LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile })
}

/// What is said about `scenario.yaml` among these files, their folder left out.
fn said(files: &[(&str, &str)], profile: Option<&str>) -> String {
    let folder = folder(files);
    said_in(folder.path(), profile)
}

fn said_in(folder: &Path, profile: Option<&str>) -> String {
    let said = match loaded(&folder.join("scenario.yaml"), profile) {
        Ok(loaded) => match deadheat::plan::compile(&loaded) {
            Ok(compiled) => compiled.warnings.render_own(false),
            Err(problems) => problems.render_own(false),
        },
        Err(problems) => problems.render_own(false),
    };
    said.replace(&format!("{}/", folder.display()), "")
}

const TARGETS: &str = "[targets.db]\ndatabase = \"sqlite:\"\nmigrations = \"migrations\"\n";
const FIXTURES: &str = "version: 1\nfixtures:\n  accounts: {table: accounts, rows: 3, values: {balance: 10}}\nload: \
                        {concurrency: 4, iterations: 20}\n";
const SCENARIO: &str = "version: 1
name: shared
include: [shared/targets.toml, shared/fixtures.yaml]
vars: {amount: 1}
operations:
  pay:
    let: {account: \"{{ pick(accounts) }}\"}
    steps:
      - sql: UPDATE accounts SET balance = balance - {{ amount }} WHERE id = {{ account.id }}
load: {iterations: 10}
thresholds: {success_rate: \"> 10%\", throughput: \"> 1/s\"}
profiles:
  ci:
    description: As the build runs it.
    vars: {amount: 2}
    load: {concurrency: 2, iterations: ~, duration: 100ms}
    thresholds: {success_rate: \"== 100%\", throughput: }
";
const MIGRATION: &str = "CREATE TABLE accounts (id integer PRIMARY KEY, balance integer NOT NULL);\n";

fn shared() -> Vec<(&'static str, &'static str)> {
    vec![
        ("scenario.yaml", SCENARIO),
        ("shared/targets.toml", TARGETS),
        ("shared/fixtures.yaml", FIXTURES),
        ("shared/migrations/sqlite/0001_accounts.sql", MIGRATION),
    ]
}

#[test]
fn a_scenario_stands_over_what_it_includes_and_a_profile_over_both() {
    let folder = folder(&shared());
    let path = folder.path().join("scenario.yaml");
    let whole = loaded(&path, None).expect("it is valid");
    assert!(whole.problems.is_empty(), "{}", whole.problems.render(&whole.source, false));
    let load = whole.file.load.expect("a load");
    assert_eq!(format!("{:?} {:?}", load.concurrency, load.iterations), "4 Some(10)");
    assert_eq!(whole.file.thresholds.len(), 2);

    let ci = loaded(&path, Some("ci")).expect("it is valid");
    assert!(ci.problems.is_empty(), "{}", ci.problems.render(&ci.source, false));
    let load = ci.file.load.expect("a load");
    assert_eq!(format!("{:?} {:?}", load.concurrency, load.iterations), "2 None");
    assert!(load.duration.is_some());
    assert_eq!(format!("{:?}", ci.file.thresholds), r#"{"success_rate": OneOrMany(["== 100%"])}"#);
    assert_eq!(ci.file.description.as_deref(), Some("As the build runs it."));
}

#[test]
fn a_shared_scenario_runs_with_and_without_its_profile() {
    let folder = folder(&shared());
    let program = Program::new();
    for arguments in [vec![], vec!["--profile", "ci"]] {
        let result = folder.path().join("result.json");
        let run = program
            .command(&["run", "scenario.yaml", "--json", "result.json"])
            .current_dir(folder.path())
            .args(&arguments)
            .output()
            .expect("it starts");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let text = fs::read_to_string(result).expect("a document");
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["verdict"], "pass");
        assert_eq!(document["profile"].as_str(), arguments.get(1).copied());
    }
    let rebuilt = program
        .command(&["report", "result.json", "--markdown", "-"])
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(text.contains("deadheat run scenario.yaml --profile ci --seed "), "{text}");
}

#[test]
fn check_and_explain_know_the_profiles() {
    let folder = folder(&shared());
    let run = |arguments: &[&str]| {
        let output =
            Program::new().command(arguments).current_dir(folder.path()).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, _, said) = run(&["check", "scenario.yaml"]);
    assert_eq!(
        (status, said.as_str()),
        (Some(0), "scenario.yaml: ok\nscenario.yaml with profile ci: ok\n")
    );
    let (_, explained, _) = run(&["explain", "scenario.yaml"]);
    assert!(explained.contains("\n  without a profile; there are ci\n"), "{explained}");
    let (_, explained, _) = run(&["explain", "scenario.yaml", "--profile", "ci"]);
    assert!(explained.contains("\n  profile ci\n") && explained.contains("2 workers"), "{explained}");
    let (status, _, said) = run(&["check", "scenario.yaml", "--profile", "co"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("--profile names `co`, but the scenario has no such profile"), "{said}");
    assert!(said.contains("did you mean `ci`?"), "{said}");
    fs::write(folder.path().join("scenario.yaml"), SCENARIO.replace("100ms", "100")).expect("written");
    let (status, _, said) = run(&["check", "scenario.yaml"]);
    assert_eq!(status, Some(2));
    insta::assert_snapshot!("a_mistake_in_a_profile", said);
}

#[test]
fn problems_point_into_the_file_in_which_they_stand() {
    let mut files = shared();
    files[0].1 = "version: 1\nname: x\ninclude: [shared/targets.toml, shared/fixtures.yaml, shared/operations.yaml]\n";
    files[1].1 = "# Ä comment\n[targets.db]\ndatabase = \"sqlite:\"\nmigrations = \"nowhere\"\n";
    files[2].1 = "fixtures:\n  accounts: {tabel: accounts, rows: 3}\nload: {concurrency: 4, iterations: 20, warmup: 2}\n";
    files.push((
        "shared/operations.yaml",
        "secrets: {key: hunter2secret}\noperations:\n  pay:\n    steps:\n      - sql: >\n          SELECT\n          {{ nope }}\n      - \
         sql: SELECT '${UNSET}' FROM {{ secrets.kye }}\n",
    ));
    insta::assert_snapshot!(said(&files, None));
    files[2].1 = "fixtures:\n  accounts: {table: [\n";
    insta::assert_snapshot!("a_file_that_does_not_parse", said(&files, None));
}

#[test]
fn files_outside_the_folder_are_refused() {
    let outer = folder(&[
        ("secret.yaml", "vars: {found: 1}\n"),
        ("inner/shared/a.yaml", "include: ../../secret.yaml\n"),
        ("inner/shared/b.yaml", "include: ../fine.yaml\n"),
        ("inner/fine.yaml", "vars: {fine: 1}\n"),
    ]);
    let inner = outer.path().join("inner");
    symlink("../secret.yaml", inner.join("link.yaml")).expect("a link can be made");
    symlink("..", inner.join("up")).expect("a link can be made");
    symlink("fine.yaml", inner.join("inside.yaml")).expect("a link can be made");
    let mut told = String::new();
    let absolute = outer.path().join("secret.yaml").display().to_string();
    for include in
        ["../secret.yaml", "shared/a.yaml", "link.yaml", "up/secret.yaml", &absolute, "shared", "fien.yaml"]
    {
        fs::write(inner.join("scenario.yaml"), format!("version: 1\nname: x\ninclude: {include}\n"))
            .expect("written");
        let said = said_in(&inner, None);
        assert!(!said.contains("found"), "{said}");
        told.push_str(&said.replace(&outer.path().display().to_string(), "OUTER"));
    }
    insta::assert_snapshot!(told);
    for include in ["shared/b.yaml", "inside.yaml", "./shared/../fine.yaml"] {
        let text = format!("version: 1\nname: x\ninclude: {include}\ntargets: {{}}\n");
        fs::write(inner.join("scenario.yaml"), text).expect("written");
        let loaded = loaded(&inner.join("scenario.yaml"), None).expect("it is valid");
        assert_eq!(format!("{:?}", loaded.file.vars), r#"{"fine": 1}"#, "{include}");
    }
}

#[test]
fn a_body_that_a_link_leads_out_to_is_not_sent() {
    let outer = folder(&[("secret.txt", "found"), ("inner/fine.txt", "fine")]);
    let inner = outer.path().join("inner");
    symlink("../secret.txt", inner.join("link.txt")).expect("a link can be made");
    for (name, wanted) in [("link.txt", "is a link out of the scenario's folder"), ("fine.txt", "")] {
        let text = format!(
            "version: 1\nname: x\ntargets: {{api: {{http: \"http://127.0.0.1:1\"}}}}\noperations: {{a: {{steps: [{{http: POST \
             /, body: {{file: {name}}}}}]}}}}\nload: {{concurrency: 1, iterations: 1}}\n"
        );
        fs::write(inner.join("scenario.yaml"), text).expect("written");
        let said = said_in(&inner, None);
        assert!(said.contains(wanted) && said.is_empty() == wanted.is_empty(), "{said}");
    }
}

#[test]
fn cycles_are_found() {
    let own = said(&[("scenario.yaml", "version: 1\nname: x\ninclude: scenario.yaml\n")], None);
    let longer = said(
        &[
            ("scenario.yaml", "version: 1\nname: x\ninclude: a/b.yaml\n"),
            ("a/b.yaml", "include: c.toml\n"),
            ("a/c.toml", "include = [\"../a/b.yaml\"]\n"),
        ],
        None,
    );
    insta::assert_snapshot!(own + &longer);
}

#[test]
fn included_files_are_bounded_together() {
    let names: Vec<String> = (0..40).map(|n| format!("{n}.yaml")).collect();
    let scenario = format!("version: 1\nname: x\ninclude: [{}]\n", names.join(", "));
    let all = |text: &'static str| {
        let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text)).collect();
        files.push(("scenario.yaml", scenario.as_str()));
        said(&files, None)
    };
    assert!(all("vars: {a: 1}\n").contains("a scenario includes at most 32 files"));

    // Each file includes the next one twice: without a memory 2^20 files would be read.
    let texts: Vec<String> =
        (0..20).map(|n| format!("include: [{}.yaml, {}.yaml]\n", n + 1, n + 1)).collect();
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("20.yaml", "vars: {a: 1}\n"));
    files.push(("scenario.yaml", "version: 1\nname: x\ninclude: 0.yaml\n"));
    assert!(said(&files, None).contains("a scenario includes at most 32 files"));

    let large = format!("vars: {{a: {}}}\n", "x".repeat(3_000_000));
    let two = [("scenario.yaml", "version: 1\nname: x\ninclude: [a.yaml, b.yaml]\n")];
    let files = [two[0], ("a.yaml", large.as_str()), ("b.yaml", large.as_str())];
    assert!(said(&files, None).contains("together larger than 4 MB"));

    let vars = |letter: &str| {
        let vars: Vec<String> = (0..12_000).map(|n| format!("{letter}{n}: 1")).collect();
        format!("vars: {{{}}}\n", vars.join(", "))
    };
    let (a, b) = (vars("a"), vars("b"));
    let files = [two[0], ("a.yaml", a.as_str()), ("b.yaml", b.as_str())];
    assert!(said(&files, None).contains("more than 20000 values"));
}

#[test]
fn no_profile_or_include_panics() {
    let odd = ["5", "[]", "[[a]]", "{a: b}", "''", "[ , 1]", "[\"\\0\"]", ".", "..", "/", "\"a\\nb.yaml\""];
    for include in odd {
        let text = format!("version: 1\nname: x\ninclude: {include}\ntargets: {{}}\n");
        assert!(!said(&[("scenario.yaml", &text)], None).is_empty(), "{include}");
    }
    for profiles in
        ["5", "[]", "{ci: 5}", "{ci: }", "{ci: {load: 5}}", "{ci: {name: y, profiles: {}, lod: {}}}"]
    {
        let text = format!("version: 1\nname: x\ntargets: {{}}\nprofiles: {profiles}\n");
        assert!(!said(&[("scenario.yaml", &text)], Some("ci")).is_empty(), "{profiles}");
    }
}
