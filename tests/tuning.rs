//! Advice that is chosen by measurement: statements without an index on every kind of database, and the
//! numbers beside a pool's size.

mod support;

use support::{Program, file, json, text};

/// A lookup by a column that has an index, or none.
const SCENARIO: &str = r#"
version: 1
name: lookup
targets: {db: {database: embedded, migrations: migrations}}
fixtures:
  users: {table: users, rows: 2000, values: {email: "user{{ n }}@example.test", visits: 0}}
operations:
  visit:
    let: {user: "{{ pick(users) }}"}
    steps:
      - name: find user
        sql: SELECT id, visits FROM users WHERE email = {{ user.email }}
        assert: row_count == 1
      - name: count visit
        sql: UPDATE users SET visits = visits + 1 WHERE email = {{ user.email }}
        assert: rows_affected == 1
      - name: all of them
        sql: SELECT count(*) AS users FROM users
load: {concurrency: 2, iterations: 60}
"#;

const TABLE: &str =
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(100) NOT NULL, visits INTEGER NOT NULL);\n";
const INDEX: &str = "CREATE INDEX users_by_email ON users (email);\n";

/// The tuning section of a run, and what the table says of it.
fn tuned(kind: &str, target: &str, with_index: bool) -> (serde_json::Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = file(folder.path(), "lookup.yaml", SCENARIO);
    let tables = folder.path().join("migrations").join(kind);
    std::fs::create_dir_all(&tables).expect("a folder");
    let key = match kind {
        "postgres" => {
            TABLE.replace("INTEGER PRIMARY KEY", "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        }
        "mysql" => TABLE.replace("INTEGER PRIMARY KEY", "INTEGER AUTO_INCREMENT PRIMARY KEY"),
        _ => TABLE.to_owned(),
    };
    let index = if with_index { INDEX } else { "" };
    file(&tables, "0001_users.sql", &format!("{key}{index}"));
    let result = folder.path().join("result.json");
    let target = format!("db={target}");
    let arguments =
        ["run", text(&scenario), "--target", &target, "--explain-statements", "--json", text(&result)];
    let ended = Program::new().run(&arguments);
    assert!(matches!(ended.status, Some(0 | 4)), "{}{}", ended.stdout, ended.stderr);
    (json(&result)["tuning"].clone(), ended.stdout)
}

#[track_caller]
fn a_missing_index_is_named(kind: &str, target: &str) {
    let (without, said) = tuned(kind, target, false);
    let scans = without["scans"].as_array().expect("scans");
    let steps: Vec<&str> = scans.iter().filter_map(|scan| scan["step"].as_str()).collect();
    assert_eq!(steps, ["find user", "count visit"], "not the one that wants all rows: {without:#}");
    assert!(scans.iter().all(|scan| scan["table"] == "users" && scan["rows"] == 2000), "{without:#}");
    assert_eq!((without["explained"].as_u64(), &without["unexplained"]), (Some(3), &serde_json::json!([])));
    assert!(said.contains("Index: `find user` of visit reads all 2,000 rows of users"), "{said}");
    let pool = &without["pool"];
    assert!(pool["suggested"].as_u64() >= Some(1) && pool["busy"].as_f64() > Some(0.0), "{without:#}");

    let (with, said) = tuned(kind, target, true);
    assert_eq!(with["scans"], serde_json::json!([]), "{with:#}");
    assert_eq!(with["explained"], 3);
    assert!(said.contains("Index: none of 3 statements"), "{said}");
}

#[test]
fn a_missing_index_is_named_on_postgresql() {
    a_missing_index_is_named("postgres", "embedded");
}

#[test]
fn a_missing_index_is_named_on_mariadb() {
    a_missing_index_is_named("mysql", "embedded:mysql");
}

#[test]
fn a_missing_index_is_named_on_sqlite() {
    a_missing_index_is_named("sqlite", "sqlite:");
}
