//! Scenarios that work on tables of the user's own: every row of the run is followed and removed,
//! and no other row is touched.

mod support;

use std::{path::PathBuf, process::Stdio};

use deadheat::target::embedded::EmbeddedServer;
use support::{Program, file, server, sql, text, value, wait_for};

/// Keys of every kind, rows of others, references of every kind.
const TABLES: &str = "
CREATE SCHEMA \"Shop\";
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers (id),
    parent_id bigint REFERENCES orders (id),
    note text);
CREATE TABLE items (order_id bigint REFERENCES orders (id), line int, price numeric(8, 2), PRIMARY KEY (order_id, line));
CREATE TABLE \"Shop\".\"Odd Names\" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), \"The Customer\" int REFERENCES customers (id));
CREATE TABLE codes (code text PRIMARY KEY, customer_id int REFERENCES customers (id) ON DELETE CASCADE);
-- Without a primary key: found by what it refers to.
CREATE TABLE log (order_id bigint REFERENCES orders (id), said text);
-- Its author wants it to stay.
CREATE TABLE reviews (id serial PRIMARY KEY, customer_id int REFERENCES customers (id) ON DELETE SET NULL);
-- A circle: each refers to the other.
CREATE TABLE accounts (id serial PRIMARY KEY, customer_id int REFERENCES customers (id));
ALTER TABLE customers ADD account_id int REFERENCES accounts (id);
-- Not tied to anything by a foreign key.
CREATE TABLE events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(), what text);

INSERT INTO customers (name) SELECT 'somebody ' || n FROM generate_series(1, 50) n;
INSERT INTO orders (customer_id, note) SELECT n, 'theirs' FROM generate_series(1, 50) n;
INSERT INTO items SELECT id, 1, 9.99 FROM orders;
INSERT INTO log SELECT id, 'theirs' FROM orders;
INSERT INTO events (what) SELECT 'theirs' FROM generate_series(1, 50);
INSERT INTO codes SELECT 'code ' || id, id FROM customers;
";

