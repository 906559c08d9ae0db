//! A scenario that works on tables which were there before, and what is expected of it on each kind of database:
//! every row of the run is followed and removed, and no other row is touched.

use std::path::PathBuf;

use deadheat::expression::to_text;
use serde_json::Value;
use tempfile::TempDir;

use super::support::{
    Ended, Program, TestDatabase, block_on, file, json, kill, number, run_script, session, text, wait_for,
};

/// The tables are those of the test.
const SCENARIO: &str = "
version: 1
name: existing
targets: {db: {database: \"${DATABASE_URL}\", TARGET}}
fixtures:
  buyers: {table: customers, rows: 5, values: {name: \"buyer {{ n }} of {{ run.id }}\"}}
  odd: {table: ODD TABLE, per: buyers, values: {ODD COLUMN: \"{{ parent.id }}\"}}
  coupons: {table: codes, per: buyers, values: {code: \"{{ run.id }}-{{ n }}\", customer_id: \"{{ parent.id }}\"}}
  open: {table: orders, rows: 5, values: {customer_id: \"{{ pick(buyers).id }}\", note: ours}}
operations:
  buy:
    let: {buyer: \"{{ pick(buyers) }}\", order: \"{{ pick(open) }}\"}
    steps:
      - transaction:
          steps:
            - sql:
                postgres: SELECT id FROM customers WHERE id = {{ buyer.id }} FOR UPDATE
                mysql: SELECT id FROM customers WHERE id = {{ buyer.id }} FOR UPDATE
                sqlite: SELECT id FROM customers WHERE id = {{ buyer.id }}
            - sql: INSERT INTO orders (customer_id, parent_id, note) VALUES ({{ buyer.id }}, {{ order.id }}, 'ours') RETURNING id
              capture: made
            - sql: INSERT INTO items VALUES ({{ made.id }}, 1, 5), ({{ made.id }}, 2, 7.50)
              assert: rows_affected == 2
            - sql: INSERT INTO log VALUES ({{ made.id }}, 'ours')
STEPS
  tell:
    steps:
      - sql: \"INSERT INTO events (what) VALUES ('ours') -- a remark\"
        assert: rows_affected == 1
load: {LOAD}
";

/// What one kind of database has of its own.
pub struct Particulars<'a> {
    /// The tables, with rows of others.
    pub tables: &'a str,
    /// Queries that return every row of them.
    pub queries: Vec<String>,
    /// More keys of the target.
    pub target: &'a str,
    /// A table whose name must be quoted, and such a column of it.
    pub odd: [&'a str; 2],
    /// More steps of the transaction.
    pub steps: &'a str,
    /// More at the top level.
    pub more: &'a str,
}

/// Tables in a database, and the scenario on them.
pub struct Existing {
    pub database: TestDatabase,
    pub program: Program,
    pub path: PathBuf,
    _folder: TempDir,
    queries: Vec<String>,
    before: Vec<Vec<String>>,
}

impl Existing {
    pub fn new(database: TestDatabase, of: Particulars, load: &str) -> Self {
        run_script(database.url(), of.tables);
        let [table, column] = of.odd;
        let scenario = SCENARIO
            .replace("TARGET", of.target)
            .replace("ODD TABLE", table)
            .replace("ODD COLUMN", column)
            .replace("STEPS", of.steps.trim_matches('\n'))
            .replace("LOAD", load);
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "existing.yaml", &format!("{scenario}{}", of.more));
        let program = Program::new().with("DATABASE_URL", database.url());
        let queries = of.queries;
        let mut made = Self { database, program, path, _folder: folder, queries, before: Vec::new() };
        made.before = made.rows();
        made
    }

    pub fn sql(&self, text: &str) {
        run_script(self.database.url(), text);
    }

    pub fn number(&self, query: &str) -> i64 {
        number(self.database.url(), query)
    }

    /// Every row of every table.
    fn rows(&self) -> Vec<Vec<String>> {
        block_on(async {
            let mut session = session(self.database.url()).await;
            let mut all = Vec::new();
            for query in &self.queries {
                let rows = session.query(query, &[]).await.expect("read").rows;
                let mut rows: Vec<String> = rows
                    .iter()
                    .map(|row| row.values().iter().map(to_text).collect::<Vec<_>>().join(", "))
                    .collect();
                rows.sort();
                all.push(rows);
            }
            session.close().await;
            all
        })
    }

    /// The rows of others are as they were, and no others are there.
    #[track_caller]
    fn expect_as_before(&self) {
        assert_eq!(self.rows(), self.before);
    }

    /// As before, nothing is left to clean, and the server ends as it should.
    #[track_caller]
    pub fn end(self) {
        self.expect_as_before();
        assert_eq!(self.program.records(), 0);
        self.database.stop();
    }

    /// Writes another scenario in the place of the first one.
    fn replace_scenario(&self, name: &str, rest: &str) {
        let targets = "targets: {db: {database: \"${DATABASE_URL}\"}}";
        std::fs::write(&self.path, format!("version: 1\nname: {name}\n{targets}\n{rest}"))
            .expect("written");
    }

    /// A run that goes well: what it said, and its document.
    #[track_caller]
    pub fn run(&self) -> (Ended, Value) {
        let result = self.path.with_extension("json");
        let ended = self.program.run(&["run", text(&self.path), "--json", text(&result)]).expect_status(0);
        assert!(ended.stdout.contains("0 remain"), "{}", ended.stdout);
        // What can't be followed is said.
        (ended.expect_stderr("table log has no primary key"), json(&result))
    }

    /// Runs are killed under load, and `clean` removes their rows and says so.
    #[track_caller]
    pub fn expect_killed_runs_are_cleaned(&self, times: usize, said: &str) {
        for _ in 0..times {
            let run = self.program.start_unheard(&["run", text(&self.path)]);
            wait_for("rows", || self.number("SELECT count(*) FROM orders WHERE note = 'ours'") > 20);
            kill(run);
            assert_ne!(self.rows(), self.before);
            self.program.run(&["clean"]).expect_status(0).expect_stderr(said);
            self.expect_as_before();
        }
    }

    /// A run is kept, an application does things with its rows, and then `clean` removes them with what refers
    /// to them.
    #[track_caller]
    pub fn expect_references_go(&self, things: &str) {
        self.program.run(&["run", text(&self.path), "--keep"]).expect_status(0);
        self.sql(&format!(
            "INSERT INTO log SELECT id, 'later' FROM orders WHERE note = 'ours';
             INSERT INTO reviews (customer_id) SELECT id FROM customers WHERE name LIKE 'buyer%';
             {things}
             DELETE FROM items WHERE price = 7.50"
        ));
        self.program.run(&["clean"]).expect_status(0);
        let kept = "SELECT count(*) FROM reviews WHERE customer_id IS NULL";
        assert_eq!(self.number(kept), 5, "set to null, not removed");
        self.sql("DELETE FROM reviews WHERE customer_id IS NULL");
    }

    /// Fixtures in a table whose rows couldn't be found again.
    #[track_caller]
    pub fn expect_refused(&self, table: &str, values: &str, message: &str) {
        let rest = format!(
            "fixtures: {{rows: {{table: {table}, rows: 2, values: {values}}}}}\n\
             operations: {{look: {{steps: [{{sql: SELECT 1}}]}}}}\nload: {{concurrency: 2, iterations: 2}}\n"
        );
        self.replace_scenario("bad", &rest);
        self.program.run(&["run", text(&self.path)]).expect_status(3).expect_stderr(message);
    }

    /// The row of others in the table `counts`, with the number 7, is changed by `on_conflict`, and stays.
    #[track_caller]
    pub fn expect_row_of_others_is_changed(&self, on_conflict: &str) {
        let rest = format!(
            "operations: {{count: {{steps: [{{sql: \"INSERT INTO counts VALUES ('theirs', 1) {on_conflict}\"}}]}}}}\n\
             load: {{concurrency: 1, iterations: 3}}\n"
        );
        self.replace_scenario("upsert", &rest);
        let ended = self.program.run(&["run", text(&self.path)]).expect_status(4);
        ended.expect_stderr("may change a row which is there already");
        assert_eq!(self.number("SELECT n FROM counts WHERE name = 'theirs'"), 10);
    }
}
