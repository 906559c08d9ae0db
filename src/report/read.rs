//! Reads result documents: JSON that `--json` wrote, one document or a list of them.

use serde::Deserialize;

use super::document::{Document, VERSION};

/// Why a text isn't a result document. Lines and columns count from 1.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("it is not JSON: {0}")]
    Json(serde_json::Error),
    #[error("it is JSON, but no result document of deadheat: {0}")]
    Foreign(&'static str),
    #[error("its version is {0}, and this deadheat reads version {VERSION}")]
    Version(String),
    #[error("a field is wrong: {0}")]
    Field(serde_json::Error),
}

impl ReadError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Foreign(_) => "`deadheat run FILE --json PATH` writes one",
            Self::Version(_) => "make the report with the deadheat that made the run, or a later one",
            Self::Field(_) => "it was edited, or written by another version",
        }
    }
}

/// What is looked at before the rest.
#[derive(Deserialize)]
struct Head {
    version: Option<serde_json::Value>,
}

/// Reads a document or a list of documents.
///
/// # Errors
/// When it is no JSON, or no document of a version that is known.
pub fn read(text: &str) -> Result<Vec<Document>, ReadError> {
    let text = text.trim_start_matches('\u{feff}');
    let value: serde_json::Value = serde_json::from_str(text).map_err(ReadError::Json)?;
    match value {
        serde_json::Value::Array(items) if items.is_empty() => {
            Err(ReadError::Foreign("it is an empty list"))
        }
        serde_json::Value::Array(items) => {
            items.into_iter().try_for_each(check_version)?;
            serde_json::from_str(text).map_err(ReadError::Field)
        }
        one => {
            check_version(one)?;
            serde_json::from_str(text).map(|document| vec![document]).map_err(ReadError::Field)
        }
    }
}

fn check_version(value: serde_json::Value) -> Result<(), ReadError> {
    if !value.is_object() {
        return Err(ReadError::Foreign("it is not an object"));
    }
    let head: Head = serde_json::from_value(value).map_err(ReadError::Field)?;
    match head.version {
        None => Err(ReadError::Foreign("it has no `version`")),
        Some(version) if version == VERSION => Ok(()),
        Some(version) => Err(ReadError::Version(version.to_string())),
    }
}
