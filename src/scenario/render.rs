//! One problem as a person reads it: the message, `file:line:column`, the line, the hint.
//!
//! Only the line where the place begins is shown, cut around the place when it is long, with
//! control characters spelled out and secrets masked.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::{
    mask::MASK,
    problem::{Problem, Severity},
    source::Source,
};

/// A line with at most this many characters is shown whole.
const SHORT_LINE: usize = 120;
/// Characters shown before and after the beginning of a place.
const BEFORE: usize = 40;
const AFTER: usize = 80;
/// Characters of a message, a label or a hint.
const LONGEST_TEXT: usize = 400;

pub(super) fn problem(problem: &Problem, source: Option<&Source>, color: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    if let Some(source) = source {
        let file = problem.span.as_ref().map_or(source.path.as_path(), |span| source.path_at(span.start));
        let path = harmless(&file.display().to_string());
        match &problem.span {
            None => elements.push(Origin::path(path).into()),
            Some(span) => {
                let (line, column) = source.line_column(span.start);
                let shown = Shown::new(source, span);
                let mark = AnnotationKind::Primary.span(shown.mark);
                let mark = match &problem.label {
                    Some(label) => mark.label(harmless(label)),
                    None => mark,
                };
                // Where the line isn't shown as it is, the place has to be told apart from it.
                let moved = shown.text[..shown.start].chars().count() + 1 != column;
                let snippet = Snippet::source(shown.text).line_start(line).annotation(mark);
                if moved {
                    elements.push(Origin::path(path).line(line).char_column(column).into());
                    elements.push(snippet.into());
                } else {
                    elements.push(snippet.path(path).into());
                }
            }
        }
    }
    if let Some(hint) = &problem.hint {
        elements.push(Level::HELP.message(harmless(hint)).into());
    }
    let title = level.primary_title(harmless(&problem.message));
    let group = match elements.is_empty() {
        true => Group::with_title(title),
        false => Group::with_title(title).elements(elements),
    };
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(140).render(&[group])
}

/// A text that can't move a cursor, change a colour or turn the reading direction.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless: String = text.chars().take(LONGEST_TEXT).map(spelled).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        harmless.push('…');
    }
    harmless
}

fn spelled(c: char) -> String {
    let invisible = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    match c {
        '\t' => "    ".to_owned(),
        '\n' => " ".to_owned(),
        _ if c.is_control() || invisible => c.escape_unicode().to_string(),
        _ => c.to_string(),
    }
}

/// A line made fit to be shown, and where the mark stands in it.
struct Shown {
    text: String,
    start: usize,
    mark: Range<usize>,
}

impl Shown {
    fn new(source: &Source, span: &Range<usize>) -> Self {
        let line = source.line_at(span.start);
        let start = source.clamp(span.start).min(line.end);
        let end = source.clamp(span.end).clamp(start, line.end);
        let is_long = source.text[line.clone()].chars().nth(SHORT_LINE).is_some();
        let before = source.text[line.start..start].char_indices().rev().nth(BEFORE);
        let before = before.filter(|_| is_long).map(|(at, _)| line.start + at);
        let after = source.text[start..line.end].char_indices().nth(AFTER);
        let after = after.filter(|_| is_long).map(|(at, _)| start + at);
        let window = before.unwrap_or(line.start)..after.unwrap_or(line.end);
        let mut shown = Self { text: String::new(), start: 0, mark: 0..0 };
        if before.is_some() {
            shown.text.push('…');
        }
        let masks: Vec<&Range<usize>> = source
            .masked
            .iter()
            .filter(|mask| mask.start < window.end && mask.end > window.start)
            .collect();
        let mut last_mask = None;
        for (at, c) in source.text[window.clone()].char_indices().map(|(at, c)| (window.start + at, c)) {
            if at == start {
                shown.mark.start = shown.text.len();
            }
            let mask = masks.iter().position(|mask| mask.contains(&at));
            match mask {
                Some(_) if mask == last_mask => {}
                Some(_) => shown.text.push_str(MASK),
                // The renderer widens tabs by itself, without moving the column.
                None if c == '\t' => shown.text.push(c),
                None => shown.text.push_str(&spelled(c)),
            }
            last_mask = mask;
            if at + c.len_utf8() <= end.max(start + 1) {
                shown.mark.end = shown.text.len();
            }
        }
        if start >= window.end {
            shown.mark = shown.text.len()..shown.text.len();
        }
        if after.is_some() {
            shown.text.push('…');
        }
        shown.mark.end = shown.mark.end.max(shown.mark.start);
        shown.start = shown.mark.start;
        shown
    }
}
