//! What goes wrong gets a clear message, the right exit status, and leaves nothing behind.

mod support;

use std::path::Path;

use support::{Program, file, schemas_of_runs, server, sql, text};

const SCENARIO: &str = "\
version: 1
name: small
targets: {db: {database: \"${DATABASE_URL:-embedded}\", migrations: migrations}}
fixtures: {rows: {table: things, rows: 2, values: {name: \"thing {{ n }}\"}}}
operations:
  look:
    let: {one: \"{{ pick(rows) }}\"}
    steps:
      - sql: SELECT name FROM things WHERE id = {{ one.id }} FOR UPDATE
load: {concurrency: 2, iterations: 20}
";

const MIGRATION: &str =
    "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n";

fn scenario(folder: &Path, replace: &[(&str, &str)]) -> std::path::PathBuf {
    let mut text = SCENARIO.to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    file(folder, "migrations/postgres/0001_things.sql", MIGRATION);
    file(folder, "small.yaml", &text)
}

#[track_caller]
fn refused(replace: &[(&str, &str)], status: i32, messages: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), replace);
    let program = Program::new();
    let mut ended = program.run(&["run", "--quiet", text(&path)]).expect_status(status);
    for message in messages {
        ended = ended.expect_stderr(message);
    }
    assert_eq!(program.records(), 0, "nothing is left behind");
    assert_eq!(ended.stdout, "");
}

#[test]
fn the_small_scenario_itself_is_fine() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), &[]);
    let ended = Program::new().run(&["run", text(&path)]);
    assert!(matches!(ended.status, Some(0 | 4)), "{ended:?}");
}

#[test]
fn mistakes_in_the_file_are_found_before_anything_starts() {
    refused(
        &[("name: small", "name: small\nnmae: x")],
        2,
        &["unknown key `nmae`", "small.yaml:3:1", "did you mean `name`"],
    );
    refused(&[("pick(rows)", "pick(row)")], 2, &["unknown name `row`", "did you mean `rows`"]);
    refused(&[("iterations: 20", "iterations: 0")], 2, &["`iterations` must be a whole number from 1"]);
    refused(&[("  look:", "  look:\n    weight: 0")], 2, &["every operation has weight 0"]);
    refused(
        &[("    steps:", "    steps:\n      - barrier: {name: b, parties: 3}")],
        2,
        &["the barrier waits for 3 workers, but there are only 2"],
    );
    refused(&[("migrations: migrations", "migrations: elsewhere")], 2, &["can't read the migrations in"]);
    refused(&[("FOR UPDATE", "FOR UPDATE; COMMIT")], 2, &["more than one statement"]);
    refused(
        &[("SELECT name FROM things WHERE id = {{ one.id }}", "COMMIT --")],
        2,
        &["begins or ends a transaction"],
    );
    refused(
        &[("id = {{ one.id }}", "name = '{{ one.name }}'")],
        2,
        &["an expression inside quotes", "leave the quotes out"],
    );
    refused(
        &[("\"${DATABASE_URL:-embedded}\"", "mongodb://secretpw@x")],
        2,
        &["isn't a database that deadheat knows"],
    );
}

#[test]
fn what_the_database_refuses_stands_at_its_line() {
    refused(
        &[("SELECT name FROM", "SELECT nmae FROM")],
        2,
        &["doesn't prepare", "small.yaml:9:14", "\"nmae\" does not exist"],
    );
    refused(
        &[("table: things", "table: thing")],
        3,
        &["fixture rows can't be made", "\"thing\" does not exist"],
    );
    refused(
        &[("{name: \"thing {{ n }}\"}", "{name: null}")],
        3,
        &["fixture rows can't be made", "null value"],
    );
}

#[test]
fn a_broken_migration_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), &[]);
    file(folder.path(), "migrations/postgres/0002_more.sql", "SELECT 1;\nCREATE TABEL x ();\n");
    let program = Program::new();
    program.run(&["run", "--quiet", text(&path)]).expect_status(3).expect_stderr("0002_more.sql:2 fails");
    assert_eq!(program.records(), 0);
}

#[test]
fn missing_and_empty_files_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    program
        .run(&["run", text(&folder.path().join("none.yaml"))])
        .expect_status(2)
        .expect_stderr("none.yaml");
    let empty = file(folder.path(), "empty.yaml", "");
    program.run(&["check", text(&empty)]).expect_status(2).expect_stderr("empty");
    program.run(&["run"]).expect_status(2);
    program.run(&["run", "x.yaml", "--var", "novalue"]).expect_status(2);
}

#[test]
fn an_unreachable_server_and_a_foreign_host_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), &[]);
    let program = Program::new().with("DATABASE_URL", "postgres://user:hunter2secret@127.0.0.1:1/shop");
    let ended = program
        .run(&["run", text(&path)])
        .expect_status(3)
        .expect_stderr("can't reach user@127.0.0.1:1/shop");
    assert!(!ended.stderr.contains("hunter2secret"));
    let program = Program::new().with("DATABASE_URL", "postgres://user@database.example.test/shop");
    program
        .run(&["run", text(&path)])
        .expect_status(3)
        .expect_stderr("database.example.test is not this machine")
        .expect_stderr("--allow-host database.example.test");
    assert_eq!(program.records(), 0);
    // A tunnel to production looks like this machine.
    let program = Program::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/shop_production");
    program
        .run(&["run", text(&path)])
        .expect_status(3)
        .expect_stderr("database shop_production looks like production")
        .expect_stderr("--allow-host 127.0.0.1");
    program
        .run(&["run", "--allow-host", "127.0.0.1", text(&path)])
        .expect_status(3)
        .expect_stderr("can't reach user@127.0.0.1:1/shop_production");
}

