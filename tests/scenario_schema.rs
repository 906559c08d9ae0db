//! The committed JSON Schema is the one that the model gives.

use std::{env, fs};

use serde_json::Value;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/deadheat.schema.json");

#[test]
fn the_committed_schema_is_current() {
    let schema =
        serde_json::to_string_pretty(&deadheat::scenario::json_schema()).expect("it is JSON") + "\n";
    if env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(PATH, &schema).expect("the schema can be written");
    }
    let committed = fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        schema == committed,
        "the schema changed: run this test with UPDATE_SCHEMA=1 and commit {PATH}"
    );
}

#[test]
fn every_map_with_known_keys_is_closed_and_described() {
    let schema = deadheat::scenario::json_schema();
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    let definitions = schema["$defs"].as_object().expect("there are definitions");
    for (name, definition) in definitions {
        let Some(properties) = definition["properties"].as_object() else { continue };
        assert_eq!(definition["additionalProperties"], Value::Bool(false), "{name}");
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{name}.{key} has no description");
        }
    }
}
