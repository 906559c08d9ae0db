//! From a stress run to a race: what a run broke is shrunk to a scenario that shows it every time.

mod support;

use std::path::{Path, PathBuf};

use serde_json::json;
use support::{Ended, Program, file, json, schemas_of_runs, server, text};
use tempfile::TempDir;

/// A copy of a shipped scenario with its migrations, in a folder of its own.
fn copy(scenario: &str, migrations: &str) -> (TempDir, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let copied = |place: &Path| {
        let content = std::fs::read_to_string(root.join(place)).expect("a shipped file");
        file(folder.path(), text(place), &content);
    };
    copied(&Path::new("scenarios").join(scenario));
    let tables = Path::new("migrations").join(migrations).join("postgres");
    for entry in std::fs::read_dir(root.join(&tables)).expect("a folder").flatten() {
        copied(&tables.join(entry.file_name()));
    }
    let scenario = folder.path().join("scenarios").join(scenario);
    (folder, scenario)
}

fn shrunk(program: &Program, arguments: &[&str]) -> Ended {
    program.run(&[&["shrink"], arguments].concat())
}

/// Replays a race, and tells how many of how many runs showed it.
fn replayed(program: &Program, folder: &Path, race: &str, times: &str) -> (u64, u64) {
    let path = folder.join("replayed.json");
    let ended = program.run(&["replay", race, "--times", times, "--json", text(&path)]).expect_status(0);
    assert!(ended.stdout.contains(&format!("of {times} runs")), "{}", ended.stdout);
    let race = &json(&path)["races"][0];
    (race["violated"].as_u64().expect("a number"), race["executed"].as_u64().expect("a number"))
}

#[test]
fn a_lost_update_becomes_a_race_of_two_sessions() {
    let program = Program::new();
    let (folder, _) = copy("lost-update.yaml", "lost-update");
    let run = ["run", "scenarios/lost-update.yaml", "--seed", "7", "--json", "result.json"];
    // In its folder, so that what is written doesn't depend on where that is.
    let ran = program.run_in(folder.path(), &run).expect_status(1);
    assert!(ran.stdout.contains("decrement and another decrement met on one"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("shows it:\n  deadheat shrink result.json\n"), "{}", ran.stdout);
    let incident = &json(&folder.path().join("result.json"))["incidents"][0];
    assert_eq!(incident["invariant"], "every_decrement_counts");
    assert_eq!(incident["suspects"][0]["tables"], json!(["products"]));

    let shrink = ["shrink", "result.json"];
    let ended = program.run_in(folder.path(), &shrink).expect_status(0);
    assert!(ended.stdout.contains("two of decrement, 8 steps"), "{}", ended.stdout);
    let race = folder.path().join("scenarios/lost-update-race.yaml");
    let written = std::fs::read_to_string(&race).expect("it was written");
    insta::assert_snapshot!("lost_update_race", written);

    program.run(&["check", text(&race)]).expect_status(0);
    program.run(&["race", text(&race)]).expect_status(0);
    assert_eq!(replayed(&program, folder.path(), text(&race), "20"), (20, 20));

    // The fix: then the race must hold, and its replay finds nothing.
    let fixed = written
        .replace("stock = {{ seen.stock - 1 }}", "stock = stock - 1")
        .replace("read_committed: violated", "read_committed: holds");
    let fixed = file(folder.path(), "scenarios/fixed.yaml", &fixed);
    program.run(&["race", text(&fixed)]).expect_status(0);
    assert_eq!(replayed(&program, folder.path(), text(&fixed), "5"), (0, 5));

    // Nothing is written over by mistake.
    program.run_in(folder.path(), &shrink).expect_status(2).expect_stderr("is there already");
    assert_eq!(std::fs::read_to_string(&race).expect("still there"), written);
    assert_eq!(program.records(), 0);
}

#[test]
fn deadlocks_become_a_race_that_fails_as_long_as_they_are_there() {
    let program = Program::new();
    let (folder, scenario) = copy("payments-wrong-order.yaml", "payments");
    let result = folder.path().join("result.json");
    let scenario = text(&scenario);
    let run = ["run", scenario, "--seed", "7", "--var", "multiplier=10", "--json", text(&result)];
    program.run(&run).expect_status(1);
    let race = folder.path().join("deadlock.yaml");
    let arguments = [text(&result), "--only", "deadlock", "-o", text(&race), "--budget", "5m"];
    let ended = shrunk(&program, &arguments).expect_status(0);
    assert!(ended.stdout.contains("deadlock detected"), "{}", ended.stdout);
    let written = std::fs::read_to_string(&race).expect("it was written");
    // Each session begins, takes two locks and commits; nothing else is left.
    let steps = written.lines().filter(|line| line.trim_start().starts_with("- ")).count();
    assert!(steps <= 9, "{written}");
    assert!(written.contains("migrations: migrations/payments"), "{written}");

    program.run(&["race", text(&race)]).expect_status(0);
    assert_eq!(replayed(&program, folder.path(), text(&race), "20"), (20, 20));
    let holds = written.replace("read_committed: violated", "read_committed: holds");
    let holds = file(folder.path(), "holds.yaml", &holds);
    program.run(&["race", text(&holds)]).expect_status(1);
}

/// Money goes from one account to another: rows are locked in the order in which they were drawn.
const TRANSFERS: &str = "
version: 1
name: transfers
targets:
  db:
    database: embedded
    migrations: migrations
    isolation: read_committed
    settings: {deadlock_timeout: 20ms}
fixtures:
  accounts: {table: accounts, rows: 4, values: {balance: 1000}}
retry: {on: [deadlock], max_retries: 50}
operations:
  transfer:
    let: {both: '{{ pick(accounts, 2) }}', amount: '{{ random(1, 9) }}'}
    steps:
      - transaction:
          steps:
            - name: take
              sql: UPDATE accounts SET balance = balance - {{ amount }} WHERE id = {{ both[0].id }}
            - sleep: 2ms
            - name: give
              sql: UPDATE accounts SET balance = balance + {{ amount }} WHERE id = {{ both[1].id }}
load: {concurrency: 8, iterations: 300}
";

#[test]
fn drawn_rows_are_pinned_where_they_matter() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = file(folder.path(), "transfers.yaml", TRANSFERS);
    file(
        folder.path(),
        "migrations/postgres/0001.sql",
        "CREATE TABLE accounts (id serial PRIMARY KEY, balance int NOT NULL);",
    );
    let result = folder.path().join("result.json");
    program.run(&["run", text(&scenario), "--seed", "3", "--json", text(&result)]);
    shrunk(&program, &[text(&result), "--budget", "5m"]).expect_status(0);
    let race = folder.path().join("transfers-race.yaml");
    let written = std::fs::read_to_string(&race).expect("it was written");
    assert!(written.contains("rows: 2"), "{written}");
    assert!(written.contains("{{ random(1, 9) }}"), "what doesn't matter is still drawn: {written}");
    assert!(written.contains("[accounts[0], accounts[1]]"), "{written}");
    assert!(written.contains("[accounts[1], accounts[0]]"), "{written}");
    assert_eq!(replayed(&program, folder.path(), text(&race), "20"), (20, 20));
}

