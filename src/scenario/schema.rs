//! The JSON Schema of the language, from the model's types and their doc comments.
//!
//! It has no `$id`, so that it can be copied anywhere and pointed at by path.

use schemars::generate::SchemaSettings;

use super::model::ScenarioFile;

/// The schema (draft 2020-12) that editors complete scenario files from.
pub fn json_schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<ScenarioFile>();
    schema.insert("title".to_owned(), "deadheat scenario".into());
    schema.to_value()
}
