//! `docs/reference.md` is made of the JSON Schema, which is made of the model's doc comments.

use std::{env, fmt::Write as _, fs};

use deadheat::scenario::{json_schema, threshold::Metric};
use serde_json::Value;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
const HEAD: &str = "# The scenario language, key by key

<!-- Made by `UPDATE_REFERENCE=1 cargo test --test reference`; changes belong into the model's doc comments. -->

What the keys are for, and how they play together, is told in
[The scenario language](language.md). Keys in **bold** are
needed. An editor shows the same through the [JSON Schema](../schema/deadheat.schema.json).

";

/// The name at the end of `#/$defs/Name`.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// What a key holds, in a few words.
fn holds(schema: &Value, schemas: &Value) -> String {
    if let Some(name) = referred(schema) {
        let changed = name.strip_prefix("Changed");
        let shown = changed.unwrap_or(name);
        let link = format!("[{shown}](#{})", shown.to_lowercase());
        let has_section = |name: &str| section(name, &schemas[name]).is_some();
        return match (changed, has_section(shown)) {
            (Some(_), true) => format!("a part of {link}"),
            (None, true) => link,
            (_, false) => holds(&schemas[name], schemas),
        };
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array() {
            let mut words: Vec<String> = Vec::new();
            for choice in choices {
                let word = holds(choice, schemas);
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            return words.join(" or ");
        }
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> =
            values.iter().filter_map(Value::as_str).map(|v| format!("`{v}`")).collect();
        return values.join(", ");
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind {
        Some("array") => format!("list of {}", holds(&schema["items"], schemas)),
        Some("object") => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("by name: {}", holds(values, schemas)),
            Some(Value::Bool(true)) => "by name: anything".to_owned(),
            _ => "map".to_owned(),
        },
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ => "anything".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn examples(schema: &Value) -> String {
    let shown = |example: &Value| match example {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    match schema["examples"].as_array() {
        Some(examples) => {
            format!(" *Like {}.*", examples.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        None => String::new(),
    }
}

fn keys(schema: &Value, schemas: &Value) -> Option<String> {
    let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty())?;
    let needed = |key: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|needed| needed.iter().any(|one| one.as_str() == Some(key)))
    };
    let mut text = "| key | holds | |\n|---|---|---|\n".to_owned();
    for (key, property) in properties {
        let shown = if needed(key) { format!("**`{key}`**") } else { format!("`{key}`") };
        let said = property["description"].as_str().unwrap_or_default();
        let said = format!("{said}{}", examples(property));
        writeln!(text, "| {shown} | {} | {} |", cell(&holds(property, schemas)), cell(&said))
            .expect("text");
    }
    Some(text)
}

/// Keys of a map, or the values of an enumeration whose values are told apart.
fn section(name: &str, schema: &Value) -> Option<String> {
    if name.starts_with("Changed") {
        return None;
    }
    if schema["properties"].is_object() {
        return keys(schema, &Value::Null).map(|_| String::new());
    }
    let values = schema["oneOf"].as_array()?;
    let mut text = "| value | |\n|---|---|\n".to_owned();
    for value in values {
        let name = value["const"].as_str()?;
        let said = value["description"].as_str().unwrap_or_default();
        writeln!(text, "| `{name}` | {} |", cell(said)).expect("text");
    }
    Some(text)
}

fn reference() -> String {
    let schema = json_schema();
    let schemas = &schema["$defs"];
    let mut text = HEAD.to_owned();
    let mut add = |title: &str, schema: &Value| {
        let body = match section(title, schema) {
            Some(body) if body.is_empty() => keys(schema, schemas),
            body => body,
        };
        if let Some(body) = body {
            let said = schema["description"].as_str().unwrap_or_default();
            write!(text, "## {title}\n\n{said}\n\n{body}\n").expect("text");
        }
    };
    add("Scenario", &schema);
    for (name, schema) in schemas.as_object().expect("definitions") {
        add(name, schema);
    }
    text.push_str(
        "## Metrics\n\nFor `thresholds`, `require` and `grades`.\n\n| metric | measures |\n|---|---|\n",
    );
    for metric in Metric::ALL {
        let trend = if metric.is_trend() { ", with `avg`, `min`, `med`, `max`, `p(95)`" } else { "" };
        writeln!(text, "| `{}`{trend} | {} |", metric.name(), cell(metric.describe())).expect("text");
    }
    text
}

#[test]
fn the_reference_is_current() {
    let reference = reference();
    if env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(PATH, &reference).expect("the reference can be written");
    }
    let committed = fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        reference == committed,
        "the language changed: run this test with UPDATE_REFERENCE=1 and commit {PATH}"
    );
}

#[test]
fn every_key_is_told_and_every_link_leads_somewhere() {
    let reference = reference();
    let schema = json_schema();
    for definition in schema["$defs"].as_object().expect("definitions").values().chain([&schema]) {
        for key in definition["properties"].as_object().into_iter().flat_map(|keys| keys.keys()) {
            assert!(reference.contains(&format!("`{key}`")), "{key}");
        }
    }
    let mut links = 0;
    for part in reference.split("](#").skip(1) {
        let anchor = part.split(')').next().expect("an end");
        let title = reference
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .any(|title| title.to_lowercase() == anchor);
        assert!(title, "no section for #{anchor}");
        links += 1;
    }
    assert!(links > 30, "{links}");
}
