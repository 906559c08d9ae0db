//! The server's own count of deadlocks stands beside those that operations met, so that one that a function
//! of the database swallowed is seen.

mod support;

use deadheat::target::embedded::ServerKind;
use serde_json::Value;
use support::{Program, file, json, server, server_of, text};

/// A function that locks two rows in the order that it is told, and hides the deadlock when `hides` is set.
const POSTGRES: &str = "
CREATE TABLE seats (id int PRIMARY KEY, taken int NOT NULL);
INSERT INTO seats VALUES (1, 0), (2, 0);
CREATE FUNCTION take(first int, second int, hides boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE seats SET taken = taken + 1 WHERE id = first;
    PERFORM pg_sleep(0.3);
    UPDATE seats SET taken = taken + 1 WHERE id = second;
EXCEPTION WHEN deadlock_detected THEN
    IF NOT hides THEN RAISE; END IF;
END $$;
";
const MARIADB: &str = "
CREATE TABLE seats (id int PRIMARY KEY, taken int NOT NULL) ENGINE = InnoDB;
INSERT INTO seats VALUES (1, 0), (2, 0);
CREATE PROCEDURE take(first int, second int, hides boolean)
BEGIN
    DECLARE EXIT HANDLER FOR 1213 BEGIN IF NOT hides THEN RESIGNAL; END IF; END;
    UPDATE seats SET taken = taken + 1 WHERE id = first;
    DO sleep(0.3);
    UPDATE seats SET taken = taken + 1 WHERE id = second;
END;
";

/// Two workers meet in one deadlock. Returns the document and what the terminal was told.
fn run(url: &str, hides: bool) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/postgres/0001.sql", POSTGRES);
    file(folder.path(), "migrations/mysql/0001.sql", MARIADB);
    let scenario = format!(
        "version: 1\nname: counted\n\
         targets: {{db: {{database: \"${{DATABASE_URL}}\", migrations: migrations}}}}\n\
         operations:\n  take:\n    steps:\n      - transaction:\n          steps:\n            - sql:\n\
         \x20               postgres: \"SELECT take({{{{ 1 + worker }}}}, {{{{ 2 - worker }}}}, {hides})\"\n\
         \x20               mysql: \"CALL take({{{{ 1 + worker }}}}, {{{{ 2 - worker }}}}, {hides})\"\n\
         load: {{concurrency: 2, iterations: 2, release: together}}\n"
    );
    let path = file(folder.path(), "counted.yaml", &scenario);
    let result = folder.path().join("result.json");
    let program = Program::new().with("DATABASE_URL", url);
    let ended = program.run(&["run", "--json", text(&result), text(&path)]);
    assert_eq!(program.records(), 0, "{}", ended.stderr);
    (json(&result), ended.stdout)
}

#[test]
fn a_deadlock_that_a_function_swallowed_is_counted_all_the_same() {
    let postgres = server(&[("deadlock_timeout", "50ms")], 40);
    let mariadb = server_of(ServerKind::MySql, &[], 40);
    for url in [postgres.url(), mariadb.url()] {
        for (hides, met, says) in [
            (false, 1, "The server counted 1 deadlock, and operations met as many."),
            (true, 0, "The server counted 1 deadlock, operations met 0: 1 of them reached no operation."),
        ] {
            let (document, said) = run(&url, hides);
            let server = &document["deadlocks"]["server"];
            assert_eq!(server["met"], met, "{url}: {document}");
            let count = |when: &str| server[when].as_u64().expect("a number");
            assert_eq!(count("after") - count("before"), 1, "{url}: {server}");
            assert_eq!(server["unknown"], Value::Null);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(says), "{url}: {said}");
        }
    }
    postgres.stop().expect("stopped");
    mariadb.stop().expect("stopped");

    // SQLite has none, and nothing is claimed of it.
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result.json");
    let program = Program::new().with("DATABASE_URL", "sqlite:");
    program
        .run(&["run", "--quiet", "--json", text(&result), "scenarios/lost-update-fixed.yaml"])
        .expect_status(0);
    assert_eq!(json(&result)["deadlocks"]["server"], Value::Null);
}
