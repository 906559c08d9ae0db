//! `probe`: the isolation levels of one file after the other, or of a database, reports at the end.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{
    console::Console,
    outputs::{self, Outputs},
    run::{ConsoleWatcher, block_on, listen, overall, report_ended},
    running::{OutputArguments, ScenarioArguments},
};
use crate::{
    outcome::Isolation,
    report::{self, Reported},
    run::{ProbeOptions, RunOptions, StopSignal},
};

#[derive(Debug, Clone, Args)]
pub(super) struct ProbeArguments {
    /// Scenario files (.yaml or .toml), whose sessions, levels and retries are used
    #[arg(value_name = "FILE", required_unless_present = "database")]
    pub files: Vec<PathBuf>,
    /// Probe just this database: a URL, `embedded:postgres`, `embedded:mysql` or `sqlite:`
    #[arg(long, value_name = "URL", conflicts_with = "files")]
    pub database: Option<String>,
    #[command(flatten)]
    pub scenario: ScenarioArguments,
    /// Probe this level instead of the declared ones (may be given more than once)
    #[arg(long = "level", value_name = "LEVEL", value_delimiter = ',')]
    pub levels: Vec<LevelName>,
    /// Probe this level too, and compare how long locks are held
    #[arg(long, value_name = "LEVEL")]
    pub beside: Option<LevelName>,
    /// What must be kept, whichever level is probed; the level's own promise when not given
    #[arg(long, value_name = "LEVEL")]
    pub expect: Option<LevelName>,
    /// Transactions at each level
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub transactions: u64,
    /// Write what was seen as JSON lines that other checkers read, a file for each level
    #[arg(long, value_name = "PATH")]
    pub history: Option<PathBuf>,
    /// Draw everything random from this number, as an earlier run printed it
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub outputs: OutputArguments,
    /// Write the result document (`-`: to stdout, alone)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Allow a host that isn't this machine
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allowed_hosts: Vec<String>,
    /// Leave the database as it is after the run; `clean` removes it
    #[arg(long)]
    pub keep: bool,
}

/// A level, as a scenario spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum LevelName {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl From<LevelName> for Isolation {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::ReadUncommitted => Self::ReadUncommitted,
            LevelName::ReadCommitted => Self::ReadCommitted,
            LevelName::RepeatableRead => Self::RepeatableRead,
            LevelName::Serializable => Self::Serializable,
        }
    }
}

pub(super) fn probe(arguments: &ProbeArguments, console: &Console) -> u8 {
    let outputs = outputs_of(arguments);
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    // Without a file there is one probe all the same.
    let files = if arguments.files.is_empty() { vec![PathBuf::new()] } else { arguments.files.clone() };
    let (reported, statuses): (Vec<Reported>, Vec<u8>) = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone(), console);
        let mut ended = Vec::new();
        for file in &files {
            if stop.is_stopped() {
                break;
            }
            ended.push(one(file, arguments, console, &stop).await);
        }
        ended.into_iter().unzip()
    });
    overall(statuses.into_iter().chain(outputs.write(&reported, console)))
}

fn outputs_of(arguments: &ProbeArguments) -> Outputs<'_> {
    Outputs { json: arguments.json.as_ref(), others: &arguments.outputs }
}

async fn one(
    file: &Path,
    arguments: &ProbeArguments,
    console: &Console,
    stop: &StopSignal,
) -> (Reported, u8) {
    let options = ProbeOptions {
        run: RunOptions {
            file: file.to_owned(),
            vars: arguments.scenario.vars.clone(),
            targets: arguments.scenario.targets.clone(),
            profile: arguments.scenario.profile.clone(),
            seed: arguments.seed,
            allowed_hosts: arguments.allowed_hosts.clone(),
            keep: arguments.keep,
            ..RunOptions::default()
        },
        database: arguments.database.clone(),
        levels: arguments.levels.iter().copied().map(Isolation::from).collect(),
        beside: arguments.beside.map(Isolation::from),
        expect: arguments.expect.map(Isolation::from),
        transactions: arguments.transactions,
        history: arguments.history.clone(),
    };
    console.hide_passwords(options.run.targets.iter().map(|(_, url)| url).chain(&options.database));
    let mut watcher = ConsoleWatcher::new(console);
    let ended = crate::run::probe(&options, stop, &mut watcher).await;
    drop(watcher);
    let is_alone = outputs::takes_stdout(&outputs_of(arguments).paths());
    report_ended(ended, file, console, |document, style| match is_alone {
        true => String::new(),
        false => report::probe_table(document, style),
    })
}
