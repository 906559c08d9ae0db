//! Markdown for a pull request or a job summary, as GitHub reads it: verdict and what broke
//! first, details folded. Text from outside stays text.

mod comparison;
mod escape;
mod locks;
mod sections;

use super::{document::Document, reported::Reported, texts::edit_texts, texts::visible};
use crate::verdict::Conclusion;
use escape::{block, code, prose};

/// The report of one or several scenarios.
pub fn markdown(reported: &[Reported]) -> String {
    let mut text = String::new();
    if reported.len() > 1 {
        text.push_str(&summary(reported));
    }
    for one in reported {
        if !text.is_empty() {
            text.push('\n');
        }
        match one {
            Reported::Ran(document) => text.push_str(&run(&edit_texts(document, &visible))),
            Reported::CouldNotRun { scenario, message } => {
                text.push_str(&format!("## 🚫 {}: could not run\n\n{}\n", prose(scenario), block(message)));
            }
        }
    }
    text
}

/// What stands before a verdict's word, never instead of it.
fn sign(verdict: Conclusion) -> &'static str {
    match verdict {
        Conclusion::Pass => "✅",
        Conclusion::Fail => "❌",
        Conclusion::Inconclusive => "⚠️",
    }
}

fn summary(reported: &[Reported]) -> String {
    let rows = reported.iter().map(|one| match one {
        Reported::Ran(document) => vec![
            code(&document.scenario),
            format!("{} {}", sign(document.verdict), document.verdict.word()),
            document.grade.as_deref().map(code).unwrap_or_default(),
        ],
        Reported::CouldNotRun { scenario, .. } => {
            vec![code(scenario), "🚫 could not run".to_owned(), String::new()]
        }
    });
    sections::table(&["scenario", "verdict", "grade"], rows)
}

fn run(document: &Document) -> String {
    let mut text =
        format!("## {} {}: {}", sign(document.verdict), prose(&document.scenario), document.verdict.word());
    if let Some(grade) = &document.grade {
        text.push_str(&format!(", grade: {}", prose(grade)));
    }
    text.push_str("\n\n");
    for reason in &document.reasons {
        text.push_str(&format!("- {}\n", prose(reason)));
    }
    // Races have no load, and a load has no races.
    let loads = [
        sections::figures,
        sections::broken_invariants,
        locks::incidents,
        sections::advice,
        sections::operations,
        sections::demands,
        sections::variants,
        sections::grades,
        locks::retries,
        locks::deadlocks,
        comparison::section,
        sections::waits,
        locks::tuning,
        sections::failures,
        sections::repeat,
    ];
    let races = [sections::races, sections::repeat];
    let probes = [sections::probes, sections::repeat];
    let sections = match (document.races.is_empty(), document.probes.is_empty()) {
        (_, false) => probes.as_slice(),
        (false, true) => races.as_slice(),
        (true, true) => loads.as_slice(),
    };
    for section in sections {
        let section = section(document);
        if !section.is_empty() {
            text.push('\n');
            text.push_str(&section);
        }
    }
    text
}
