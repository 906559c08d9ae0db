//! Data files: CSV and JSON as fixtures and as what operations draw from, on SQLite and on PostgreSQL.

mod support;

use std::{fs, os::unix::fs::symlink, path::Path, time::Instant};

use support::{Program, file, json, text};

/// Ten cards; numbers with leading zeros, which stay text.
fn cards() -> String {
    let mut csv = "number,position,holder,limit\n".to_owned();
    for n in 0..10 {
        csv += &format!("00{n}7,{n},\"Ng, {n}\",{n}.50\n");
    }
    csv
}

const SHOPS: &str = r#"[{"name": "Süd", "opens": 9}, {"opens": 10, "name": "O'Hara"}]"#;

/// Every card is used by the operation whose turn it is; what a broken rule would leave behind is looked for.
fn scenario(database: &str) -> String {
    format!(
        r#"version: 1
name: cards
targets: {{db: {{database: "{database}", migrations: migrations, lock_timeout: 20s, begin: immediate}}}}
data:
  people: {{file: data/cards.csv, once: true}}
  places: {{file: data/shops.json}}
fixtures:
  till: {{table: tills, values: {{n: 0}}}}
  shops: {{table: shops, data: places}}
  cards: {{table: cards, data: people, rows: 8, values: {{number: "{{{{ row.number }}}}", most: "{{{{ row.limit * 2 }}}}", place: "{{{{ next(places).name }}}}", n: "{{{{ n }}}}"}}}}
operations:
  pay:
    let: {{card: "{{{{ next(people) }}}}", shop: "{{{{ pick(places) }}}}", three: "{{{{ pick(people, 3) }}}}"}}
    steps:
      - check: next(people).number == card.number and three | length == 3
      - sql: UPDATE tills SET n = n + 1 WHERE id = {{{{ till.id }}}}
      - sleep: 30ms
      - sql: INSERT INTO uses (number, position, worker, iteration, shop, holder) VALUES ({{{{ card.number }}}}, {{{{ card.position }}}}, {{{{ worker }}}}, {{{{ iteration }}}}, {{{{ shop.name }}}}, {{{{ card.holder }}}})
load: {{concurrency: 3, iterations: 10, release: together}}
invariants:
  each_card_was_used_once: {{sql: SELECT number FROM uses GROUP BY number HAVING count(*) <> 1}}
  all_were_used: {{sql: SELECT count(*) AS n FROM uses, expect: n == 10}}
  whose_turn_it_was: {{sql: SELECT number FROM uses WHERE position <> worker + 3 * iteration}}
  numbers_are_text: {{sql: "SELECT number FROM uses WHERE number <> '00' || position || '7' OR holder <> 'Ng, ' || position"}}
  shops_are_those_of_the_file: {{sql: "SELECT count(*) AS n, min(opens) AS first, max(name) AS name FROM shops", expect: n == 2 and first == 9 and name == 'Süd'}}
  shops_were_drawn: {{sql: SELECT shop FROM uses WHERE shop NOT IN (SELECT name FROM shops)}}
  cards_are_the_first_eight: {{sql: "SELECT number FROM cards WHERE number <> '00' || (n - 1) || '7' OR most <> 2 * (n - 1) + 1"}}
  rows_start_over: {{sql: "SELECT number FROM cards WHERE place <> CASE n % 2 WHEN 1 THEN 'Süd' ELSE 'O''Hara' END"}}
  eight_of_them: {{sql: SELECT count(*) AS n FROM cards, expect: n == 8}}
thresholds: {{success_rate: "== 100%"}}
"#
    )
}

const TABLES: &str = "CREATE TABLE shops (name varchar(40) PRIMARY KEY, opens integer NOT NULL);
CREATE TABLE cards (number varchar(40) PRIMARY KEY, most integer NOT NULL, place varchar(40) NOT NULL, n integer NOT NULL);
CREATE TABLE uses (number varchar(40) NOT NULL, position integer NOT NULL, worker integer NOT NULL,
    iteration integer NOT NULL, shop varchar(40) NOT NULL, holder varchar(40) NOT NULL);
";

