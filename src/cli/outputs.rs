//! Writes the reports that were asked for.

use std::path::{Path, PathBuf};

use super::{
    console::Console,
    places::places,
    running::{Annotations, OutputArguments},
    status,
};
use crate::{
    report::{self, Document, Reported, edit_texts},
    run::Trouble,
};

/// Where the reports of a command that runs something go.
pub(super) struct Outputs<'a> {
    pub json: Option<&'a PathBuf>,
    pub others: &'a OutputArguments,
}

impl Outputs<'_> {
    /// The paths of all reports.
    pub fn paths(&self) -> Vec<Option<&PathBuf>> {
        self.others.paths().into_iter().chain([self.json]).collect()
    }

    /// Writes all of them; a status for each that failed.
    pub fn write(&self, reported: &[Reported], console: &Console) -> Vec<u8> {
        let mut statuses = Vec::new();
        if let Some(path) = self.json {
            let documents = reported.iter().filter_map(|one| match one {
                Reported::Ran(document) => Some(report::json(&masked_document(document, console))),
                Reported::CouldNotRun { .. } => None,
            });
            let documents: Vec<String> = documents.collect();
            match documents.as_slice() {
                [] => {}
                [only] => statuses.extend(write_file(path, only, console)),
                several => {
                    let list = format!("[\n{}\n]\n", several.join(",\n"));
                    statuses.extend(write_file(path, &list, console));
                }
            }
        }
        let stdout_is_taken = takes_stdout(&self.paths());
        statuses.extend(write(self.others, reported, stdout_is_taken, console));
        statuses
    }
}

/// Refuses what can't be carried out: two reports on one stdout.
pub(super) fn check(paths: &[Option<&PathBuf>], console: &Console) -> Result<(), u8> {
    let on_stdout = paths.iter().flatten().filter(|path| is_stdout(path)).count();
    if on_stdout > 1 {
        console.error(&Trouble::new("only one report can go to stdout").hint("give the others a path"));
        return Err(status::USAGE);
    }
    Ok(())
}

/// True when a report has stdout for itself.
pub(super) fn takes_stdout(paths: &[Option<&PathBuf>]) -> bool {
    paths.iter().flatten().any(|path| is_stdout(path))
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes what the arguments ask for; a status for each report that failed.
pub(super) fn write(
    outputs: &OutputArguments,
    reported: &[Reported],
    stdout_is_taken: bool,
    console: &Console,
) -> Vec<u8> {
    // Reports escape each in a way of their own, so secrets are masked before.
    let reported: Vec<Reported> = reported.iter().map(|one| masked(one, console)).collect();
    let mut statuses = Vec::new();
    if let Some(path) = &outputs.junit {
        let mut suites = report::JunitReport::default();
        for one in &reported {
            match one {
                Reported::Ran(document) => suites.add(document),
                Reported::CouldNotRun { scenario, message } => suites.add_could_not_run(scenario, message),
            }
        }
        match suites.render() {
            Ok(xml) => statuses.extend(write_file(path, &xml, console)),
            Err(error) => {
                console.error(&Trouble::new(format!("the JUnit report can't be made: {error}")));
                statuses.push(status::COULD_NOT_RUN);
            }
        }
    }
    if let Some(path) = &outputs.html {
        match report::html(&reported) {
            Ok(page) => statuses.extend(write_file(path, &page, console)),
            Err(error) => {
                console.error(&Trouble::new(error.to_string()));
                statuses.push(status::COULD_NOT_RUN);
            }
        }
    }
    if let Some(path) = &outputs.markdown {
        statuses.extend(write_file(path, &report::markdown(&reported), console));
    }
    if let Some(Annotations::Github) = outputs.annotations {
        let text: String = reported.iter().map(|one| report::annotations(one, &places(one))).collect();
        // GitHub reads both streams.
        if stdout_is_taken && !text.is_empty() {
            console.say(text.trim_end());
        } else {
            statuses.push(console.result(&text));
        }
    }
    statuses
}

/// Writes one report; a status when it failed.
fn write_file(path: &Path, text: &str, console: &Console) -> Option<u8> {
    match report::write(path, console.masked(text).as_bytes()) {
        Ok(()) => None,
        Err(error) => {
            console.error(&Trouble::new(error.to_string()));
            Some(status::COULD_NOT_RUN)
        }
    }
}

/// The document without secrets.
pub(super) fn masked_document(document: &Document, console: &Console) -> Document {
    edit_texts(document, &|text| console.masked(text))
}

fn masked(reported: &Reported, console: &Console) -> Reported {
    match reported {
        Reported::Ran(document) => Reported::Ran(Box::new(masked_document(document, console))),
        could_not_run @ Reported::CouldNotRun { .. } => could_not_run.clone(),
    }
}