#[test]
fn a_wrong_password_is_never_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let hba = file(folder.path(), "hba.conf", "local all postgres trust\nlocal all all scram-sha-256\n");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), permissions).expect("opened up");
    let server = server(&[("hba_file", text(&hba))], 20);
    sql(&server, "CREATE ROLE shop LOGIN PASSWORD 'the-right-one'");
    let path = scenario(folder.path(), &[]);
    let url = server.url().replace("postgres@", "shop:wrong-hunter2@");
    let program = Program::new().with("DATABASE_URL", &url);
    let ended =
        program.run(&["run", text(&path)]).expect_status(3).expect_stderr("password authentication failed");
    assert!(!ended.stderr.contains("wrong-hunter2") && !ended.stdout.contains("wrong-hunter2"));
    // With the right one, but without the right to make a schema.
    sql(&server, "REVOKE CREATE ON DATABASE postgres FROM PUBLIC");
    let url = server.url().replace("postgres@", "shop:the-right-one@");
    let program = Program::new().with("DATABASE_URL", &url);
    let ended =
        program.run(&["run", text(&path)]).expect_status(3).expect_stderr("permission denied for database");
    assert!(!ended.stderr.contains("the-right-one"));
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn more_workers_than_connections_are_refused_with_the_number_to_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(&[], 20);
    let path = scenario(folder.path(), &[("concurrency: 2", "concurrency: 100")]);
    let program = Program::new().with("DATABASE_URL", &server.url());
    program
        .run(&["run", text(&path)])
        .expect_status(3)
        .expect_stderr("100 workers need")
        .expect_stderr("max_connections = 10");
    assert_eq!(program.records(), 0);
    assert_eq!(schemas_of_runs(&server.url()), 0);
    server.stop().expect("stopped");
}

#[test]
fn an_invalid_server_setting_is_refused_quickly() {
    refused(
        &[("migrations: migrations", "migrations: migrations, settings: {shared_bufers: 1MB}")],
        3,
        &["PostgreSQL doesn't start", "shared_bufers"],
    );
    refused(
        &[("migrations: migrations", "migrations: migrations, settings: {\"x y\": \"1\"}")],
        3,
        &["is not the name of a server setting"],
    );
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_after_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path(), &[]);
    let program = Program::new();
    for place in ["/dev/full", "/none/report.xml"] {
        let ended = program
            .run(&["run", text(&path), "--junit", place])
            .expect_status(3)
            .expect_stderr("can't write");
        assert!(ended.stdout.contains("Verdict:"), "the verdict was given all the same");
    }
    assert_eq!(program.records(), 0);
}

#[test]
fn check_connects_on_request_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let path = scenario(folder.path(), &[]);
    program.run(&["check", "--connect", text(&path)]).expect_status(0).expect_stderr("ok");
    let path = scenario(folder.path(), &[("SELECT name FROM", "SELECT nmae FROM")]);
    program.run(&["check", text(&path)]).expect_status(0);
    program.run(&["check", "--connect", text(&path)]).expect_status(2).expect_stderr("doesn't prepare");
    assert_eq!(program.records(), 0);
    program
        .run(&["check", "scenarios/payments-wrong-order.yaml"])
        .expect_status(0)
        .expect_stderr("declared lock order");
    program.run(&["check", "--strict", "scenarios/payments-wrong-order.yaml"]).expect_status(2);
}

#[test]
fn secrets_are_masked_in_every_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = "whsec_Very\"Se'cret/<1>";
    let path = scenario(
        folder.path(),
        &[
            (
                "name: small",
                "name: small\nsecrets: {hook: \"${HOOK}\"}\ninvariants: {leak: {sql: \"SELECT {{ secrets.hook }}::text AS hook\"}}",
            ),
            (
                "SELECT name FROM things WHERE id = {{ one.id }} FOR UPDATE",
                "SELECT {{ secrets.hook }}::text::int",
            ),
        ],
    );
    let program = Program::new().with("HOOK", secret);
    let paths =
        ["report.xml", "result.json", "report.html", "report.md"].map(|name| folder.path().join(name));
    let mut arguments = vec!["run", text(&path), "--annotations", "github"];
    for (option, path) in ["--junit", "--json", "--html", "--markdown"].iter().zip(&paths) {
        arguments.extend([option, text(path)]);
    }
    let ended = program.run(&arguments);
    assert!(ended.stdout.contains("\n::error file="), "{}", ended.stdout);
    let mut outputs = vec![ended.stdout, ended.stderr];
    outputs.extend(paths.map(|path| std::fs::read_to_string(path).expect("a report")));
    assert!(outputs[0].contains("***"), "the server's message repeats the value: {}", outputs[0]);
    for output in outputs {
        assert!(
            !output.contains("Very") && !output.contains("cret/") && !output.contains("cret&#x2f;"),
            "{output}"
        );
    }
}
