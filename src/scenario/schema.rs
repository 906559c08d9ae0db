//! The JSON Schema of the language, from the model's types and their doc comments.
//!
//! It has no `$id`, so that it can be copied anywhere and pointed at by path.

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};

use super::model::ScenarioFile;

/// The schema (draft 2020-12) that editors complete scenario files from.
pub fn json_schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().with_transform(tidy);
    let mut schema = settings.into_generator().into_root_schema_for::<ScenarioFile>();
    schema.insert("title".to_owned(), "deadheat scenario".into());
    schema.to_value()
}

/// What an editor shows shouldn't break lines where the source code does, nor offer `null`.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(serde_json::Value::is_null) {
        schema.remove("default");
    }
    if let Some(text) = schema.get("description").and_then(serde_json::Value::as_str) {
        let joined = text.replace('\n', " ");
        schema.insert("description".to_owned(), joined.into());
    }
    transform_subschemas(&mut tidy, schema);
}
