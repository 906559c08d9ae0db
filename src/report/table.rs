//! The report that people read in a terminal. Sections without content are left out; the verdict
//! comes last, where the eye is.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as TextStyle};

use super::{
    cells::{grouped, plain, wrapped},
    comparison,
    document::Document,
    incidents, sections,
};
use crate::{units::format_millis, verdict::Conclusion};

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub color: bool,
    /// In characters.
    pub width: u16,
}

impl Style {
    /// Text in a colour, when there are colours.
    pub(super) fn paint(self, text: &str, style: TextStyle) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(super) fn heading(self, text: &str) -> String {
        format!("\n{}\n", self.paint(text, TextStyle::new().bold()))
    }
}

/// The whole report.
pub fn table(document: &Document, style: &Style) -> String {
    let mut text = header(document, *style);
    for section in [
        sections::operations,
        sections::times,
        sections::outcomes,
        sections::retries,
        sections::requests,
        sections::arrivals,
        sections::overlap,
        sections::releases,
        sections::gates,
        sections::isolation,
        sections::lock_order,
        sections::deadlocks,
        sections::waits,
        sections::application,
        sections::errors,
        sections::does_not_apply,
        sections::invariants,
        sections::effects,
        incidents::incidents,
        sections::requirements,
        sections::thresholds,
        sections::grades,
        comparison::section,
        sections::compared,
        sections::control,
        sections::tuning,
        sections::fixtures,
    ] {
        text.push_str(&section(document, style));
    }
    let again = format!("deadheat run {} --seed {}", document.file, document.seed);
    text.push_str(&verdict(document, *style, &again));
    without_commands(&text)
}

/// CI services carry out lines that begin with `::` or `##[`, blanks before them or not: what is shown of a
/// foreign text must not be one, wherever it was broken.
fn without_commands(text: &str) -> String {
    let line = |line: &str| {
        let blanks = line.len() - line.trim_start().len();
        let (before, rest) = line.split_at(blanks);
        match rest.chars().next() {
            Some(first) if rest.starts_with("::") || rest.starts_with("##[") => {
                format!("{before}{}{}", first.escape_unicode(), &rest[first.len_utf8()..])
            }
            _ => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

fn header(document: &Document, style: Style) -> String {
    let mut text = head(document, style);
    let line = format!(
        "{} workers, {} operations in {}, {} per second; seed {}, run {}",
        grouped(u64::from(document.environment.concurrency)),
        grouped(document.totals.started),
        format_millis(document.duration_ms),
        grouped(document.totals.throughput_per_s.round() as u64),
        document.seed,
        document.run_id,
    );
    text.push_str(&wrapped(&line, "  ", style.width));
    text
}

/// Name, description and targets.
pub(super) fn head(document: &Document, style: Style) -> String {
    let mut text = format!("\n{}\n", style.paint(&plain(&document.scenario), TextStyle::new().bold()));
    if let Some(description) = &document.description {
        text.push_str(&wrapped(description, "  ", style.width));
    }
    for (name, target) in &document.environment.targets {
        let mut line = format!("{name}: {} {}, {}", target.kind, target.version, target.location);
        if let Some(schema) = &target.schema
            && target.location != "embedded"
        {
            let _ = write!(line, ", schema {schema}");
        }
        text.push_str(&wrapped(&line, "  ", style.width));
    }
    text
}

/// The verdict with its reasons; `again` is the command that draws the same values.
pub(super) fn verdict(document: &Document, style: Style, again: &str) -> String {
    let color = match document.verdict {
        Conclusion::Pass => AnsiColor::Green,
        Conclusion::Fail => AnsiColor::Red,
        Conclusion::Inconclusive => AnsiColor::Yellow,
    };
    let word = style.paint(document.verdict.word(), color.on_default().bold());
    let mut text = format!("\nVerdict: {word}");
    if let Some(grade) = &document.grade {
        let _ = write!(text, ", grade: {}", plain(grade));
    }
    text.push('\n');
    for reason in &document.reasons {
        let lines = wrapped(reason, "    ", style.width);
        text.push_str(&lines.replacen("    ", "  - ", 1));
    }
    if document.verdict != Conclusion::Pass {
        let again = format!("To draw the same values again: {again}");
        text.push_str(&wrapped(&again, "", style.width));
    }
    text
}
