//! The same scenario in both syntaxes is the same scenario.

use std::path::Path;

use deadheat::scenario::{LoadOptions, Loaded, load_str};

const YAML: &str = r#"
version: 1
name: payments
tags: [payments, stress]
vars: {workers: 5, share: 0.5, on: no, code: 010, big: 1_000, quoted: "5", deep: {list: [1, [true, x]]}}
secrets: {webhook: "${HOOK:-whsec_test}"}
targets:
  db:
    database: ${DATABASE_URL:-embedded}
    isolation: read_committed
    lock_order: [orders, payment_trackers]
    lock_timeout: 1m30s
    settings: {deadlock_timeout: 100ms}
fixtures:
  products: {table: products, rows: 20, values: {name: "Chair {{ n }}", price: 29.99}}
  orders: {table: orders, rows: "{{ 3 * concurrency }}", per: products}
retry: {on: [deadlock, "40001"], max_retries: 3, backoff: exponential, delay: 10ms, multiplier: 2, jitter: 20%}
operations:
  zebra:
    weight: 40
    let: {order: "{{ pick(orders) }}", also: "{{ order.id }}"}
    steps:
      - transaction:
          isolation: serializable
          steps:
            - sql: |
                SELECT id
                  FROM orders
              capture: current
            - {sql: UPDATE orders SET x = 1, capture: {all_of_it: all, first: value}, assert: [a, b]}
      - {if: x > 1, then: [{sleep: 10ms}], else: [{think_time: 1s}]}
      - {repeat: {for: item, in: "{{ items }}"}, steps: [{check: item}]}
      - {repeat: 3, steps: [{rollback: true}]}
      - {barrier: {name: gate, parties: 3}}
  aardvark: {steps: [{sql: SELECT 1, assert: rows_affected == 1}]}
load: {concurrency: "{{ workers * 2 }}", duration: 30s, release: together}
invariants:
  none: {sql: SELECT 1, expect: no_rows, when: [after, "every 500ms"]}
thresholds:
  success_rate: "> 80%"
  latency: ["avg < 500ms", "p(95) < 2s"]
grades:
  success_rate:
    - {when: "> 90%", grade: good}
    - {otherwise: bad, advice: [plain, {when: "deadlocks > 0", text: order your locks}]}
"#;

const TOML: &str = r#"
version = 1
name = "payments"
tags = ["payments", "stress"]

[vars]
workers = 5
share = 0.5
on = "no"
code = "010"
big = "1_000"
quoted = "5"
deep.list = [1, [true, "x"]]

[secrets]
webhook = "${HOOK:-whsec_test}"

[targets.db]
database = "${DATABASE_URL:-embedded}"
isolation = "read_committed"
lock_order = ["orders", "payment_trackers"]
lock_timeout = "1m30s"
settings.deadlock_timeout = "100ms"

[fixtures.products]
table = "products"
rows = 20
values = {name = "Chair {{ n }}", price = 29.99}

[fixtures.orders]
table = "orders"
rows = "{{ 3 * concurrency }}"
per = "products"

[retry]
on = ["deadlock", "40001"]
max_retries = 3
backoff = "exponential"
delay = "10ms"
multiplier = 2
jitter = "20%"

[operations.zebra]
weight = 40
let = {order = "{{ pick(orders) }}", also = "{{ order.id }}"}

[[operations.zebra.steps]]
[operations.zebra.steps.transaction]
isolation = "serializable"
[[operations.zebra.steps.transaction.steps]]
sql = """
SELECT id
  FROM orders
"""
capture = "current"
[[operations.zebra.steps.transaction.steps]]
sql = 'UPDATE orders SET x = 1'
capture = {all_of_it = "all", first = "value"}
assert = ["a", "b"]

[[operations.zebra.steps]]
if = "x > 1"
then = [{sleep = "10ms"}]
else = [{think_time = "1s"}]

[[operations.zebra.steps]]
repeat = {for = "item", in = "{{ items }}"}
steps = [{check = "item"}]

[[operations.zebra.steps]]
repeat = 3
steps = [{rollback = true}]

[[operations.zebra.steps]]
barrier = {name = "gate", parties = 3}

[operations.aardvark]
steps = [{sql = "SELECT 1", assert = "rows_affected == 1"}]

[load]
concurrency = "{{ workers * 2 }}"
duration = "30s"
release = "together"

[invariants.none]
sql = "SELECT 1"
expect = "no_rows"
when = ["after", "every 500ms"]

