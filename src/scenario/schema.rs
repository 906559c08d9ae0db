//! The JSON Schema of the language, from the model's types and their doc comments.
//!
//! It has no `$id`, so that it can be copied anywhere and pointed at by path.

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value, json};

use super::{metric::Metric, metric::Unit, model::ScenarioFile};

/// Marks a schema that takes nothing as a value, on its way through [`tidy`].
pub(super) const MAY_BE_EMPTY: &str = "x-may-be-empty";

/// The schema (draft 2020-12) that editors complete scenario files from.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(tidy);
    let mut schema = settings.into_generator().into_root_schema_for::<ScenarioFile>();
    schema.insert("title".to_owned(), "deadheat scenario".into());
    let mut schema = schema.to_value();
    // An included file may bring the targets; the model asks for them when all is read.
    if let Value::Array(required) = &mut schema["required"] {
        required.retain(|key| key != "targets");
    }
    offer_metrics(&mut schema["properties"]);
    offer_metrics(&mut schema["$defs"]["Profile"]["properties"]);
    schema
}

/// What an editor shows shouldn't break lines where the source code does, nor offer `null`.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let joined = text.replace('\n', " ");
        schema.insert("description".to_owned(), joined.into());
    }
    if schema.remove(MAY_BE_EMPTY).is_none() {
        without_null(schema);
    }
    transform_subschemas(&mut tidy, schema);
}

/// A key that may be left out isn't one that may be empty.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else { return };
    let before = choices.len();
    choices.retain(|choice| *choice != json!({"type": "null"}));
    // What is said of the key comes before what is said of its type.
    if let ([Value::Object(only)], true) = (choices.as_slice(), before > 1) {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}

/// Metrics are keys that an editor can offer, though others are possible: `latency{operation:pay}`.
fn offer_metrics(properties: &mut Value) {
    for (section, is_graded) in [("thresholds", false), ("require", false), ("grades", true)] {
        let section = &mut properties[section];
        let value = section["additionalProperties"].clone();
        let metrics = Metric::ALL.iter().map(|metric| {
            let mut schema = value.as_object().cloned().unwrap_or_default();
            schema.insert("description".to_owned(), metric.describe().into());
            if !is_graded {
                schema.insert("examples".to_owned(), json!([example(*metric)]));
            }
            let name = match is_graded && metric.is_trend() {
                true => format!("{}.avg", metric.name()),
                false => metric.name().to_owned(),
            };
            (name, Value::Object(schema))
        });
        section["properties"] = Value::Object(metrics.collect::<Map<_, _>>());
    }
}

fn example(metric: Metric) -> &'static str {
    match metric.unit() {
        _ if metric.is_trend() => "p(95) < 2s",
        Unit::Share => "> 80%",
        Unit::PerSecond => "> 100/s",
        Unit::Milliseconds => "< 2s",
        Unit::Count => "== 0",
    }
}
