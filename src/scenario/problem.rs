//! What is wrong with a scenario: plain data with a place, collected, ordered, never printed here.

use std::{collections::BTreeSet, ops::Range};

use super::{render, source::Source};

/// At most this many problems are rendered; the rest is counted.
const RENDERED_AT_MOST: usize = 100;

/// Whether a problem stops the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario can't run.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// A lower-case fragment. Never holds a secret.
    pub message: String,
    /// Byte offsets into the file's text; the problem is about the whole file without one.
    pub span: Option<Range<usize>>,
    /// Stands beside the marked text.
    pub label: Option<String>,
    /// What to write or do instead.
    pub hint: Option<String>,
}

impl Problem {
    /// An error that isn't placed yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), span: None, label: None, hint: None }
    }

    /// A warning that isn't placed yet.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Places it.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Says something beside the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Problems of one file. Reading them gives each once, in the order of the file, those about
/// the whole file first.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    list: Vec<Problem>,
    source: Option<Box<Source>>,
}

impl Problems {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// The problems, each once, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        let place = |problem: &Problem| problem.span.as_ref().map(|span| (span.start, span.end));
        let mut ordered: Vec<&Problem> = self.list.iter().collect();
        ordered.sort_by_key(|problem| place(problem));
        let mut seen = BTreeSet::new();
        ordered.retain(|problem| seen.insert((place(problem), problem.message.as_str())));
        ordered.into_iter()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True when one of them stops the scenario.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The file, when the problems left [`super::load`] without a model and there was a file.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_deref()
    }

    /// Keeps the file with the problems.
    #[must_use]
    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Changes every text of every problem.
    pub(super) fn edit_texts(&mut self, edit: impl Fn(&mut String)) {
        for problem in &mut self.list {
            edit(&mut problem.message);
            problem.label.as_mut().map(&edit);
            problem.hint.as_mut().map(&edit);
        }
    }

    /// As a person reads them: each with `file:line:column`, the line and the hint, then the
    /// number of those left out. Harmless to a terminal whatever the file holds.
    pub fn render(&self, source: &Source, color: bool) -> String {
        self.render_each(Some(source), color)
    }

    /// Like [`Problems::render`] with the file that came with them, if one did.
    pub fn render_own(&self, color: bool) -> String {
        self.render_each(self.source(), color)
    }

    fn render_each(&self, source: Option<&Source>, color: bool) -> String {
        let mut text = String::new();
        let mut left_out = 0;
        for (index, problem) in self.iter().enumerate() {
            if index < RENDERED_AT_MOST {
                text.push_str(&render::problem(problem, source, color));
                text.push_str("\n\n");
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            text.push_str(&format!("… and {left_out} more\n"));
        }
        text
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], source: None }
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(list: Vec<Problem>) -> Self {
        Self { list, source: None }
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.list.extend(problems);
    }
}