const SCENARIO: &str = "
version: 1
name: existing
targets: {db: {database: \"${DATABASE_URL}\", isolation: read_committed}}
fixtures:
  buyers: {table: customers, rows: 5, values: {name: \"buyer {{ n }} of {{ run.id }}\"}}
  odd: {table: Shop.Odd Names, per: buyers, values: {The Customer: \"{{ parent.id }}\"}}
  coupons: {table: codes, per: buyers, values: {code: \"{{ run.id }}-{{ n }}\", customer_id: \"{{ parent.id }}\"}}
  open: {table: orders, rows: 5, values: {customer_id: \"{{ pick(buyers).id }}\", note: ours}}
operations:
  buy:
    let: {buyer: \"{{ pick(buyers) }}\", order: \"{{ pick(open) }}\"}
    steps:
      - transaction:
          steps:
            - sql: SELECT id FROM customers WHERE id = {{ buyer.id }} FOR UPDATE
            - sql: INSERT INTO orders (customer_id, parent_id, note) VALUES ({{ buyer.id }}, {{ order.id }}, 'ours') RETURNING id
              capture: made
            - sql: INSERT INTO items VALUES ({{ made.id }}, 1, 5), ({{ made.id }}, 2, 7.50)
              assert: rows_affected == 2
            - sql: INSERT INTO log VALUES ({{ made.id }}, 'ours')
            - sql: WITH a AS (INSERT INTO accounts (customer_id) VALUES ({{ buyer.id }}) RETURNING id)
                   UPDATE customers SET account_id = a.id FROM a WHERE customers.id = {{ buyer.id }}
  tell:
    steps:
      - sql: \"INSERT INTO events (what) VALUES ('ours') -- a remark\"
        assert: rows_affected == 1
load: {concurrency: 6, WORK}
";

const ALL_TABLES: [&str; 10] = [
    "customers",
    "orders",
    "items",
    "\"Shop\".\"Odd Names\"",
    "codes",
    "log",
    "reviews",
    "accounts",
    "events",
    "orders",
];

/// A fingerprint of every row of every table.
fn fingerprint(server: &EmbeddedServer) -> Vec<String> {
    ALL_TABLES
        .iter()
        .map(|table| {
            value(server, &format!("SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {table} t"))
        })
        .collect()
}

fn prepared(work: &str) -> (tempfile::TempDir, PathBuf, EmbeddedServer, Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "existing.yaml", &SCENARIO.replace("WORK", work));
    let server = server(&[], 40);
    sql(&server, TABLES);
    let program = Program::new().with("DATABASE_URL", &server.url());
    (folder, path, server, program)
}

#[test]
fn every_row_of_the_run_goes_and_no_other() {
    let (_folder, path, server, program) = prepared("iterations: 300");
    let before = fingerprint(&server);
    let result = path.with_extension("json");
    let ended = program.run(&["run", text(&path), "--json", text(&result)]).expect_status(0);
    assert!(ended.stdout.contains("0 remain"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("table log has no primary key"),
        "what can't be followed is said: {}",
        ended.stderr
    );
    assert_eq!(support::json(&result)["totals"]["ok"], 300);
    assert_eq!(fingerprint(&server), before);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn a_killed_run_is_removed_by_clean() {
    let (_folder, path, server, program) = prepared("duration: 60s");
    let before = fingerprint(&server);
    for _ in 0..3 {
        let mut run = program
            .command(&["run", text(&path)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        wait_for("rows", || {
            value(&server, "SELECT count(*) > 20 FROM orders WHERE note = 'ours'") == "true"
        });
        run.kill().expect("killed");
        run.wait().expect("it ended");
        assert_ne!(fingerprint(&server), before);
        program.run(&["clean"]).expect_status(0).expect_stderr("rows of public.orders");
        assert_eq!(fingerprint(&server), before);
    }
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn what_refers_to_rows_of_the_run_goes_with_them() {
    let (_folder, path, server, program) = prepared("iterations: 20");
    let before = fingerprint(&server);
    program.run(&["run", text(&path), "--keep"]).expect_status(0);
    // An application has done things with the rows meanwhile.
    sql(
        &server,
        "INSERT INTO log SELECT id, 'later' FROM orders WHERE note = 'ours';
         INSERT INTO reviews (customer_id) SELECT id FROM customers WHERE name LIKE 'buyer%';
         DELETE FROM items WHERE price = 7.50",
    );
    program.run(&["clean"]).expect_status(0);
    let after = fingerprint(&server);
    assert_eq!(
        value(&server, "SELECT count(*) FROM reviews WHERE customer_id IS NULL"),
        "5",
        "set to null, not removed"
    );
    sql(&server, "DELETE FROM reviews");
    assert_eq!(fingerprint(&server), before, "{after:?}");
    server.stop().expect("stopped");
}

#[test]
fn rows_written_down_but_never_made_are_fine() {
    let (_folder, _path, server, program) = prepared("iterations: 20");
    let before = fingerprint(&server);
    let rows = r#"{"rows":{"url":"URL","table":"public.orders","key":["id"],"rows":[["9001"],["9002"]]}}"#;
    let gone = r#"{"rows":{"url":"URL","table":"public.dropped","key":["id"],"rows":[["1"]]}}"#;
    let text = format!("{rows}\n{gone}\n").replace("URL", &server.url());
    file(program.state.path(), "dead.jsonl", &text);
    program.run(&["clean"]).expect_status(0);
    assert_eq!(fingerprint(&server), before);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn tables_whose_rows_could_not_be_found_again_are_refused() {
    let (folder, _path, server, program) = prepared("iterations: 20");
    let before = fingerprint(&server);
    sql(
        &server,
        "CREATE VIEW seen AS SELECT * FROM customers; CREATE TABLE bare (id int PRIMARY KEY, n int)",
    );
    for (table, values, message) in [
        ("log", "{said: x}", "has no primary key"),
        ("seen", "{name: x}", "isn't a table"),
        ("nowhere", "{name: x}", "there is no table nowhere"),
        ("bare", "{n: 1}", "its key column id has no default"),
    ] {
        let scenario = format!(
            "version: 1\nname: bad\ntargets: {{db: {{database: \"${{DATABASE_URL}}\"}}}}\n\
             fixtures: {{rows: {{table: {table}, rows: 2, values: {values}}}}}\n\
             operations: {{look: {{steps: [{{sql: SELECT 1}}]}}}}\nload: {{concurrency: 2, iterations: 2}}\n"
        );
        let path = file(folder.path(), "bad.yaml", &scenario);
        program.run(&["run", text(&path)]).expect_status(3).expect_stderr(message);
    }
    assert_eq!(fingerprint(&server), before);
    assert_eq!(program.records(), 0);
    server.stop().expect("stopped");
}

#[test]
fn a_row_that_was_there_is_not_taken_for_one_of_the_run() {
    let (_folder, path, server, program) = prepared("iterations: 20");
    sql(
        &server,
        "CREATE TABLE counts (name text PRIMARY KEY, n int); INSERT INTO counts VALUES ('theirs', 7)",
    );
    let scenario = "version: 1\nname: upsert\ntargets: {db: {database: \"${DATABASE_URL}\"}}\n\
        operations: {count: {steps: [{sql: \"INSERT INTO counts VALUES ('theirs', 1) \
        ON CONFLICT (name) DO UPDATE SET n = counts.n + 1\"}]}}\nload: {concurrency: 1, iterations: 3}\n";
    std::fs::write(&path, scenario).expect("written");
    let ended = program.run(&["run", text(&path)]).expect_status(4);
    ended.expect_stderr("may change a row which is there already");
    assert_eq!(value(&server, "SELECT n FROM counts"), "10");
    server.stop().expect("stopped");
}
