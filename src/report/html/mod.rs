//! One self-contained page: verdict first, then what broke, then everything else.
//!
//! Documents come in, HTML goes out. The page is `templates/report`; every text is escaped there,
//! charts are made here. Absent on purpose: scripts, and anything that the page would load.

mod bins;
mod comparison;
mod cycles;
mod latencies;
mod scale;
mod svg;
mod timeline;
mod view;
mod waits;

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};

use super::{
    document::Document,
    reported::Reported,
    texts::{edit_texts, visible},
};
use crate::{
    report::cells::grouped,
    units::{format_millis, format_percent},
};
use view::{CouldNotRunView, PageView, RunView};

const PAGE: &str = include_str!("../../../templates/report/page.html");
const RUN: &str = include_str!("../../../templates/report/run.html");
const MACROS: &str = include_str!("../../../templates/report/macros.html");
const STYLE: &str = include_str!("../../../templates/report/style.css");

/// Longest text from outside; the page says how much it leaves out.
const LONGEST: usize = 4_000;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("the HTML report can't be made: {0}")]
pub struct HtmlError(#[from] minijinja::Error);

/// The page of one or several scenarios.
///
/// # Errors
/// When a template fails, which is a mistake in it.
pub fn html(reported: &[Reported]) -> Result<String, HtmlError> {
    let mut page = PageView::default();
    for (index, one) in reported.iter().enumerate() {
        match one {
            Reported::Ran(document) => {
                let shown = edit_texts(&without_unseen(document), &|text| cut(&visible(text), LONGEST));
                let shown = Document { timeline: document.timeline.clone(), ..shown };
                page.add_run(RunView::new(&shown, document.file_text.as_deref(), index));
            }
            Reported::CouldNotRun { scenario, message } => page.add_could_not_run(CouldNotRunView {
                scenario: visible(scenario),
                message: cut(&visible(message), LONGEST),
            }),
        }
    }
    Ok(environment()?.get_template("page.html")?.render(Serde(page))?)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.add_filter("millis", |millis: f64| format_millis(millis));
    environment.add_filter("percent", |share: f64| format_percent(share));
    environment.add_filter("count", |count: u64| grouped(count));
    environment.add_filter("level", |level: String| level.replace('_', " "));
    environment.add_filter("whole", |number: f64| grouped(number.round() as u64));
    environment.add_filter("chart", |svg: String| Value::from_safe_string(svg));
    for (name, text) in
        [("page.html", PAGE), ("run.html", RUN), ("macros.html", MACROS), ("style.css", STYLE)]
    {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

/// The document without what has no texts or isn't shown: most of its bytes.
fn without_unseen(document: &Document) -> Document {
    let mut document = Document { timeline: Vec::new(), file_text: None, ..document.clone() };
    for operation in document.operations.values_mut().chain([&mut document.totals]) {
        operation.attempt_ms.buckets.clear();
        operation.backoff_ms.buckets.clear();
    }
    document
}

/// At most `most` characters, and how many more there are.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => {
            let more = text[at..].chars().count();
            format!("{}… ({} more characters)", &text[..at], grouped(more as u64))
        }
    }
}
