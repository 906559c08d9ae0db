//! Payload templates: JSON documents whose text leaves are templates.
//!
//! A document is compiled once. A leaf that is exactly one expression keeps its type, so that
//! `"amount": "{{ amount }}"` gives a number; nothing has to be quoted or escaped by hand.

use std::{collections::BTreeMap, path::Path};

use minijinja::{Error, State, Value, value::Kwargs};

use super::{
    EvaluationError, Template, TemplateError,
    frame::FRAME_NAME,
    functions::{frame_of, invalid},
    layer::layered,
};

/// The payloads that come with deadheat.
const SHIPPED: [(&str, &str); 6] = [
    (
        "stripe/payment_intent.succeeded.json",
        include_str!("../../templates/stripe/payment_intent.succeeded.json"),
    ),
    (
        "stripe/payment_intent.payment_failed.json",
        include_str!("../../templates/stripe/payment_intent.payment_failed.json"),
    ),
    ("stripe/payout.paid.json", include_str!("../../templates/stripe/payout.paid.json")),
    ("stripe/payout.in_transit.json", include_str!("../../templates/stripe/payout.in_transit.json")),
    ("stripe/payout.failed.json", include_str!("../../templates/stripe/payout.failed.json")),
    ("stripe/event.json", include_str!("../../templates/stripe/event.json")),
];

/// Files read from one `templates` folder at most, and bytes of each.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 1 << 20;

/// Why a payload can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("can't read the payload templates in {path}: {error}")]
    Read { path: String, error: std::io::Error },
    #[error(
        "{path} is larger than {MOST_BYTES} bytes, or there are more than {MOST_FILES} files beside it"
    )]
    TooLarge { path: String },
    #[error("{path} is not JSON: {error}")]
    Json { path: String, error: serde_json::Error },
    #[error("{path}: {error}")]
    Template { path: String, error: TemplateError },
}

/// Compiled payloads by their path below `templates`.
#[derive(Debug, Default)]
pub struct Payloads(BTreeMap<String, Template>);

impl Payloads {
    /// Those that come with deadheat.
    pub fn shipped() -> Result<Self, PayloadError> {
        let mut payloads = Self::default();
        for (name, text) in SHIPPED {
            payloads.add(name, text)?;
        }
        Ok(payloads)
    }

    /// Adds every `*.json` below a folder; one of the same name replaces a shipped one. A folder
    /// that doesn't exist adds nothing.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), PayloadError> {
        let mut folders = vec![folder.to_owned()];
        let mut files = 0;
        while let Some(current) = folders.pop() {
            let read = |error| PayloadError::Read { path: current.display().to_string(), error };
            if !current.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&current).map_err(read)? {
                let entry = entry.map_err(read)?;
                let (path, kind) = (entry.path(), entry.file_type().map_err(read)?);
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "json") {
                    files += 1;
                    let name = path.display().to_string();
                    if files > MOST_FILES || entry.metadata().map_err(read)?.len() > MOST_BYTES {
                        return Err(PayloadError::TooLarge { path: name });
                    }
                    let text = std::fs::read_to_string(&path)
                        .map_err(|error| PayloadError::Read { path: name, error })?;
                    let below = path.strip_prefix(folder).unwrap_or(&path);
                    self.add(&below.to_string_lossy().replace('\\', "/"), &text)?;
                }
            }
        }
        Ok(())
    }

    /// Adds one document.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), PayloadError> {
        let json: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| PayloadError::Json { path: name.to_owned(), error })?;
        let template =
            compile(&json).map_err(|error| PayloadError::Template { path: name.to_owned(), error })?;
        self.0.insert(name.to_owned(), template);
        Ok(())
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn compile(json: &serde_json::Value) -> Result<Template, TemplateError> {
    Ok(match json {
        serde_json::Value::String(text) => Template::compile_open(text)?,
        serde_json::Value::Array(items) => {
            Template::List(items.iter().map(compile).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(entries) => Template::Map(
            entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), compile(item)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => Template::Constant(Value::from(minijinja::value::Serde(other))),
    })
}

/// `payload("path.json", name=value, …)`.
pub(super) fn payload(state: &mut State<'_, '_>, file: String, arguments: Kwargs) -> Result<Value, Error> {
    let named: Vec<(String, Value)> = arguments
        .args()
        .map(|name| Ok((name.to_owned(), arguments.peek::<Value>(name)?)))
        .collect::<Result<_, Error>>()?;
    render(state, &file, named.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

/// Renders a payload with its arguments.
pub(super) fn render<'a>(
    state: &State<'_, '_>,
    file: &str,
    arguments: impl Iterator<Item = (&'a str, Value)>,
) -> Result<Value, Error> {
    let payloads = frame_of(state)?.payloads();
    let template = payloads.0.get(file).ok_or_else(|| {
        let known: Vec<&str> = payloads.names().collect();
        invalid(format!("there is no payload template `{file}`; there are {}", known.join(", ")))
    })?;
    let frame = state.lookup(FRAME_NAME).unwrap_or_default();
    let named = arguments.map(|(name, value)| (name.to_owned(), value)).collect();
    let context = layered(named, frame);
    template
        .evaluate_with(&mut |expression| expression.evaluate_in(context.clone()))
        .map_err(|error: EvaluationError| invalid(format!("{file}: {error}")))
}