/// What is in stock comes from one file, and who takes it from another one, of an included part.
const STOCK: &str = "
version: 1
name: stock
include: parts/people.yaml
data: {catalogue: {file: goods.csv}}
targets: {db: {database: embedded, migrations: migrations, isolation: read_committed}}
fixtures:
  goods: {table: goods, data: catalogue}
operations:
  take:
    let: {one: '{{ pick(goods) }}', who: '{{ next(people) }}'}
    steps:
      - sql: SELECT left_over FROM goods WHERE id = {{ one.id }}
        capture: seen
      - sleep: 2ms
      - sql: UPDATE goods SET left_over = {{ seen.left_over - 1 }}, last = {{ who.name }} WHERE id = {{ one.id }}
load: {concurrency: 6, iterations: 60, release: together}
invariants:
  none_is_lost: {sql: SELECT sum(left_over) AS n FROM goods, expect: n == before.n - operations.take.committed}
";

#[test]
fn data_files_stay_where_they_are() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| file(folder.path(), name, text);
    let scenario = write("load/stock.yaml", STOCK);
    write("load/goods.csv", "name,left_over\nchair,400\ntable,300\n");
    write("load/parts/people.yaml", "data: {people: {file: people.csv}}\n");
    write("load/parts/people.csv", "name\nAda\nGrace\n");
    write(
        "load/migrations/postgres/1.sql",
        "CREATE TABLE goods (id serial PRIMARY KEY, name text, left_over int NOT NULL, last text);",
    );
    let result = folder.path().join("result.json");
    program.run(&["run", text(&scenario), "--seed", "5", "--json", text(&result)]).expect_status(1);
    let race = folder.path().join("race.yaml");
    shrunk(&program, &[text(&result), "-o", text(&race), "--budget", "5m"]).expect_status(0);
    let written = std::fs::read_to_string(&race).expect("it was written");
    for named in [
        "catalogue: {file: load/goods.csv}",
        "people: {file: load/parts/people.csv}",
        "data: catalogue, rows: 1",
    ] {
        assert!(written.contains(named), "{named}:\n{written}");
    }
    assert_eq!(replayed(&program, folder.path(), text(&race), "10"), (10, 10));
}

