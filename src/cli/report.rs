//! `report`: a result document in, every other report out. The exit status tells whether they
//! could be made, not how the run went.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{args::ReportArguments, console::Console, outputs, status};
use crate::{
    report::{self, Document, Reported, Style},
    run::Trouble,
};

/// Far beyond the document of any run: one of an hour takes about a megabyte.
const LARGEST: u64 = 256 * 1024 * 1024;

pub(super) fn report(arguments: &ReportArguments, console: &Console) -> u8 {
    let outputs = &arguments.outputs;
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    let mut documents = Vec::new();
    for file in &arguments.files {
        match read(file) {
            Ok(read) => documents.extend(read),
            Err((trouble, status)) => {
                console.error(&trouble);
                return status;
            }
        }
    }
    let mut status = status::PASS;
    if !outputs.is_any() {
        let style = Style { color: console.stdout_color(), width: report::terminal_width() };
        let tables: String = documents
            .iter()
            .map(|document| match (document.races.is_empty(), document.probes.is_empty()) {
                (_, false) => report::probe_table(document, &style),
                (false, true) => report::race_table(document, &style),
                (true, true) => report::table(document, &style),
            })
            .collect();
        status = console.result(&tables);
    }
    let reported: Vec<Reported> =
        documents.into_iter().map(|document| Reported::Ran(Box::new(document))).collect();
    let statuses = outputs::write(outputs, &reported, outputs::takes_stdout(&outputs.paths()), console);
    statuses.into_iter().chain([status]).max().unwrap_or(status::PASS)
}

pub(super) fn read(file: &PathBuf) -> Result<Vec<Document>, (Trouble, u8)> {
    let name = if is_stdin(file) { "stdin".to_owned() } else { file.display().to_string() };
    let unreadable = |error: std::io::Error| {
        (Trouble::new(format!("can't read {name}: {error}")), status::COULD_NOT_RUN)
    };
    let mut bytes = Vec::new();
    if is_stdin(file) {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    let wrong = |what: String| Trouble::new(format!("can't use {name}: {what}"));
    if bytes.len() as u64 > LARGEST {
        return Err((wrong("it is larger than 256 MB".to_owned()), status::USAGE));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (wrong(format!("it is not text in UTF-8, from byte {at} on")), status::USAGE)
    })?;
    report::read(&text).map_err(|error| (wrong(error.to_string()).hint(error.hint()), status::USAGE))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}
