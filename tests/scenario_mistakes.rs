//! A file full of mistakes gives all of them at once, each with its place and what to write.

use std::path::Path;

use deadheat::scenario::{LoadOptions, load_str};

const YAML: &str = r#"version: 1
name: 2024
tags: payments
descripton: a typo
vars:
  limit: 99999999999999999999
  limit: 3
secrets:
  webhook: whsec_literal
  pin: 4711
targets:
  db:
    database: postgres://me:hunter2@${DB_HOST}/x
    isolation: read_commited
    statement_timeout: 10
    lock_timeout: 10 fortnights
    lock_order: {orders: 1}
  other:
    migrations: x
fixtures:
  orders: {table: orders, rows: {{ n }}}
  lines:
    tabel: lines
retry: {max_retries: -1, backoff: quadratic, multiplier: two, on: deadlock}
operations:
  pay:
    weight: high
    steps:
      - sql: [SELECT 1]
        capture: {row: every}
      - sleep: 10
        asert: x
      - transaction: {isolation: serializable}
      - repeat: {for: item}
        steps: []
      - repeat: 1.5
      - barrier: {parties: 3}
      - rollback: maybe
      - "just text"
  refund:
load:
  duration: 30s
  release: jointly
invariants: [x]
thresholds:
  success_rate: 80
  latency: [avg < 1s, 5]
grades:
  success_rate:
    - {when: "> 90%", grade: good, advise: x}
    - {otherwise: bad, advice: {when: x}}
1: one
"#;

const TOML: &str = r#"version = 2
name = 2024
tags = "payments"
descripton = "a typo"

[vars]
limit = 99999999999999999999
infinite = inf

[secrets]
webhook = "whsec_literal"
pin = 4711

[targets.db]
database = "postgres://me:hunter2@${DB_HOST}/x"
isolation = "read_commited"
statement_timeout = 10
lock_timeout = "10 fortnights"

[targets.other]
migrations = "x"

[retry]
max_retries = -1
backoff = "quadratic"
multiplier = "two"

[operations.pay]
weight = "high"

[[operations.pay.steps]]
sql = ["SELECT 1"]
capture = {row = "every"}

[[operations.pay.steps]]
sleep = 10
asert = "x"

[[operations.pay.steps]]
transaction = {isolation = "serializable"}

[load]
duration = "30s"

[[grades.success_rate]]
when = "> 90%"
advise = "x"
"#;

fn rendered(path: &str, text: &str) -> String {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    let rendered = match load_str(Path::new(path), text, &options) {
        Ok(loaded) => {
            format!("{}left out: {:?}", loaded.problems.render(&loaded.source, false), loaded.broken)
        }
        Err(problems) => problems.render_own(false),
    };
    for secret in ["hunter2", "whsec_literal", "4711"] {
        assert!(!rendered.contains(secret), "{secret} is shown:\n{rendered}");
    }
    rendered
}

#[test]
fn all_mistakes_of_a_yaml_file() {
    insta::assert_snapshot!(rendered("pay.yaml", YAML));
}

#[test]
fn all_mistakes_of_a_toml_file() {
    insta::assert_snapshot!(rendered("pay.toml", TOML));
}

#[test]
fn mistakes_of_syntax() {
    let texts = [
        ("a.yaml", "name: x\n---\nname: y\n"),
        ("a.yaml", "name: !foo x\n"),
        ("a.yaml", "name:\n\tx: 1\n"),
        ("a.yaml", "steps:\n  - sql: SELECT 1 WHERE a = {{ x }}: y\n"),
        ("a.yaml", "a: [1, 2\n"),
        ("a.yaml", "a: *missing\n"),
        ("a.yaml", "a: .inf\n"),
        ("a.yaml", "secrets: {a: hunter2\n"),
        ("a.yaml", "- a\n- b\n"),
        ("a.yaml", "# nothing\n"),
        ("a.toml", "a = 1\na = 2\nb = 'x\nsecrets.c = 'hunter2\n"),
        ("a.json", "{}"),
    ];
    let all: Vec<String> =
        texts.iter().map(|(path, text)| format!("{text:?}\n{}", rendered(path, text))).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn lines_are_shown_harmless_and_cut() {
    let long = format!("version: 1\nnmae: {} tail\n", "x".repeat(5000));
    let far =
        format!("version: 1\ntags: [{}{{a: \u{1b}[31mred}}, {}]\n", "a, ".repeat(2000), "b, ".repeat(2000));
    let escape = "version: 1\n\"na\\x1B[2Jme\\u202E\": \u{202e}x\n";
    let all = [long.as_str(), far.as_str(), escape].map(|text| rendered("a.yaml", text));
    assert!(all.iter().all(|text| !text.contains(['\u{1b}', '\u{202e}'])), "{all:?}");
    assert!(all.iter().flat_map(|text| text.lines()).all(|line| line.chars().count() < 250));
    insta::assert_snapshot!(all.join("\n"));
}
