//! What an editor with the YAML language server makes of scenarios: keys and values are offered and
//! explained, mistakes are marked, and no shipped file has one. The schema is found by the first line.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use support::language_server::LanguageServer;

const SCENARIO: &str = "# yaml-language-server: $schema=SCHEMA
version: 1
name: shop
targets:
  db: {database: embedded, isolation: |, }
retry:
  on: [deadlock]
  |
operations:
  sell:
    steps:
      - transaction:
          isolation: |
          steps:
            - sql: SELECT 1
              |
load:
  concurrency: 2
  |
thresholds:
  |
profiles:
  ci:
    load:
      |
";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schema_line(text: &str) -> String {
    text.replace("SCHEMA", &folder().join("schema/deadheat.schema.json").display().to_string())
}

/// The text with its n-th mark left in the place of the cursor, and all others taken out.
fn with_cursor(text: &str, number: usize) -> (String, Value) {
    let parts: Vec<&str> = text.split('|').collect();
    let before = parts[..=number].concat();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, str::len);
    (parts.concat(), json!({"line": line, "character": column}))
}

fn place_of(text: &str, word: &str) -> Value {
    let before = &text[..text.find(word).expect("the word is there")];
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    json!({"line": before.matches('\n').count(), "character": column})
}

#[test]
fn keys_and_values_are_offered() {
    let mut server = LanguageServer::start();
    let text = schema_line(SCENARIO);
    let wanted: [&[&str]; 7] = [
        &["read_committed", "repeatable_read", "serializable"],
        &["backoff", "delay", "jitter", "max_delay", "max_retries", "multiplier"],
        &["read_committed", "repeatable_read", "serializable"],
        &["assert", "capture", "name"],
        &["duration", "iterations", "rate", "stages", "warmup"],
        &["success_rate", "latency", "deadlock_rate", "throughput"],
        &["concurrency", "duration", "iterations"],
    ];
    assert_eq!(text.matches('|').count(), wanted.len());
    for (number, wanted) in wanted.iter().enumerate() {
        let path = PathBuf::from(format!("/editor/cursor-{number}.yaml"));
        let (text, cursor) = with_cursor(&text, number);
        server.open(&path, &text);
        let offered = server.completions(&path, cursor);
        for word in *wanted {
            assert!(offered.iter().any(|label| label == word), "{number}: no {word} in {offered:?}");
        }
    }
}

#[test]
fn every_key_of_the_payments_scenario_is_explained() {
    let mut server = LanguageServer::start();
    let path = folder().join("scenarios/payments.yaml");
    let text = fs::read_to_string(&path).expect("the scenario");
    server.open(&path, &text);
    let mut said = String::new();
    for word in
        ["name:", "targets:", "isolation:", "lock_order:", "fixtures:", "rows:", "backoff:", "max_retries:"]
            .into_iter()
            .chain(["operations:", "weight:", "let:", "transaction:", "capture:", "assert:"])
            .chain(["load:", "concurrency:", "iterations:", "invariants:", "expect:", "when:", "grades:"])
    {
        let hover = server.hover(&path, place_of(&text, word));
        assert!(!hover.is_empty(), "{word} isn't explained");
        said.push_str(&format!("{word} {hover}\n\n"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn mistakes_are_marked() {
    let mut server = LanguageServer::start();
    let text = schema_line(
        "# yaml-language-server: $schema=SCHEMA\nversion: 2\nname: shop\ntargets:\n  db: {databse: embedded, isolation: \
         read_comitted}\noperations:\n  sell: {weight: often}\nload: {concurrency: 2, iteration: 5}\n",
    );
    let mut said = server.open(Path::new("/editor/mistakes.yaml"), &text);
    said.sort();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn no_shipped_scenario_has_a_mistake() {
    let mut server = LanguageServer::start();
    let mut checked = 0;
    for below in ["scenarios", "scenarios/races", "scenarios/shop"] {
        for entry in fs::read_dir(folder().join(below)).expect("a folder").flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a scenario");
            let line = text.lines().next().expect("a line");
            let schema =
                line.strip_prefix("# yaml-language-server: $schema=").expect("it names the schema");
            let schema = path.parent().expect("a folder").join(schema);
            assert!(schema.exists(), "{} names no schema: {}", path.display(), schema.display());
            assert_eq!(server.open(&path, &text), Vec::<String>::new(), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
    // The same text without its schema's demands would pass too; with a wrong key it must not.
    let path = folder().join("scenarios/payments.yaml");
    let text = fs::read_to_string(&path).expect("a scenario").replace("\nload:", "\nlaod:");
    assert_eq!(server.open(&path.with_file_name("other.yaml"), &text).len(), 1);
}
