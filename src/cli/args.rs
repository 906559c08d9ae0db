//! The arguments of each command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::running::{
    FilesArguments, OutputArguments, ReachArguments, RunningArguments, ScenarioArguments,
};

/// Runs concurrency and stress tests of transactional systems from scenario files.
#[derive(Debug, Parser)]
#[command(name = "deadheat", version, propagate_version = true)]
#[command(
    after_help = "Exit status: 0 pass, 1 fail, 2 usage or invalid scenario, 3 could not run, 4 inconclusive, 130 interrupted."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Never use colour (NO_COLOR and a pipe turn it off too)
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Choose a scenario and a command by arrow keys
    Menu,
    /// Run scenarios: fixtures, load, invariants, verdict, reports, cleanup
    Run(RunArguments),
    /// Make reports of result documents; without options, the table of the terminal
    Report(ReportArguments),
    /// Drive the races of scenarios step by step through their interleavings
    Race(RaceArguments),
    /// Probe which isolation level the database keeps for a scenario
    Probe(super::probe::ProbeArguments),
    /// Write the smallest race that shows what a run broke
    Shrink(ShrinkArguments),
    /// Say how often the listed schedules of a race break something
    Replay(ReplayArguments),
    /// Validate scenarios without running them
    Check(CheckArguments),
    /// Print what a scenario will do: steps, weights, retries, locks
    Explain(ExplainArguments),
    /// Write a scenario to start from
    Init(super::init::InitArguments),
    /// Make a scenario of a PostgreSQL isolation test specification
    Import(ImportArguments),
    /// List the runs that were kept in this directory
    History(HistoryArguments),
    /// Put two runs side by side: what differs, and how sure that is
    Compare(CompareArguments),
    /// Remove what an earlier, killed run left behind
    Clean(CleanArguments),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    /// Write the manual pages
    Man(super::man::ManArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub shared: FilesArguments,
    /// Run only the scenario of this name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Run only scenarios with one of these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Hold the run against an earlier one: a baseline, a run's id, or a result document
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Keep the run as the baseline of this name
    #[arg(long, value_name = "NAME", value_parser = baseline_name)]
    pub save_baseline: Option<String>,
    /// Keep the run, and every later one in this directory
    #[arg(long, conflicts_with = "no_history")]
    pub history: bool,
    /// Don't keep the run
    #[arg(long, conflicts_with = "save_baseline")]
    pub no_history: bool,
    /// Ask the database afterwards how it carries out each statement, and name those without an index
    #[arg(long)]
    pub explain_statements: bool,
    /// Sample neither lock waits nor an application's sessions, to see what that costs
    #[arg(long)]
    pub no_sampling: bool,
    /// Serve what is counted to Prometheus while the load runs, at /metrics of this address
    #[arg(long, value_name = "IP:PORT")]
    pub prometheus: Option<std::net::SocketAddr>,
    /// Send what is counted to an OpenTelemetry collector while the load runs, with OTLP over HTTP
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ReportArguments {
    /// Result documents that `run --json` wrote (`-`: stdin)
    #[arg(required = true, value_name = "RESULT")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub outputs: OutputArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RaceArguments {
    #[command(flatten)]
    pub shared: FilesArguments,
    /// Drive only the race of this name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Drive just this order of steps: "alice.read bob.read alice bob"
    #[arg(long, value_name = "STEPS")]
    pub schedule: Option<String>,
    /// Drive interleavings too that can't differ from another one
    #[arg(long)]
    pub no_reduction: bool,
    /// Print every schedule as PostgreSQL's isolation tester does, and nothing else
    #[arg(long)]
    pub transcript: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ShrinkArguments {
    /// Result document of a run (`deadheat run --json PATH`)
    #[arg(value_name = "RESULT.json")]
    pub result: PathBuf,
    /// The file to write; NAME-race.yaml beside the scenario when not given
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that is there already
    #[arg(long)]
    pub force: bool,
    /// The scenario, when it isn't any more where the document says
    #[arg(long, value_name = "FILE")]
    pub scenario_file: Option<PathBuf>,
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Show just this: an invariant's name, or `deadlock`
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// How long the search may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub budget: std::time::Duration,
    /// Draw everything random from this number; the run's own when not given
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ReplayArguments {
    /// Scenario file (.yaml or .toml) with a race that lists its schedules
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub running: RunningArguments,
    /// How often each schedule is driven
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub times: u64,
    /// Replay only the race of this name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Replay this order of steps instead of the listed ones
    #[arg(long, value_name = "STEPS")]
    pub schedule: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArguments {
    /// Scenario files (.yaml or .toml)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Also prepare every statement on the target
    #[arg(long)]
    pub connect: bool,
    /// Check again whenever a file or an included one changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Treat warnings, like a lock out of order, as errors
    #[arg(long, visible_alias = "deny-warnings")]
    pub strict: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArguments {
    /// Scenario file (.yaml or .toml)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub scenario: ScenarioArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArguments {
    /// Specification, as PostgreSQL's isolationtester reads it
    #[arg(value_name = "FILE.spec")]
    pub file: PathBuf,
    /// Write here (`-`: to stdout) instead of FILE.yaml beside the specification
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct HistoryArguments {
    /// List only runs of this scenario
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Forget a run or a baseline (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub forget: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CompareArguments {
    /// The earlier run: a baseline, a run's id, or a result document
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// The later run
    #[arg(value_name = "AFTER")]
    pub after: String,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CleanArguments {
    /// Database whose password is used (DATABASE_URL is looked at too)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database: Option<String>,
}

/// Reads a time with its unit.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::units::parse_duration(text).map_err(|error| error.to_string())
}

/// Reads the name of a baseline.
fn baseline_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    match (text.chars().all(fits), text.chars().count(), text.ends_with(".json")) {
        (true, 1..=64, false) => Ok(text.to_owned()),
        _ => {
            Err("a name has up to 64 letters, digits, `-`, `_`, `.` and `/`, and no ending `.json`"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}