[thresholds]
success_rate = "> 80%"
latency = ["avg < 500ms", "p(95) < 2s"]

[[grades.success_rate]]
when = "> 90%"
grade = "good"
[[grades.success_rate]]
otherwise = "bad"
advice = ["plain", {when = "deadlocks > 0", text = "order your locks"}]
"#;

fn options() -> LoadOptions<'static> {
    LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None }
}

fn loaded(path: &str, text: &str, options: &LoadOptions<'_>) -> Loaded {
    let loaded =
        load_str(Path::new(path), text, options).unwrap_or_else(|p| panic!("{}", p.render_own(false)));
    assert!(loaded.problems.is_empty(), "{}", loaded.problems.render(&loaded.source, false));
    loaded
}

#[test]
fn yaml_and_toml_give_the_same_model() {
    let yaml = loaded("a.yaml", YAML, &options()).file;
    let toml = loaded("a.toml", TOML, &options()).file;
    assert_eq!(yaml, toml);
    // Equality of maps ignores order, which means something in a scenario; this doesn't.
    assert_eq!(format!("{yaml:#?}"), format!("{toml:#?}"));
    assert_eq!(yaml.operations.keys().map(|key| key.as_str()).collect::<Vec<_>>(), ["zebra", "aardvark"]);
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    let file = loaded("a.yaml", YAML, &options()).file;
    let vars = format!("{:?}", file.vars);
    assert_eq!(
        vars,
        r#"{"workers": 5, "share": 0.5, "on": "no", "code": "010", "big": "1_000", "quoted": "5", "deep": {"list": [1, [true, "x"]]}}"#
    );
}

#[test]
fn names_are_looked_up_by_text_and_know_their_place() {
    for (path, text) in [("a.yaml", YAML), ("a.toml", TOML)] {
        let Loaded { source, file, .. } = loaded(path, text, &options());
        let operation = file.operations.get("aardvark").expect("it is there");
        let sql = operation.steps[0].sql.as_ref().expect("it is there");
        assert!(source.text[sql.span()].contains("SELECT 1"), "{path}");
        let (key, _) = file.thresholds.get_key_value("latency").expect("it is there");
        assert_eq!(&source.text[key.span.clone()], "latency");
    }
}

#[test]
fn overrides_and_the_environment_reach_both() {
    let set = |name: &str| (name == "HOOK").then(|| "a: {b: ${DATABASE_URL}}".to_owned());
    let vars = [("workers".to_owned(), "50".to_owned()), ("code".to_owned(), "${HOME} x".to_owned())];
    let targets = [("db".to_owned(), "postgres://h/db".to_owned())];
    let options = LoadOptions { environment: &set, vars: &vars, targets: &targets, profile: None };
    for (path, text) in [("a.yaml", YAML), ("a.toml", TOML)] {
        // The target is replaced, so its variable needn't be set any more.
        let text = text.replace("${DATABASE_URL:-embedded}", "${DATABASE_URL}");
        let file = loaded(path, &text, &options).file;
        assert_eq!(format!("{:?} {:?}", file.vars["workers"], file.vars["code"]), "50 \"${HOME} x\"");
        assert_eq!(file.secrets["webhook"].as_str(), "a: {b: ${DATABASE_URL}}");
        assert_eq!(
            file.targets["db"].database.as_ref().map(|url| url.value.as_str()),
            Some("postgres://h/db")
        );
    }
}

#[test]
fn overrides_of_what_is_not_there_are_problems() {
    let vars = [("wokers".to_owned(), "50".to_owned())];
    let targets = [("dbx".to_owned(), "postgres://h/db".to_owned())];
    let options = LoadOptions { environment: &|_| None, vars: &vars, targets: &targets, profile: None };
    let loaded = load_str(Path::new("a.yaml"), YAML, &options).expect("there is a model");
    insta::assert_snapshot!(loaded.problems.render(&loaded.source, false));
}

#[test]
fn merge_keys_and_aliases_are_expanded() {
    let text = YAML.replace(
        "  aardvark: {steps:",
        "  base: &base {weight: 3, description: x, steps: [{sql: SELECT 2}]}\n  \
           merged: {<<: *base, weight: 4}\n  aliased: *base\n  aardvark: {steps:",
    );
    let file = loaded("a.yaml", &text, &options()).file;
    assert_eq!(file.operations["base"], file.operations["aliased"]);
    let merged = &file.operations["merged"];
    assert_eq!((merged.weight.as_ref().map(|w| w.value), merged.steps.len()), (Some(4.0), 1));
}
