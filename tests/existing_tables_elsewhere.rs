//! Tables of the user's own on MariaDB or MySQL and on SQLite: as on PostgreSQL, every row of the run is
//! followed and removed, and no other row is touched.

mod support;

use std::{path::PathBuf, process::Stdio};

use deadheat::{dialect::Dialect, expression::to_text};
use support::{Program, TestDatabase, block_on, file, mysql, session, text, wait_for};

/// Keys of every kind, rows of others, references of every kind.
const TABLES: &str = "
CREATE TABLE customers (id NUMBER, name varchar(60) NOT NULL, account_id int, FOREIGN KEY (account_id) REFERENCES accounts (id));
CREATE TABLE orders (
    id NUMBER,
    customer_id int NOT NULL, parent_id int, note varchar(20),
    FOREIGN KEY (customer_id) REFERENCES customers (id), FOREIGN KEY (parent_id) REFERENCES orders (id));
CREATE TABLE items (order_id int, line int, price decimal(8, 2), PRIMARY KEY (order_id, line), FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE notes (order_id int, line int, said varchar(20), FOREIGN KEY (order_id, line) REFERENCES items (order_id, line));
CREATE TABLE QUOTEodd namesQUOTE (id BYTES PRIMARY KEY DEFAULT (RANDOM), QUOTEthe customerQUOTE int, FOREIGN KEY (QUOTEthe customerQUOTE) REFERENCES customers (id));
CREATE TABLE codes (code varchar(60) PRIMARY KEY, customer_id int, FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE log (order_id int, said varchar(20), FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE reviews (id NUMBER, customer_id int, FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE accounts (id NUMBER, customer_id int, FOREIGN KEY (customer_id) REFERENCES customers (id));
CREATE TABLE events (id NUMBER, what varchar(20));
CREATE TABLE counts (name varchar(60) PRIMARY KEY, n int NOT NULL);
INSERT INTO customers (name) VALUES ('one'), ('two'), ('three');
INSERT INTO orders (customer_id, note) SELECT id, 'theirs' FROM customers;
INSERT INTO items SELECT id, 1, 9.99 FROM orders;
INSERT INTO notes SELECT id, 1, 'theirs' FROM orders;
INSERT INTO log SELECT id, 'theirs' FROM orders;
INSERT INTO events (what) SELECT 'theirs' FROM orders;
INSERT INTO codes SELECT name, id FROM customers;
INSERT INTO reviews (customer_id) SELECT id FROM customers;
INSERT INTO accounts (customer_id) SELECT id FROM customers;
UPDATE customers SET account_id = id;
INSERT INTO counts VALUES ('theirs', 7);
";

const NAMES: [&str; 11] = [
    "customers",
    "orders",
    "items",
    "notes",
    "odd names",
    "codes",
    "log",
    "reviews",
    "accounts",
    "events",
    "counts",
];

const SCENARIO: &str = "
version: 1
name: existing
targets: {db: {database: \"${DATABASE_URL}\", begin: immediate}}
retry: {on: [deadlock, busy], max_retries: 20, delay: 5ms, backoff: fixed}
fixtures:
  buyers: {table: customers, rows: 5, values: {name: \"buyer {{ n }} of {{ run.id }}\"}}
  odd: {table: odd names, per: buyers, values: {the customer: \"{{ parent.id }}\"}}
  coupons: {table: codes, per: buyers, values: {code: \"{{ run.id }}-{{ n }}\", customer_id: \"{{ parent.id }}\"}}
  open: {table: orders, rows: 5, values: {customer_id: \"{{ pick(buyers).id }}\", note: ours}}
operations:
  buy:
    let: {buyer: \"{{ pick(buyers) }}\", order: \"{{ pick(open) }}\"}
    steps:
      - transaction:
          steps:
            - sql:
                mysql: SELECT id FROM customers WHERE id = {{ buyer.id }} FOR UPDATE
                sqlite: SELECT id FROM customers WHERE id = {{ buyer.id }}
            - sql: INSERT INTO orders (customer_id, parent_id, note) VALUES ({{ buyer.id }}, {{ order.id }}, 'ours') RETURNING id
              capture: made
            - sql: INSERT INTO items VALUES ({{ made.id }}, 1, 5), ({{ made.id }}, 2, 7.50)
              assert: rows_affected == 2
            - sql: INSERT INTO notes VALUES ({{ made.id }}, 2, 'ours')
            - sql: INSERT INTO log VALUES ({{ made.id }}, 'ours')
            - sql: INSERT INTO accounts (customer_id) VALUES ({{ buyer.id }}) RETURNING id
              capture: account
            - sql: UPDATE customers SET account_id = {{ account.id }} WHERE id = {{ buyer.id }}
  tell:
    steps:
      - sql: \"INSERT INTO events (what) VALUES ('ours') -- a remark\"
        assert: rows_affected == 1
load: {concurrency: 4, WORK}
";

fn tables(dialect: Dialect) -> String {
    let (number, bytes, random, quote) = match dialect {
        Dialect::MySql => {
            ("int AUTO_INCREMENT PRIMARY KEY", "binary(16)", "unhex(replace(uuid(), '-', ''))", "`")
        }
        Dialect::Postgres | Dialect::Sqlite => ("integer PRIMARY KEY", "blob", "randomblob(16)", "\""),
    };
    let tables = TABLES.replace("NUMBER", number).replace("BYTES", bytes).replace("RANDOM", random);
    let tables = tables.replace("QUOTE", quote);
    match dialect {
        // A circle of tables.
        Dialect::MySql => format!("SET foreign_key_checks = 0; {tables} SET foreign_key_checks = 1;"),
        Dialect::Postgres | Dialect::Sqlite => tables,
    }
}

fn run_sql(database: &TestDatabase, sql: &str) {
    block_on(async {
        let mut session = session(database.url()).await;
        session.script(sql).await.expect("the SQL runs");
        session.close().await;
    });
}

/// Every row of every table.
fn fingerprint(database: &TestDatabase) -> Vec<(String, Vec<String>)> {
    block_on(async {
        let mut session = session(database.url()).await;
        let mut all = Vec::new();
        for name in NAMES {
            let sql = format!("SELECT * FROM {}", database.dialect().quote(name));
            let rows = session.query(&sql, &[]).await.expect("read").rows;
            let mut rows: Vec<String> = rows
                .iter()
                .map(|row| row.values().iter().map(to_text).collect::<Vec<_>>().join(", "))
                .collect();
            rows.sort();
            all.push((name.to_owned(), rows));
        }
        session.close().await;
        all
    })
}

fn count(database: &TestDatabase, sql: &str) -> i64 {
    block_on(async {
        let mut session = session(database.url()).await;
        let counted = session.query(sql, &[]).await.expect("read").single();
        session.close().await;
        counted.as_i64().expect("a number")
    })
}

struct Prepared {
    _folder: tempfile::TempDir,
    path: PathBuf,
    database: TestDatabase,
    program: Program,
}

/// The scenario on each kind of database. What the user keeps in a file is kept as SQLite does by itself.
fn prepared(work: &str) -> Vec<Prepared> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("theirs.sqlite").display());
    let databases = [mysql(&[]), TestDatabase::File(folder, url)];
    let prepare = |database: TestDatabase| {
        run_sql(&database, &tables(database.dialect()));
        if database.dialect() == Dialect::Sqlite {
            run_sql(&database, "PRAGMA journal_mode = delete");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "existing.yaml", &SCENARIO.replace("WORK", work));
        let program = Program::new().with("DATABASE_URL", database.url());
        Prepared { _folder: folder, path, database, program }
    };
    databases.into_iter().map(prepare).collect()
}

#[test]
fn every_row_of_the_run_goes_and_no_other() {
    for Prepared { path, database, program, _folder } in prepared("iterations: 200") {
        let before = fingerprint(&database);
        if database.dialect() == Dialect::Sqlite {
            run_sql(&database, "PRAGMA journal_mode = delete");
        }
        let result = path.with_extension("json");
        let ended = program.run(&["run", text(&path), "--json", text(&result)]).expect_status(0);
        assert!(ended.stdout.contains("0 remain"), "{}", ended.stdout);
        let ended = ended.expect_stderr("table log has no primary key");
        ended.expect_stderr("table notes has no primary key");
        let document = support::json(&result);
        let totals = &document["totals"];
        assert_eq!(totals["ok"].as_u64().zip(totals["recovered"].as_u64()).map(|(a, b)| a + b), Some(200));
        if let TestDatabase::File(_, url) = &database {
            let header = std::fs::read(url.trim_start_matches("sqlite:")).expect("the file");
            // Bytes 18 and 19 tell how a file is kept: 1 is a rollback journal, 2 a write-ahead log.
            assert_eq!(header[18..20], [1, 1], "kept as it was");
        }
        assert_eq!(fingerprint(&database), before);
        assert_eq!(program.records(), 0);
    }
}

#[test]
fn a_killed_run_is_removed_by_clean() {
    for Prepared { path, database, program, _folder } in prepared("duration: 60s") {
        let before = fingerprint(&database);
        for _ in 0..2 {
            let mut command = program.command(&["run", text(&path)]);
            let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            wait_for("rows", || count(&database, "SELECT count(*) FROM orders WHERE note = 'ours'") > 20);
            run.kill().expect("killed");
            run.wait().expect("it ended");
            assert_ne!(fingerprint(&database), before);
            program.run(&["clean"]).expect_status(0).expect_stderr("orders");
            assert_eq!(fingerprint(&database), before);
        }
        assert_eq!(program.records(), 0);
    }
}

#[test]
fn what_refers_to_rows_of_the_run_goes_with_them_or_stays_as_its_author_wished() {
    for Prepared { path, database, program, _folder } in prepared("iterations: 150") {
        let before = fingerprint(&database);
        program.run(&["run", text(&path), "--keep"]).expect_status(0);
        run_sql(
            &database,
            "INSERT INTO log SELECT id, 'later' FROM orders WHERE note = 'ours';
             INSERT INTO reviews (customer_id) SELECT id FROM customers WHERE name LIKE 'buyer%';
             DELETE FROM notes WHERE said = 'ours';
             DELETE FROM items WHERE price = 7.50",
        );
        program.run(&["clean"]).expect_status(0);
        let kept = "SELECT count(*) FROM reviews WHERE customer_id IS NULL";
        assert_eq!(count(&database, kept), 5, "set to null, not removed");
        run_sql(&database, "DELETE FROM reviews WHERE customer_id IS NULL");
        assert_eq!(fingerprint(&database), before);
    }
}

#[test]
fn rows_whose_keys_cannot_be_known_are_refused_or_named() {
    for Prepared { path, database, program, _folder } in prepared("iterations: 20") {
        let before = fingerprint(&database);
        run_sql(&database, "CREATE VIEW seen AS SELECT * FROM customers");
        let mut refused = vec![
            ("log", "{said: x}", "has no primary key"),
            ("seen", "{name: x}", "isn't a table"),
            ("nowhere", "{name: x}", "there is no table nowhere"),
            ("counts", "{n: 1}", "its key column name has no default"),
        ];
        if database.dialect() == Dialect::MySql {
            run_sql(&database, "CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM");
            refused.push(("old", "{id: 1}", "kept by MyISAM, which has no transactions"));
        }
        for (table, values, message) in refused {
            let scenario = format!(
                "version: 1\nname: bad\ntargets: {{db: {{database: \"${{DATABASE_URL}}\"}}}}\n\
                 fixtures: {{rows: {{table: {table}, rows: 2, values: {values}}}}}\n\
                 operations: {{look: {{steps: [{{sql: SELECT 1}}]}}}}\nload: {{concurrency: 2, iterations: 2}}\n"
            );
            std::fs::write(&path, scenario).expect("written");
            program.run(&["run", text(&path)]).expect_status(3).expect_stderr(message);
        }
        // The row that is there already is changed, and stays.
        let upsert = match database.dialect() {
            Dialect::MySql => "ON DUPLICATE KEY UPDATE n = n + 1",
            Dialect::Postgres | Dialect::Sqlite => "ON CONFLICT (name) DO UPDATE SET n = n + 1",
        };
        let scenario = format!(
            "version: 1\nname: upsert\ntargets: {{db: {{database: \"${{DATABASE_URL}}\"}}}}\n\
             operations: {{count: {{steps: [{{sql: \"INSERT INTO counts VALUES ('theirs', 1) {upsert}\"}}]}}}}\n\
             load: {{concurrency: 1, iterations: 3}}\n"
        );
        std::fs::write(&path, scenario).expect("written");
        let ended = program.run(&["run", text(&path)]).expect_status(4);
        ended.expect_stderr("may change a row which is there already");
        assert_eq!(count(&database, "SELECT n FROM counts WHERE name = 'theirs'"), 10);
        run_sql(&database, "UPDATE counts SET n = 7");
        assert_eq!(fingerprint(&database), before);
        assert_eq!(program.records(), 0);
    }
}

#[test]
fn a_file_that_is_gone_took_its_rows_along() {
    let all = prepared("iterations: 150");
    let Prepared { path, database, program, .. } = all.last().expect("SQLite");
    program.run(&["run", text(path), "--keep"]).expect_status(0);
    std::fs::remove_file(database.url().trim_start_matches("sqlite:")).expect("removed");
    program.run(&["clean"]).expect_status(0).expect_stderr("its rows went with");
    assert_eq!(program.records(), 0);
}