fn folder(scenario: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "scenario.yaml", scenario);
    file(folder.path(), "data/cards.csv", &cards());
    file(folder.path(), "data/shops.json", SHOPS);
    for (kind, key) in [("sqlite", "integer"), ("postgres", "serial")] {
        let tables = format!("{TABLES}CREATE TABLE tills (id {key} PRIMARY KEY, n integer NOT NULL);");
        file(folder.path(), &format!("migrations/{kind}/1.sql"), &tables);
    }
    folder
}

#[test]
fn fixtures_and_operations_have_their_rows_on_both_databases() {
    for database in ["sqlite:", "embedded"] {
        let folder = folder(&scenario(database));
        let path = folder.path().join("scenario.yaml");
        let program = Program::new();
        program.run(&["run", text(&path), "--quiet"]).expect_status(0);
        // What was looked for can be found: with another rule a card isn't the worker's.
        let other = scenario(database).replace("worker + 3 * iteration", "worker + 4 * iteration");
        file(folder.path(), "scenario.yaml", &other);
        let ended = program.run(&["run", text(&path), "--quiet"]).expect_status(1);
        assert!(ended.stdout.contains("whose_turn_it_was"), "{}", ended.stdout);
    }
}

#[test]
fn data_that_is_used_once_ends_the_load() {
    let written = scenario("sqlite:").replace("iterations: 10", "duration: 5m");
    let folder = folder(&written);
    let path = folder.path().join("scenario.yaml");
    let result = folder.path().join("result.json");
    let begun = Instant::now();
    let ended = Program::new().run(&["run", text(&path), "--json", text(&result)]).expect_status(0);
    assert!(begun.elapsed().as_secs() < 120, "it doesn't wait for the duration");
    assert_eq!(json(&result)["totals"]["started"], 10);
    ended.expect_stderr("after 10 operations data that is used once is used up, and the load ends");

    let each = written.replace("once: true", "once: true, per_worker: true");
    file(folder.path(), "scenario.yaml", &each);
    Program::new().run(&["run", text(&path), "--quiet", "--json", text(&result)]);
    assert_eq!(json(&result)["totals"]["started"], 30);
}

#[test]
fn an_open_load_counts_by_arrival() {
    let open = scenario("sqlite:")
        .replace("iterations: 10", "rate: 50/s, duration: 200ms")
        .replace("position <> worker + 3 * iteration", "position <> iteration");
    let folder = folder(&open);
    let path = folder.path().join("scenario.yaml");
    let result = folder.path().join("result.json");
    Program::new().run(&["run", text(&path), "--quiet", "--json", text(&result)]);
    let document = json(&result);
    let broken =
        document["invariants"].as_array().expect("a list").iter().filter(|one| one["violated"] != 0);
    let broken: Vec<&str> = broken.map(|one| one["name"].as_str().expect("a name")).collect();
    // A machine that is late may have dropped arrivals, which leaves cards that weren't used.
    assert!(broken.iter().all(|name| *name == "all_were_used"), "{broken:?}");
    assert!(document["totals"]["started"].as_u64().is_some_and(|started| started > 0));
}

