//! GitHub annotations: workflow commands that mark what broke at its line of the scenario.
//!
//! `::error file=…,line=…,title=…::message`. Data is escaped as GitHub's toolkit does it
//! (`packages/core/src/command.ts`): `%`, line breaks, and in properties `:` and `,`.

use std::collections::HashMap;

use super::{
    document::Document,
    findings::{Finding, Section, findings},
    reported::Reported,
    texts::{short, visible},
};

/// GitHub shows ten annotations of each level for a step and drops the rest.
const MOST: usize = 10;
const LONGEST: usize = 1_000;

/// Where the demands of a scenario stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The file, from the root of the repository.
    pub file: String,
    /// Lines by section and name, one for each condition of the name.
    pub lines: HashMap<(Section, String), Vec<usize>>,
}

/// A line for each thing that broke; nothing for a run that passed.
pub fn annotations(reported: &Reported, places: &Places) -> String {
    match reported {
        Reported::Ran(document) => of_run(document, places),
        Reported::CouldNotRun { scenario, message } => {
            command("error", Some((&places.file, None)), &format!("deadheat: {scenario}"), message)
        }
    }
}

fn of_run(document: &Document, places: &Places) -> String {
    let mut text = String::new();
    let title = format!("deadheat: {}", document.scenario);
    let (errors, warnings): (Vec<Finding>, Vec<Finding>) =
        findings(document).into_iter().partition(|finding| finding.fails);
    for (level, found) in [("error", errors), ("warning", warnings)] {
        let shown = if found.len() > MOST { MOST - 1 } else { found.len() };
        for finding in &found[..shown] {
            let mut message = finding.sentence.clone();
            if let Some(row) = &finding.row {
                message.push_str(&format!("\nfirst failing row: {}", short(row, LONGEST / 2)));
            }
            text.push_str(&command(level, Some((&places.file, line(finding, places))), &title, &message));
        }
        if shown < found.len() {
            let message = format!("and {} more; see the report", found.len() - shown);
            text.push_str(&command(level, Some((&places.file, None)), &title, &message));
        }
    }
    text
}

fn line(finding: &Finding, places: &Places) -> Option<usize> {
    let (section, name, index) = finding.demand.as_ref()?;
    let lines = places.lines.get(&(*section, name.clone()))?;
    lines.get(*index).or(lines.first()).copied()
}

fn command(level: &str, place: Option<(&str, Option<usize>)>, title: &str, message: &str) -> String {
    let mut properties = String::new();
    if let Some((file, line)) = place.filter(|(file, _)| !file.is_empty()) {
        properties.push_str(&format!("file={},", property(file)));
        if let Some(line) = line {
            properties.push_str(&format!("line={line},"));
        }
    }
    let message: String = message.chars().take(LONGEST).collect();
    format!("::{level} {properties}title={}::{}\n", property(&short(title, 200)), data(&message))
}

fn data(text: &str) -> String {
    visible(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_a_command() {
        let text =
            command("error", Some(("a,b:c%.yaml", Some(7))), "t: 1,2", "50%\r\n::set-output name=x::y");
        assert_eq!(
            text,
            "::error file=a%2Cb%3Ac%25.yaml,line=7,title=t%3A 1%2C2::50%25%0D%0A::set-output name=x::y\n"
        );
    }
}
