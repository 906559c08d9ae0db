//! Races, driven by the built program on real servers.

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Program, file, json, schemas_of_runs, server, text};

const FEW: &str = "tests/data/races/few.yaml";

/// Drives races and returns the result document.
fn driven(arguments: &[&str], status: i32) -> Value {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    program.run(&[&["race", "--quiet", "--json", text(&path)], arguments].concat()).expect_status(status);
    assert_eq!(program.records(), 0, "nothing is left to clean");
    json(&path)
}

fn number(race: &Value, key: &str) -> u64 {
    race[key].as_u64().unwrap_or_else(|| panic!("{key} in {race}"))
}

#[test]
fn races_do_what_is_known_of_them() {
    let document = driven(&[FEW], 0);
    let races = document["races"].as_array().expect("races");
    let outcomes: Vec<String> = races
        .iter()
        .map(|race| format!("{} {} {}", race["race"], race["isolation"], race["outcome"]).replace('"', ""))
        .collect();
    assert_eq!(
        outcomes,
        [
            "last_item read_committed violated",
            "last_item repeatable_read error",
            "last_item serializable error",
            "last_item_fixed read_committed holds",
            "write_skew read_committed violated",
            "write_skew repeatable_read violated",
            "write_skew serializable error",
            "opposite_lock_order read_committed error",
            "opposite_lock_order_fixed read_committed holds",
        ]
    );
    for race in races {
        let all: u64 = race["interleavings"].as_str().expect("a number").parse().expect("a number");
        let driven = number(race, "holds") + number(race, "violated") + number(race, "errors");
        assert_eq!(driven, number(race, "executed"));
        assert_eq!(driven + number(race, "left_out"), all, "{race}");
    }
    let anomalies = |at: usize| {
        races[at]["anomalies"].as_object().expect("anomalies").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(anomalies(0), ["P4 (lost update)"]);
    assert_eq!(anomalies(5), ["G2-item (write skew)"]);
    assert_eq!((anomalies(1), anomalies(6)), (Vec::new(), Vec::new()), "what failed isn't committed");
    let causes =
        |at: usize| races[at]["causes"].as_object().expect("causes").keys().cloned().collect::<Vec<_>>();
    assert_eq!(causes(1), ["serialization"]);
    assert_eq!(causes(7), ["deadlock"]);
    assert!(number(&races[0], "waited") > 0 && number(&races[7], "waited") > 0, "somebody waited");
    assert_eq!(document["verdict"], "pass");
}

/// Three transactions, of which no two make a circle.
#[test]
fn circles_of_three_have_a_name() {
    let file = "scenarios/races/hermitage.yaml";
    let on_postgres = driven(&[file, "--only", "g2_two_edges"], 0);
    let mysql = ["--target", "db=embedded:mysql"];
    let on_mysql = driven(&[&[file, "--only", "g2_two_edges"], mysql.as_slice()].concat(), 0);
    let dirty = driven(&[&[file, "--only", "g1a_aborted_read"], mysql.as_slice()].concat(), 0);
    let named = |document: &Value| {
        let races = document["races"].as_array().expect("races");
        let name = |race: &Value| {
            let names = race["anomalies"].as_object().expect("anomalies").keys().cloned();
            format!(
                "{}: {}",
                race["isolation"].as_str().expect("a level"),
                names.collect::<Vec<_>>().join(", ")
            )
        };
        races.iter().map(name).collect::<Vec<_>>()
    };
    let three = "G2-item (circle of 3 transactions)";
    let expected = [format!("read_committed: {three}"), format!("repeatable_read: {three}")];
    assert_eq!(named(&on_postgres)[..2], expected);
    assert_eq!(named(&on_postgres)[2], "serializable: ");
    assert_eq!(named(&on_mysql)[1..3], expected);
    assert_eq!(
        named(&dirty),
        ["read_uncommitted: G1a (aborted read)", "read_committed: ", "repeatable_read: ", "serializable: ",]
    );
}

#[test]
fn a_strict_race_prunes_what_cannot_be_executed() {
    let folder = tempfile::tempdir().expect("a folder");
    let strict = "
version: 1
name: strict
targets: {db: {database: embedded}}
races:
  counter:
    setup: CREATE TABLE t (n int); INSERT INTO t VALUES (0)
    blocked: strict
    sessions:
      a: [begin, {read: {sql: SELECT n FROM t}}, {write: {sql: UPDATE t SET n = n + 1}}, commit]
      b: {like: a}
    invariants: {both: {sql: SELECT n FROM t, expect: n == 2}}
";
    let document = driven(&["--no-reduction", text(&file(folder.path(), "strict.yaml", strict))], 0);
    let race = &document["races"][0];
    assert_eq!((number(race, "executed"), number(race, "pruned")), (50, 20), "of 70");
    assert_eq!(race["outcome"], "holds");
}

/// What a reader of the terminal sees between these two lines.
fn between(text: &str, first: &str, last: &str) -> String {
    let from = text.find(first).unwrap_or_else(|| panic!("`{first}` in {text}"));
    let to = text[from..].find(last).unwrap_or_else(|| panic!("`{last}` in {text}"));
    text[from..from + to].to_owned()
}

#[test]
fn one_schedule_is_driven_again_and_drawn() {
    let schedule =
        "alice.begin alice.read bob.begin bob.read alice.write bob.write alice.sell alice.commit bob bob";
    let ended =
        Program::new().run(&["race", FEW, "--only", "last_item", "--schedule", schedule]).expect_status(0);
    let read_committed = between(&ended.stdout, "First broken schedule", "Again: ");
    insta::assert_snapshot!(read_committed);
}

#[test]
fn transcripts_are_those_of_the_isolation_tester() {
    let schedule = "one.begin other.begin one.take other.take one.give other.give one other";
    let ended = Program::new().run(&[
        "race",
        FEW,
        "--quiet",
        "--only",
        "opposite_lock_order",
        "--schedule",
        schedule,
        "--transcript",
    ]);
    insta::assert_snapshot!(ended.expect_status(0).stdout);
}

#[test]
fn reports_carry_races() {
    let folder = tempfile::tempdir().expect("a folder");
    let [junit, html, markdown, result] =
        ["junit.xml", "races.html", "races.md", "result.json"].map(|name| folder.path().join(name));
    let program = Program::new();
    let outputs = ["--junit", text(&junit), "--html", text(&html), "--markdown", text(&markdown)];
    let race = ["race", "--quiet", FEW, "--only", "write_skew", "--json", text(&result)];
    let printed = program.run(&[race.as_slice(), &outputs].concat()).expect_status(0).stdout;
    for path in [&html, &markdown] {
        let report = std::fs::read_to_string(path).expect("the report");
        assert!(report.contains("First broken schedule of write_skew at read_committed"), "{report}");
        assert!(report.contains("repeatable_read") && report.contains("deadheat race"), "{report}");
    }
    assert_eq!(program.run(&["report", text(&result)]).expect_status(0).stdout, printed);
    let xml = std::fs::read_to_string(&junit).expect("the report");
    assert!(
        xml.contains("<testcase name=\"write_skew at repeatable_read\" classname=\"few races.races\""),
        "{xml}"
    );
    assert!(xml.contains("starting permutation: alice.begin"), "{xml}");
    assert!(xml.contains("broken: somebody_is_on_call"), "{xml}");
}

#[test]
fn load_and_race_each_find_their_part() {
    let program = Program::new();
    program.run(&["run", FEW]).expect_status(2).expect_stderr("deadheat race tests/data/races/few.yaml");
    program
        .run(&["race", "scenarios/lost-update.yaml"])
        .expect_status(2)
        .expect_stderr("the scenario has no races");
    program
        .run(&["race", FEW, "--only", "last_itme"])
        .expect_status(2)
        .expect_stderr("did you mean `last_item`");
    program
        .run(&["race", FEW, "--schedule", "a"])
        .expect_status(2)
        .expect_stderr("name it with `--only NAME`");
    program
        .run(&["race", FEW, "--only", "write_skew", "--schedule", "alice alice"])
        .expect_status(2)
        .expect_stderr("the schedule lacks `alice.leave`");
    assert_eq!(program.records(), 0);
}

#[test]
fn a_server_of_the_users_is_left_as_it_was() {
    let server = server(&[], 30);
    let url = server.url();
    let program = Program::new().with("DATABASE_URL", &url);
    program.run(&["race", "--quiet", FEW, "--only", "write_skew", "--only", "last_item"]).expect_status(0);
    assert_eq!(program.records(), 0);
    assert_eq!(schemas_of_runs(&url), 0);
    let folder = tempfile::tempdir().expect("a folder");
    let bare = "
version: 1
name: bare
targets: {db: {database: \"${DATABASE_URL}\"}}
races: {one: {sessions: {a: [{x: {sql: SELECT 1}}], b: [{y: {sql: SELECT 1}}]}}}
";
    program
        .run(&["race", text(&file(folder.path(), "bare.yaml", bare))])
        .expect_status(3)
        .expect_stderr("would work on tables that were there before");
    assert_eq!(program.records(), 0);
}

/// A small generator of numbers, so that the races are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    /// A session: one or two steps on two tables, in a transaction or not.
    fn session(&mut self, me: u64) -> String {
        let mut steps = Vec::new();
        let transaction = self.below(4) > 0;
        if transaction {
            steps.push("begin".to_owned());
        }
        for n in 0..=self.below(2) {
            let table = ["t", "u"][usize::try_from(self.below(2)).expect("small")];
            let row = 1 + self.below(2);
            let sql = match self.below(4) {
                0 => format!("SELECT id, n FROM {table} ORDER BY id"),
                1 => format!("SELECT n FROM {table} WHERE id = {row}"),
                2 => format!("UPDATE {table} SET n = n * 10 + {me} WHERE id = {row}"),
                _ => format!("INSERT INTO {table} VALUES ({}, {n})", 10 * me + n),
            };
            steps.push(format!("{{s{n}: {{sql: \"{sql}\"}}}}"));
        }
        if transaction {
            steps.push(
                ["commit", "commit", "rollback"][usize::try_from(self.below(3)).expect("small")].to_owned(),
            );
        }
        format!("[{}]", steps.join(", "))
    }
}

/// What every schedule showed to each session, and what was left in the tables.
fn signatures(race: &Value) -> BTreeSet<String> {
    let transcript = race["transcript"].as_array().expect("a transcript");
    assert!(!transcript.is_empty());
    transcript
        .iter()
        .map(|record| {
            let events = record["events"].as_array().expect("events");
            let mut seen: Vec<String> = events
                .iter()
                .filter(|event| event["kind"] != "waits" && event["kind"] != "in_line")
                .map(|event| {
                    // Whether it waited first is a matter of the order, not of the outcome.
                    let kind = if event["kind"] == "woke" {
                        "done"
                    } else {
                        event["kind"].as_str().expect("text")
                    };
                    format!(
                        "{} {} {kind} {} {}",
                        event["session"], event["step"], event["tables"], event["error"]
                    )
                })
                .collect();
            seen.sort();
            seen.join("\n")
        })
        .collect()
}

/// Drives generated races with and without what is left out, and compares what is seen. Two sessions each, so
/// that who is a deadlock's victim doesn't depend on the machine's speed. Returns how much was left out.
fn left_out_on(database: &str, levels: &str, races: u64) -> u64 {
    let mut draw = Draw(20_261_125);
    let mut text_of_races = String::new();
    for number in 0..races {
        text_of_races.push_str(&format!(
            "  r{number}:\n    isolation: [{levels}]\n    \
             setup: \"CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE u (id int PRIMARY KEY, n int); \
             INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1, 1), (2, 2)\"\n    \
             teardown: [\"SELECT 't', t.* FROM t UNION ALL SELECT 'u', u.* FROM u ORDER BY 1, 2\", \"DROP TABLE t, u\"]\n    \
             sessions: {{a: {}, b: {}}}\n",
            draw.session(1),
            draw.session(2)
        ));
    }
    let scenario = format!(
        "version: 1\nname: generated\ntargets: {{db: {{database: \"{database}\"}}}}\nraces:\n{text_of_races}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "generated.yaml", &scenario);
    let reduced = driven(&["--transcript", text(&path)], 0);
    let full = driven(&["--transcript", "--no-reduction", text(&path)], 0);
    let races = |document: &Value| document["races"].as_array().expect("races").clone();
    let mut left_out = 0;
    for (reduced, full) in races(&reduced).iter().zip(&races(&full)) {
        let name = format!("{} at {}\n{scenario}", full["race"], full["isolation"]);
        assert_eq!(signatures(reduced), signatures(full), "{name}");
        assert_eq!(number(full, "left_out"), 0);
        left_out += number(reduced, "left_out");
    }
    left_out
}

#[test]
fn what_is_left_out_would_have_shown_nothing_new() {
    let left_out = left_out_on("embedded", "read_committed, repeatable_read, serializable", 14);
    assert!(left_out > 100, "the test tests something: {left_out}");
}

#[test]
fn nor_would_it_on_mysql() {
    let levels = "read_uncommitted, read_committed, repeatable_read, serializable";
    let left_out = left_out_on("embedded:mysql", levels, 6);
    assert!(left_out > 50, "the test tests something: {left_out}");
}
