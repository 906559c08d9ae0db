//! Scenarios that work on tables of the user's own: every row of the run is followed and removed,
//! and no other row is touched.

mod support;

#[path = "support/existing.rs"]
mod existing;

use deadheat::target::embedded::ServerKind;
use existing::{Existing, Particulars};
use support::{database_of, file};

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

const NAMES: [&str; 9] = [
    "customers",
    "orders",
    "items",
    "\"Shop\".\"Odd Names\"",
    "codes",
    "log",
    "reviews",
    "accounts",
    "events",
];

const STEPS: &str = "
            - sql: WITH a AS (INSERT INTO accounts (customer_id) VALUES ({{ buyer.id }}) RETURNING id)
                   UPDATE customers SET account_id = a.id FROM a WHERE customers.id = {{ buyer.id }}
";

fn prepared(work: &str) -> Existing {
    let particulars = Particulars {
        tables: TABLES,
        queries: NAMES.map(|table| format!("SELECT t::text FROM {table} t")).to_vec(),
        target: "isolation: read_committed",
        odd: ["Shop.Odd Names", "The Customer"],
        steps: STEPS,
        more: "",
    };
    let database = database_of(ServerKind::Postgres, &[]);
    Existing::new(database, particulars, &format!("concurrency: 6, {work}"))
}

#[test]
fn every_row_of_the_run_goes_and_no_other() {
    let existing = prepared("iterations: 300");
    let (_, document) = existing.run();
    assert_eq!(document["totals"]["ok"], 300);
    existing.end();
}

#[test]
fn a_killed_run_is_removed_by_clean() {
    let existing = prepared("duration: 60s");
    existing.expect_killed_runs_are_cleaned(3, "rows of public.orders");
    existing.end();
}

#[test]
fn what_refers_to_rows_of_the_run_goes_with_them() {
    let existing = prepared("iterations: 20");
    existing.expect_references_go("");
    existing.end();
}

#[test]
fn rows_written_down_but_never_made_are_fine() {
    let existing = prepared("iterations: 20");
    let rows = r#"{"rows":{"url":"URL","table":"public.orders","key":["id"],"rows":[["9001"],["9002"]]}}"#;
    let gone = r#"{"rows":{"url":"URL","table":"public.dropped","key":["id"],"rows":[["1"]]}}"#;
    let text = format!("{rows}\n{gone}\n").replace("URL", existing.database.url());
    file(existing.program.state.path(), "dead.jsonl", &text);
    existing.program.run(&["clean"]).expect_status(0);
    existing.end();
}

#[test]
fn tables_whose_rows_could_not_be_found_again_are_refused() {
    let existing = prepared("iterations: 20");
    existing
        .sql("CREATE VIEW seen AS SELECT * FROM customers; CREATE TABLE bare (id int PRIMARY KEY, n int)");
    for (table, values, message) in [
        ("log", "{said: x}", "has no primary key"),
        ("seen", "{name: x}", "isn't a table"),
        ("nowhere", "{name: x}", "there is no table nowhere"),
        ("bare", "{n: 1}", "its key column id has no default"),
    ] {
        existing.expect_refused(table, values, message);
    }
    existing.end();
}

#[test]
fn a_row_that_was_there_is_not_taken_for_one_of_the_run() {
    let existing = prepared("iterations: 20");
    existing
        .sql("CREATE TABLE counts (name text PRIMARY KEY, n int); INSERT INTO counts VALUES ('theirs', 7)");
    existing.expect_row_of_others_is_changed("ON CONFLICT (name) DO UPDATE SET n = counts.n + 1");
    existing.end();
}