/// A result document of another day, with some of its fields replaced.
fn document(folder: &Path, name: &str, changes: &[(&str, serde_json::Value)]) -> PathBuf {
    let mut document = json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/yesterday.json"));
    for (pointer, value) in changes {
        *document.pointer_mut(pointer).expect("a field of the document") = value.clone();
    }
    file(folder, name, &document.to_string())
}

#[test]
fn the_users_server_is_left_as_it_was() {
    let server = server(&[], 30);
    let program = Program::new().with("DATABASE_URL", &server.url());
    let folder = tempfile::tempdir().expect("a folder");
    let mut broken =
        json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/yesterday.json"))["invariants"][0]
            .clone();
    broken["name"] = json!("every_decrement_counts");
    broken["violated"] = json!(1);
    let changes = [
        ("/file", json!("scenarios/lost-update.yaml")),
        ("/totals/deadlocks", json!(0)),
        ("/invariants", json!([broken])),
    ];
    let result = document(folder.path(), "result.json", &changes);
    let race = folder.path().join("race.yaml");
    let arguments = [text(&result), "-o", text(&race)];
    let in_no_time = shrunk(&program, &[&arguments[..], &["--budget", "0s"]].concat()).expect_status(4);
    in_no_time.expect_stderr("no race of two operations shows invariant every_decrement_counts");
    shrunk(&program, &arguments).expect_status(0);
    let written = std::fs::read_to_string(&race).expect("it was written");
    assert!(written.contains("database: ${DATABASE_URL:-embedded}"), "{written}");
    assert_eq!(replayed(&program, folder.path(), text(&race), "20"), (20, 20));
    assert_eq!(schemas_of_runs(&server.url()), 0);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn what_cant_be_shrunk_is_refused_with_the_reason() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("race.yaml");
    let refused = |document: &Path, message: &str| {
        shrunk(&program, &[text(document), "-o", text(&output)]).expect_status(2).expect_stderr(message);
        assert!(!output.exists(), "nothing is written");
    };
    refused(&folder.path().join("missing.json"), "can't read");
    refused(&file(folder.path(), "a.json", "nonsense"), "can't be used: it is not JSON");
    refused(&file(folder.path(), "b.json", "{\"version\": 1}"), "can't be used: a field is wrong");
    refused(&file(folder.path(), "c.json", "[]"), "it is an empty list");

    let gone = document(folder.path(), "gone.json", &[("/file", json!("nowhere/gone.yaml"))]);
    refused(&gone, "the scenario of that run, nowhere/gone.yaml, isn't there any more");

    let broken = file(folder.path(), "broken.yaml", "version: 1\nname: broken\noperatoins: {}\n");
    let broken = document(folder.path(), "broken.json", &[("/file", json!(broken))]);
    refused(&broken, "operatoins");

    let passing = [("/totals/deadlocks", json!(0)), ("/invariants", json!([]))];
    let passing = document(folder.path(), "passing.json", &passing);
    refused(
        &passing,
        "nothing to shrink: the run of payments-wrong-order broke no invariant and met no deadlock",
    );

    let requests = [
        ("/file", json!("scenarios/webhooks.yaml")),
        ("/totals/deadlocks", json!(3)),
        ("/invariants", json!([])),
    ];
    let requests = document(folder.path(), "requests.json", &requests);
    refused(&requests, "sends requests (`POST ");

    let mut vars = json(&document(folder.path(), "vars.json", &[("/totals/deadlocks", json!(3))]));
    vars["vars"] = json!({"gone": "1"});
    refused(&file(folder.path(), "vars.json", &vars.to_string()), "--var names `gone`");

    let other = document(folder.path(), "other.json", &[("/totals/deadlocks", json!(3))]);
    let arguments = [text(&other), "-o", text(&output), "--only", "deadlok"];
    shrunk(&program, &arguments).expect_status(2).expect_stderr("the run didn't break `deadlok`");
    assert_eq!(program.records(), 0);
}

#[test]
fn a_race_without_listed_schedules_is_not_replayed() {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let race = "version: 1\nname: r\ntargets: {db: {database: embedded}}\nraces:\n  r:\n    sessions:\n      a: [begin, \
                commit]\n      b: {like: a}\n";
    let race = file(folder.path(), "r.yaml", race);
    program
        .run(&["replay", text(&race)])
        .expect_status(2)
        .expect_stderr("there is no schedule to replay")
        .expect_stderr("`deadheat race` drives all interleavings");
}
