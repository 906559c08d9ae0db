//! What a run refuses before it touches anything: databases that look like production, and plans that ask for
//! too much.

mod support;

use std::time::{Duration, Instant};

use support::{Program, TestDatabase, block_on, databases, file, number, run_script, session, text};

/// One worker alone proves nothing, so that it ends inconclusive.
const SCENARIO: &str = "
version: 1
name: careful
targets: {db: {database: \"${DB_URL}\"}}
operations: {look: {steps: [{sql: SELECT count(*) AS n FROM things, assert: row.n == 1}]}}
load: {concurrency: 1, iterations: 3}
thresholds: {success_rate: \"== 100%\"}
";

/// Servers of the user's with a table in them.
fn servers() -> Vec<TestDatabase> {
    let mut servers = databases();
    servers.retain(|one| matches!(one, TestDatabase::Server(..)));
    for one in &servers {
        run_script(one.url(), "CREATE TABLE things (id int PRIMARY KEY)");
        run_script(one.url(), "INSERT INTO things VALUES (1)");
    }
    assert_eq!(servers.len(), 2);
    servers
}

#[test]
fn a_large_database_looks_like_production() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "careful.yaml", SCENARIO);
    for one in servers() {
        let program = || Program::new().with("DB_URL", one.url());
        program().run(&["run", text(&path)]).expect_status(4);
        let small = program().with("DEADHEAT_LARGEST_DATABASE", "1kB");
        for command in [&["run"][..], &["check", "--connect"], &["probe"]] {
            let arguments = [command, &[text(&path)]].concat();
            let refused =
                small.run(&arguments).expect_status(3).expect_stderr("looks like production: above 1 kB");
            assert!(refused.stderr.contains("`--allow-host "), "{}", refused.stderr);
        }
        let host = deadheat::target::Endpoint::from_url(one.url()).expect("a URL").host();
        small.run(&["run", "--allow-host", &host, text(&path)]).expect_status(4);
        let larger = program().with("DEADHEAT_LARGEST_DATABASE", "1.5TB");
        larger.run(&["run", text(&path)]).expect_status(4);
        let wrong = program().with("DEADHEAT_LARGEST_DATABASE", "much");
        wrong.run(&["run", text(&path)]).expect_status(3).expect_stderr("holds no size: `much`");
        assert_eq!(small.records() + wrong.records(), 0);
    }
}

/// Rows of others would go, and nothing could bring them back.
#[test]
fn tables_with_rows_of_others_are_not_emptied() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = |sql: &str| {
        let look = "SELECT count(*) AS n FROM things, assert: row.n == 1";
        file(folder.path(), "careless.yaml", &SCENARIO.replace(look, sql))
    };
    for one in servers() {
        let program = Program::new().with("DB_URL", one.url());
        for sql in ["DELETE FROM things", "TRUNCATE TABLE things"] {
            let path = scenario(sql);
            let refused = program.run(&["run", text(&path)]).expect_status(3);
            refused.expect_stderr(
                "look, sql 1: empties table things, which holds rows that aren't of this run",
            );
        }
        assert_eq!(number(one.url(), "SELECT count(*) FROM things"), 1, "nothing was touched");
        let path = scenario("DELETE FROM things WHERE id = 7");
        program.run(&["run", text(&path)]).expect_status(4);
        let path = scenario("DELETE FROM things");
        let host = deadheat::target::Endpoint::from_url(one.url()).expect("a URL").host();
        program.run(&["run", "--allow-host", &host, text(&path)]).expect_status(4);
    }
}

#[test]
fn others_in_the_database_are_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "careful.yaml", SCENARIO);
    for one in servers() {
        let program = Program::new().with("DB_URL", one.url());
        let alone = program.run(&["run", text(&path)]).expect_status(4);
        assert!(!alone.stderr.contains("connected to"), "{}", alone.stderr);
        let ended = block_on(async {
            let others = (session(one.url()).await, session(one.url()).await);
            let ended = program.run(&["run", text(&path)]);
            others.0.close().await;
            others.1.close().await;
            ended
        });
        ended.expect_status(4).expect_stderr("warning: 2 other clients are connected to ");
    }
}

/// Each asks for more than there can be, and is told so at once, without a database.
#[test]
fn plans_that_ask_for_too_much_are_refused_at_once() {
    let fixtures = "fixtures: {a: {table: t, rows: 1, values: {id: 1}}}";
    let absurd = [
        (
            "load: {concurrency: 1000000, iterations: 1}",
            fixtures,
            "`concurrency` must be a whole number from 1 to 10000",
        ),
        (
            "load: {concurrency: 1, iterations: 99999999999999}",
            fixtures,
            "`iterations` must be a whole number from 1 to",
        ),
        (
            "load: {concurrency: 1, iterations: 1e300}",
            fixtures,
            "`iterations` must be a whole number from 1 to",
        ),
        ("load: {concurrency: 1, rate: 1e12/s, duration: 1s}", fixtures, "error: "),
        ("load: {concurrency: 1, rate: 1000/s, duration: 99999999h}", fixtures, "error: "),
        (
            "load: {concurrency: 1, iterations: 1}",
            "fixtures: {a: {table: t, rows: 1000000000000, values: {id: 1}}}",
            "`rows` must be a whole number from 1 to 1000000",
        ),
        (
            "load: {concurrency: 1, iterations: 1}",
            "fixtures: {a: {table: t, rows: 1000000, values: {id: 1}}, b: {table: t, rows: 1000000, per: a, values: {id: 1}}}",
            "fixture `b` has 1000000000000 rows with those of its parents; 10000000 is the most",
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (load, fixtures, expected) in absurd {
        let scenario = format!(
            "version: 1\nname: absurd\ntargets: {{db: {{database: embedded}}}}\n{fixtures}\n\
             operations: {{one: {{steps: [{{sql: SELECT 1}}]}}}}\n{load}\n"
        );
        let path = file(folder.path(), "absurd.yaml", &scenario);
        for command in ["check", "run"] {
            let begun = Instant::now();
            Program::new().run(&[command, text(&path)]).expect_status(2).expect_stderr(expected);
            assert!(begun.elapsed() < Duration::from_secs(10), "{load}");
        }
    }
}
