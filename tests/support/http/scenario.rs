//! The scenarios that are run against the server, and what came of them.

use std::path::Path;

use super::super::{Ended, Program, file, text};

/// A scenario without a database: one service and operations as given, in YAML with an indent of two.
pub struct Scenario<'a> {
    pub url: &'a str,
    /// More keys of the target: `redirects: 1, timeout: 1s`.
    pub target: &'a str,
    /// Steps of the only operation, as a YAML list.
    pub steps: &'a str,
    /// Keys of the load: `concurrency: 1, iterations: 1`.
    pub load: &'a str,
    /// More at the top level.
    pub more: &'a str,
}

impl Default for Scenario<'_> {
    fn default() -> Self {
        let load = "concurrency: 1, iterations: 1";
        Self { url: "", target: "", steps: "", load, more: "" }
    }
}

/// What came of it.
pub struct Ran {
    pub ended: Ended,
    /// The result document.
    pub results: serde_json::Value,
}

impl Scenario<'_> {
    pub fn write(&self, folder: &Path) -> std::path::PathBuf {
        let Self { url, target, steps, load, more } = self;
        let steps = steps.trim_matches('\n');
        let indent = steps.len() - steps.trim_start().len();
        let steps: String =
            steps.lines().map(|line| format!("      {}\n", line.get(indent..).unwrap_or(""))).collect();
        let written = format!(
            "version: 1\nname: small\ntargets: {{api: {{http: \"{url}\", {target}}}}}\n\
             operations:\n  work:\n    steps:\n{steps}load: {{{load}}}\n{more}\n"
        );
        file(folder, "small.yaml", &written)
    }

    /// Runs it with a new program.
    #[track_caller]
    pub fn run(&self) -> Ran {
        self.run_with(&Program::new(), &[])
    }

    #[track_caller]
    pub fn run_with(&self, program: &Program, arguments: &[&str]) -> Ran {
        let folder = tempfile::tempdir().expect("a folder");
        let path = self.write(folder.path());
        run_file(program, &path, arguments)
    }
}

/// Runs a scenario file and reads the result document.
#[track_caller]
pub fn run_file(program: &Program, path: &Path, arguments: &[&str]) -> Ran {
    let report = path.with_extension("json");
    let mut all = vec!["run", "--quiet", "--seed", "7", "--json", text(&report)];
    all.extend_from_slice(arguments);
    all.push(text(path));
    let ended = program.run(&all);
    let read = std::fs::read(&report);
    let read = read.unwrap_or_else(|_| panic!("no results:\n{}\n{}", ended.stdout, ended.stderr));
    Ran { results: serde_json::from_slice(&read).expect("the report is JSON"), ended }
}

impl Ran {
    /// A number by its path: `totals/ok`.
    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        let found = self.results.pointer(&format!("/{path}"));
        found.and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{path} in {:#}", self.results))
    }

    /// Counts of outcomes that aren't zero: `"ok 3, failed 1"`.
    pub fn outcomes(&self) -> String {
        let names =
            ["ok", "recovered", "exhausted", "failed", "assertion", "timeout", "unknown", "skipped"];
        let counts = names.iter().map(|name| (self.number(&format!("totals/{name}")), name));
        let counts: Vec<String> = counts
            .filter(|(count, _)| *count > 0.0)
            .map(|(count, name)| format!("{name} {count}"))
            .collect();
        counts.join(", ")
    }

    /// The first failure: cause and message.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        let error = &self.results["errors"][0];
        let cause = match &error["cause"] {
            serde_json::Value::String(name) => name.clone(),
            serde_json::Value::Null => String::new(),
            other => format!("http_{}", other["http"]),
        };
        let message = error["message"].as_str();
        (cause, message.unwrap_or_else(|| panic!("no error in {:#}", self.results)).to_owned())
    }
}
