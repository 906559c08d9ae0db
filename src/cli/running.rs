//! Arguments that several commands take: what scenarios are read with, what they may reach, how they are run,
//! and where the reports go.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::outputs::Outputs;
use crate::run::RunOptions;

/// What scenario files are read with.
#[derive(Debug, Clone, Args)]
pub(super) struct ScenarioArguments {
    /// Replace a variable of the scenario
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Replace a target's database
    #[arg(long = "target", value_name = "NAME=URL", value_parser = pair)]
    pub targets: Vec<(String, String)>,
    /// Put a profile of the scenario over it
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// Scenarios, and what they may reach.
#[derive(Debug, Clone, Args)]
pub(super) struct ReachArguments {
    #[command(flatten)]
    pub scenario: ScenarioArguments,
    /// Allow a host that isn't this machine
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allowed_hosts: Vec<String>,
}

impl ReachArguments {
    /// How a file is run.
    pub fn options(&self, file: &Path, seed: Option<u64>, keep: bool) -> RunOptions {
        RunOptions {
            file: file.to_owned(),
            vars: self.scenario.vars.clone(),
            targets: self.scenario.targets.clone(),
            profile: self.scenario.profile.clone(),
            seed,
            allowed_hosts: self.allowed_hosts.clone(),
            keep,
            ..RunOptions::default()
        }
    }
}

/// What everything that drives a scenario takes.
#[derive(Debug, Clone, Args)]
pub(super) struct RunningArguments {
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Draw everything random from this number, as an earlier run printed it
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write the result document, from which `report` makes the others (`-`: to stdout, alone)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub outputs: OutputArguments,
}

impl RunningArguments {
    /// Where the reports go.
    pub fn outputs(&self) -> Outputs<'_> {
        Outputs { json: self.json.as_ref(), others: &self.outputs }
    }
}

/// What `run` and `race` have in common.
#[derive(Debug, Clone, Args)]
pub(super) struct FilesArguments {
    /// Scenario files (.yaml or .toml)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub running: RunningArguments,
    /// Leave the database as it is after the run; `clean` removes it
    #[arg(long)]
    pub keep: bool,
}

impl FilesArguments {
    /// How one of the files is run.
    pub fn options(&self, file: &Path) -> RunOptions {
        self.running.reach.options(file, self.running.seed, self.keep)
    }
}

/// Reports that `run` and `report` make.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputArguments {
    /// Write JUnit XML
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write a page that shows everything, in one file
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Write Markdown for a pull request or a job summary
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,
    /// Mark what broke at its line of the scenario, as the CI service reads it from stdout
    #[arg(long, value_name = "SERVICE")]
    pub annotations: Option<Annotations>,
}

impl OutputArguments {
    /// Where reports go, as far as they were asked for.
    pub fn paths(&self) -> [Option<&PathBuf>; 3] {
        [self.junit.as_ref(), self.html.as_ref(), self.markdown.as_ref()]
    }

    /// True when any report was asked for.
    pub fn is_any(&self) -> bool {
        self.annotations.is_some() || self.paths().iter().any(Option::is_some)
    }
}

/// A CI service that reads annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Annotations {
    Github,
}

/// Reads `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
