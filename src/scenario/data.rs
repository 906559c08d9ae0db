//! Data files as the user wrote them. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{model::Named, spanned::Spanned};

/// Rows from a file, for fixtures and operations.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// A CSV file whose first line names the columns, or a JSON file with a list of objects that have the
    /// same keys. It lies beside the scenario file, or below it.
    #[schemars(extend("examples" = ["data/cards.csv", "data/cards.json"]))]
    pub file: Spanned<String>,
    /// Types of columns of a CSV file, by name. A column that isn't here is a number when each of its fields
    /// that isn't empty is one of at most 15 digits without leading zeros, a boolean when each is `true` or
    /// `false`, and text otherwise.
    #[serde(default)]
    #[schemars(extend("examples" = [{"number": "text", "amount": "integer"}]))]
    pub types: Named<ColumnType>,
    /// `next` gives each row once: the load has at most as many operations as there are rows.
    #[serde(default)]
    pub once: bool,
    /// `next` counts each worker's operations by themselves, so that every worker goes through all rows.
    #[serde(default)]
    pub per_worker: bool,
}

/// What the fields of a column are. An empty field is null, and in a column of text an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text as it stands, leading zeros and spaces with it.
    Text,
    /// A whole number.
    Integer,
    /// A number with or without a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl ColumnType {
    /// As the scenario writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}
