//! `docs/findings.md`: for each bug the finding that names it, as the reports state it. Tests make its tables
//! from what they saw and hold the file against them; with `UPDATE_FINDINGS=1` they write it.
#![allow(dead_code, reason = "every test file uses another part of it")]

use std::{fs, sync::Mutex};

use serde_json::Value;

const FILE: &str = "docs/findings.md";
/// Tests of one binary run side by side, and each rewrites the whole file.
static WRITING: Mutex<()> = Mutex::new(());

/// Holds the rows of a section against the file.
#[track_caller]
pub fn keep(section: &str, rows: &[String]) {
    let _guard = WRITING.lock().expect("nobody failed while writing");
    let text = fs::read_to_string(FILE).expect("the file");
    let (begin, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->"));
    let (before, rest) = text.split_once(&begin).expect("the section's begin");
    let (written, after) = rest.split_once(&end).expect("the section's end");
    let (heading, _) = written.split_once("|---|").expect("a table");
    let columns = heading.matches('|').count() - 1;
    let made = format!("{heading}|{}\n{}\n\n", "---|".repeat(columns), rows.join("\n"));
    if std::env::var_os("UPDATE_FINDINGS").is_some() {
        fs::write(FILE, format!("{before}{begin}{made}{end}{after}")).expect("written");
    } else {
        assert_eq!(written, made, "UPDATE_FINDINGS=1 cargo test rewrites {FILE}");
    }
}

/// A row of the table.
pub fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

/// The reasons of a document, each without its examples, and with its numbers as `N`: how often something is
/// met differs from run to run.
pub fn reasons(document: &Value) -> Vec<String> {
    let reasons = document["reasons"].as_array().expect("reasons");
    let sentence = |reason: &Value| {
        let text = reason.as_str().expect("text");
        without_numbers(text.split("; ").next().unwrap_or(text))
    };
    reasons.iter().map(sentence).collect()
}

/// A text with `N` for each number that stands by itself; `N` of them for both one and many.
pub fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches([' ', ',', ';', ':', ')']);
        let bare = bare.strip_suffix('%').unwrap_or(bare);
        let bare = bare.trim_start_matches('(').trim_end_matches("ms");
        let is_number = bare.starts_with(|c: char| c.is_ascii_digit())
            && bare.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.'));
        if is_number && !out.ends_with("== ") && !is_status(bare) {
            out.push_str(&word.replacen(bare, "N", 1));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// An answer's status is no count.
fn is_status(number: &str) -> bool {
    matches!(number, "200" | "500")
}