/// What `check` says, the folder left out.
fn said(folder: &Path) -> String {
    let path = folder.join("scenario.yaml");
    let ended = Program::new().run(&["check", text(&path)]).expect_status(2);
    ended.stderr.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn mistakes_are_told_at_their_places() {
    let folder = folder(
        r#"version: 1
name: mistakes
targets: {db: {database: "sqlite:"}}
data:
  ragged: {file: data/ragged.csv}
  twice: {file: data/twice.csv}
  empty: {file: data/empty.csv}
  typed: {file: data/cards.csv, types: {holder: integer}}
  column: {file: data/cards.csv, types: {holdr: text}}
  broken: {file: data/broken.json}
  other: {file: data/other.json}
  json: {file: data/shops.json, types: {name: text}}
  kind: {file: data/cards.txt}
  missing: {file: data/none.csv}
  latin: {file: data/latin.csv}
  up: {file: ../cards.csv}
  absolute: {file: /etc/cards.csv}
  link: {file: data/link.csv}
  folder: {file: data/folder.csv}
  pick: {file: data/cards.csv}
  cards: {file: data/cards.csv, once: true}
  own: {file: data/cards.csv, once: true, per_worker: true}
  option: {file: data/cards.csv, uniqe: true}
fixtures:
  one: {table: one, data: card}
  two: {table: two, data: cards, rows: 11}
  three: {table: three, data: cards, values: {n: "{{ row.numbr }}"}}
  four: {table: four, data: cards, per: two}
  five: {table: five, data: ragged}
operations:
  pay:
    let: {card: "{{ next(cards) }}", drawn: "{{ pick(own) }}"}
    steps:
      - sql: UPDATE two SET n = {{ card.limits }} WHERE id = {{ drawn.number }}
      - sql: UPDATE two SET n = {{ drawn.nothing + 1 }}
      - sql: UPDATE two SET n = {{ next(cards).limits }}, m = {{ pick(own).numbr ~ "next(cards).limits" }}
load: {concurrency: 2, iterations: 21}
"#,
    );
    let data = folder.path().join("data");
    for (name, text) in [
        ("ragged.csv", "a,b\n1,2\n3\n"),
        ("twice.csv", "a,b,a\n1,2,3\n"),
        ("empty.csv", ""),
        ("broken.json", "[{\"a\": 1},\n{\"a\": }]"),
        ("other.json", "[{\"a\": 1},\n{\"b\": 1}]"),
        ("cards.txt", "a\n1\n"),
    ] {
        file(&data, name, text);
    }
    fs::write(data.join("latin.csv"), b"a\nb\n\xfc\n").expect("written");
    fs::create_dir(data.join("folder.csv")).expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    let elsewhere = file(outside.path(), "cards.csv", "a\n1\n");
    symlink(elsewhere, data.join("link.csv")).expect("a link");
    insta::assert_snapshot!(said(folder.path()));
}

#[test]
fn a_file_is_bounded() {
    let folder = folder(&scenario("sqlite:"));
    let path = folder.path().join("data/cards.csv");
    let sparse = fs::File::create(&path).expect("a file");
    sparse.set_len((32 << 20) + 1).expect("a size");
    assert!(said(folder.path()).contains("it is larger than 33554432 bytes"));
    let rows = "1\n".repeat(1_000_001);
    fs::write(&path, format!("a\n{rows}")).expect("written");
    assert!(said(folder.path()).contains("line 1000002: a data file has at most 1000000 rows"));
}

#[test]
fn the_example_of_the_documentation_runs() {
    let page = fs::read_to_string("docs/language.md").expect("the page");
    let section = page.split("\n## Data files\n").nth(1).expect("a section");
    let block =
        section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let head = "version: 1\nname: readme\ntargets: {db: {database: \"sqlite:\", migrations: migrations, begin: immediate}}\n";
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(
        folder.path(),
        "scenario.yaml",
        &format!(
            "{head}load: {{concurrency: 1, iterations: 2}}\n{block}invariants: {{paid: {{sql: SELECT card FROM payments, expect: card == '0042'}}}}\n"
        ),
    );
    file(folder.path(), "data/cards.csv", "number,pin\n0042,1234\n0043,0815\n");
    file(folder.path(), "data/places.json", r#"[{"name": "Corner"}]"#);
    let tables = "CREATE TABLE shops (name text PRIMARY KEY);
CREATE TABLE accounts (n integer PRIMARY KEY, card text, shop text);
CREATE TABLE payments (card text PRIMARY KEY, shop text);";
    file(folder.path(), "migrations/sqlite/1.sql", tables);
    let result = folder.path().join("result.json");
    // What one worker does proves nothing: it is inconclusive.
    Program::new().run(&["run", text(&path), "--quiet", "--json", text(&result)]).expect_status(4);
    let document = json(&result);
    assert_eq!((&document["totals"]["ok"], &document["invariants"][0]["violated"]), (&2.into(), &0.into()));
}

#[test]
fn the_plan_names_data_files() {
    let folder = folder(&scenario("sqlite:"));
    let path = folder.path().join("scenario.yaml");
    let plan = Program::new().run(&["explain", text(&path)]).expect_status(0).stdout;
    for line in [
        "  people: 10 rows of data/cards.csv with number, position, holder, limit; each is used once\n",
        "  places: 2 rows of data/shops.json with name, opens\n",
        "  shops: 2 rows in shops from places (name, opens)\n",
    ] {
        assert!(plan.contains(line), "{line}:\n{plan}");
    }
}
