//! Tables of the user's own on MariaDB or MySQL and on SQLite: as on PostgreSQL, every row of the run is
//! followed and removed, and no other row is touched.

mod support;

#[path = "support/existing.rs"]
mod existing;

use deadheat::dialect::Dialect;
use existing::{Existing, Particulars};
use support::{TestDatabase, mysql, numbered_key, text};

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

const STEPS: &str = "
            - sql: INSERT INTO notes VALUES ({{ made.id }}, 2, 'ours')
            - sql: INSERT INTO accounts (customer_id) VALUES ({{ buyer.id }}) RETURNING id
              capture: account
            - sql: UPDATE customers SET account_id = {{ account.id }} WHERE id = {{ buyer.id }}
";

/// What the user keeps in a file is kept as SQLite does by itself.
const OWN_JOURNAL: &str = "PRAGMA journal_mode = delete";

fn tables(dialect: Dialect) -> String {
    let (bytes, random) = match dialect {
        Dialect::MySql => ("binary(16)", "unhex(replace(uuid(), '-', ''))"),
        Dialect::Postgres | Dialect::Sqlite => ("blob", "randomblob(16)"),
    };
    let tables = TABLES.replace("NUMBER", numbered_key(dialect)).replace("BYTES", bytes);
    let odd = dialect.quote("odd names");
    let tables = tables.replace("RANDOM", random).replace("QUOTE", &odd[..1]);
    match dialect {
        // A circle of tables.
        Dialect::MySql => format!("SET foreign_key_checks = 0; {tables} SET foreign_key_checks = 1;"),
        Dialect::Postgres | Dialect::Sqlite => format!("{tables} {OWN_JOURNAL}"),
    }
}

/// The scenario on each kind of database.
fn prepared(work: &str) -> Vec<Existing> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("theirs.sqlite").display());
    let databases = [mysql(&[]), TestDatabase::File(folder, url)];
    let prepare = |database: TestDatabase| {
        let dialect = database.dialect();
        let particulars = Particulars {
            tables: &tables(dialect),
            queries: NAMES.map(|name| format!("SELECT * FROM {}", dialect.quote(name))).to_vec(),
            target: "begin: immediate",
            odd: ["odd names", "the customer"],
            steps: STEPS,
            more: "retry: {on: [deadlock, busy], max_retries: 20, delay: 5ms, backoff: fixed}\n",
        };
        Existing::new(database, particulars, &format!("concurrency: 4, {work}"))
    };
    databases.into_iter().map(prepare).collect()
}

#[test]
fn every_row_of_the_run_goes_and_no_other() {
    for existing in prepared("iterations: 200") {
        if existing.database.dialect() == Dialect::Sqlite {
            existing.sql(OWN_JOURNAL);
        }
        let (ended, document) = existing.run();
        ended.expect_stderr("table notes has no primary key");
        let totals = &document["totals"];
        assert_eq!(totals["ok"].as_u64().zip(totals["recovered"].as_u64()).map(|(a, b)| a + b), Some(200));
        if let TestDatabase::File(_, url) = &existing.database {
            let header = std::fs::read(url.trim_start_matches("sqlite:")).expect("the file");
            // Bytes 18 and 19 tell how a file is kept: 1 is a rollback journal, 2 a write-ahead log.
            assert_eq!(header[18..20], [1, 1], "kept as it was");
        }
        existing.end();
    }
}

#[test]
fn a_killed_run_is_removed_by_clean() {
    for existing in prepared("duration: 60s") {
        existing.expect_killed_runs_are_cleaned(2, "orders");
        existing.end();
    }
}

#[test]
fn what_refers_to_rows_of_the_run_goes_with_them_or_stays_as_its_author_wished() {
    for existing in prepared("iterations: 150") {
        existing.expect_references_go("DELETE FROM notes WHERE said = 'ours';");
        existing.end();
    }
}

#[test]
fn rows_whose_keys_cannot_be_known_are_refused_or_named() {
    for existing in prepared("iterations: 20") {
        existing.sql("CREATE VIEW seen AS SELECT * FROM customers");
        let mut refused = vec![
            ("log", "{said: x}", "has no primary key"),
            ("seen", "{name: x}", "isn't a table"),
            ("nowhere", "{name: x}", "there is no table nowhere"),
            ("counts", "{n: 1}", "its key column name has no default"),
        ];
        let mut on_conflict = "ON CONFLICT (name) DO UPDATE SET n = n + 1";
        if existing.database.dialect() == Dialect::MySql {
            existing.sql("CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM");
            refused.push(("old", "{id: 1}", "kept by MyISAM, which has no transactions"));
            on_conflict = "ON DUPLICATE KEY UPDATE n = n + 1";
        }
        for (table, values, message) in refused {
            existing.expect_refused(table, values, message);
        }
        existing.expect_row_of_others_is_changed(on_conflict);
        existing.sql("UPDATE counts SET n = 7");
        existing.end();
    }
}

#[test]
fn a_file_that_is_gone_took_its_rows_along() {
    let all = prepared("iterations: 150");
    let Existing { path, database, program, .. } = all.last().expect("SQLite");
    program.run(&["run", text(path), "--keep"]).expect_status(0);
    std::fs::remove_file(database.url().trim_start_matches("sqlite:")).expect("removed");
    program.run(&["clean"]).expect_status(0).expect_stderr("its rows went with");
    assert_eq!(program.records(), 0);
}
