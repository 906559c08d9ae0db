//! Payload templates: JSON documents whose text leaves are templates.
//!
//! A document is compiled once. A leaf that is exactly one expression keeps its type, so that
//! `"amount": "{{ amount }}"` gives a number; nothing has to be quoted or escaped by hand.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use minijinja::{Error, State, Value, value::Kwargs};

use super::{
    Names, Template, TemplateError,
    frame::FRAME_NAME,
    functions::{frame_of, invalid},
    layer::layered,
};

/// The payloads that come with deadheat.
const SHIPPED: [(&str, &str); 13] = [
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
    (
        "stripe/event/payment_intent.succeeded.json",
        include_str!("../../templates/stripe/event/payment_intent.succeeded.json"),
    ),
    (
        "stripe/event/payment_intent.payment_failed.json",
        include_str!("../../templates/stripe/event/payment_intent.payment_failed.json"),
    ),
    ("stripe/event/payout.paid.json", include_str!("../../templates/stripe/event/payout.paid.json")),
    (
        "stripe/event/payout.in_transit.json",
        include_str!("../../templates/stripe/event/payout.in_transit.json"),
    ),
    ("stripe/event/payout.failed.json", include_str!("../../templates/stripe/event/payout.failed.json")),
    (
        "stripe/event/charge.succeeded.json",
        include_str!("../../templates/stripe/event/charge.succeeded.json"),
    ),
    (
        "stripe/event/checkout.session.completed.json",
        include_str!("../../templates/stripe/event/checkout.session.completed.json"),
    ),
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
    #[error("there is no payload template `{path}`; there are {known}")]
    Unknown { path: String, known: String },
    #[error("{path}: {error}")]
    Template { path: String, error: TemplateError },
}

/// Compiled payloads by their path below `templates`.
#[derive(Debug, Default)]
pub struct Payloads(BTreeMap<String, Payload>);

#[derive(Debug)]
struct Payload {
    json: serde_json::Value,
    /// For `payload()`: its names are known only when it is evaluated.
    open: Template,
}

/// Payloads within payloads end here.
const DEEPEST: usize = 8;

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
        let open = compile(&json, &Template::compile_open)
            .map_err(|error| PayloadError::Template { path: name.to_owned(), error })?;
        self.0.insert(name.to_owned(), Payload { json, open });
        Ok(())
    }

    /// Compiles a document for a place where its names are known. A leaf that is just
    /// `{{ payload('other.json') }}`, without values, is put in whole.
    ///
    /// # Errors
    /// When there is no such document, or a name in it is unknown.
    pub fn compile(&self, file: &str, names: &Names) -> Result<Template, PayloadError> {
        self.compile_nested(file, names, 0)
    }

    fn compile_nested(&self, file: &str, names: &Names, depth: usize) -> Result<Template, PayloadError> {
        let Some(payload) = self.0.get(file).filter(|_| depth < DEEPEST) else {
            let known = self.names().collect::<Vec<_>>().join(", ");
            return Err(PayloadError::Unknown { path: file.to_owned(), known });
        };
        // The first problem of a payload within this one.
        let nested = std::cell::RefCell::new(None);
        let leaf = |text: &str| {
            let Some(inner) = included(text) else { return Template::compile(text, names) };
            self.compile_nested(inner, names, depth + 1).or_else(|error| {
                nested.borrow_mut().get_or_insert(error);
                Ok(Template::Constant(Value::from(())))
            })
        };
        let compiled = compile(&payload.json, &leaf)
            .map_err(|error| PayloadError::Template { path: file.to_owned(), error })?;
        match nested.into_inner() {
            None => Ok(compiled),
            Some(error) => Err(error),
        }
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The file in `{{ payload('file') }}`, when the text is nothing else.
fn included(text: &str) -> Option<&str> {
    let call = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let file = call.strip_prefix("payload(")?.strip_suffix(')')?.trim();
    let file = file.strip_prefix('\'').and_then(|file| file.strip_suffix('\''))?;
    (!file.contains('\'')).then_some(file)
}

fn compile(
    json: &serde_json::Value,
    leaf: &dyn Fn(&str) -> Result<Template, TemplateError>,
) -> Result<Template, TemplateError> {
    Ok(match json {
        serde_json::Value::String(text) => leaf(text)?,
        serde_json::Value::Array(items) => {
            Template::List(items.iter().map(|item| compile(item, leaf)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(entries) => Template::Map(
            entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), compile(item, leaf)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => Template::Constant(Value::from(minijinja::value::Serde(other))),
    })
}

/// A name that no scenario can have.
const NESTING: &str = "payloads around this one";
/// Payloads that one value is made of.
const MOST_RENDERED: usize = 1_000;

/// Where a payload stands within others: each is evaluated with steps of its own, so that a circle of them
/// would never run out.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    /// Those that were rendered for the outermost one.
    rendered: Arc<AtomicUsize>,
}

impl minijinja::value::Object for Nesting {}

impl Nesting {
    fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, rendered: Arc::clone(&self.rendered) }
    }

    fn check(&self, file: &str) -> Result<(), Error> {
        if self.depth >= DEEPEST {
            return Err(invalid(format!("{file}: payloads within payloads, more than {DEEPEST} deep")));
        }
        if self.rendered.fetch_add(1, Ordering::Relaxed) >= MOST_RENDERED {
            return Err(invalid(format!("{file}: payloads within payloads, more than {MOST_RENDERED}")));
        }
        Ok(())
    }
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
    let nesting = state.lookup(NESTING).and_then(|value| value.downcast_object::<Nesting>());
    let nesting = nesting.map_or_else(Nesting::default, |nesting| nesting.deeper());
    nesting.check(file)?;
    let payloads = frame_of(state)?.payloads();
    let template = payloads.0.get(file).map(|payload| &payload.open).ok_or_else(|| {
        let known: Vec<&str> = payloads.names().collect();
        invalid(format!("there is no payload template `{file}`; there are {}", known.join(", ")))
    })?;
    let frame = state.lookup(FRAME_NAME).unwrap_or_default();
    let mut named: Vec<(String, Value)> = arguments.map(|(name, value)| (name.to_owned(), value)).collect();
    named.push((NESTING.to_owned(), Value::from_object(nesting)));
    let context = layered(named, frame);
    template
        .evaluate_with(&mut |expression| expression.evaluate_in(context.clone()))
        .map_err(|error| invalid(format!("{file}: {error}")))
}
