//! Joins the stages: the only place that knows all of them.
//!
//! A file and options come in, a result document goes out. What a person sees meanwhile goes
//! through [`Watcher`]; reports are written by `cli`.

mod bounds;
mod database;
mod deadlocks;
mod execute;
mod explain;
mod identity;
mod in_use;
mod own;
mod prepare;
mod probe;
mod race;
mod race_choice;
mod race_place;
mod schemas;
mod search;
mod service;
mod shrink;
mod statement_log;
mod trouble;
mod variants;

pub use execute::Finished;
pub use prepare::{check_connected, load_plan, load_run};
pub use probe::{ProbeOptions, probe};
pub use race::{RaceOptions, race};
pub use shrink::{ShrinkOptions, Shrunk, shrink};
pub use trouble::{RunError, Trouble};
pub use variants::run;

use std::{path::PathBuf, sync::Arc};

use crate::{
    measure::{LiveBoard, RaceBoard, RunResults},
    plan::Plan,
    verdict::Baseline,
};

pub use crate::engine::StopSignal;

/// What the user asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    pub file: PathBuf,
    /// `--var NAME=VALUE`.
    pub vars: Vec<(String, String)>,
    /// `--target NAME=URL`.
    pub targets: Vec<(String, String)>,
    /// `--profile NAME`.
    pub profile: Option<String>,
    /// `--seed`; drawn when `None`.
    pub seed: Option<u64>,
    /// `--allow-host`: hosts beside this machine that may be used.
    pub allowed_hosts: Vec<String>,
    /// `--keep`: leave everything where it is.
    pub keep: bool,
    /// `--baseline`: the runs that this one may be held against, one for each scenario.
    pub baselines: Vec<Arc<Baseline>>,
    /// `--explain-statements`: ask the database for the plans of the statements.
    pub explain_statements: bool,
    /// `--no-sampling`: sample neither lock waits nor an application's sessions, and leave the server's log off.
    pub no_sampling: bool,
}

impl RunOptions {
    /// The baseline of the scenario; where only another scenario has one, that, so that it is said.
    fn baseline_of(&self, results: &RunResults) -> Option<Arc<Baseline>> {
        let own = self.baselines.iter().find(|one| one.results.scenario == results.scenario);
        own.or(self.baselines.first()).cloned()
    }
}

/// Somebody who wants to know how the run is going.
pub trait Watcher: Send {
    /// A stage begins: `starting PostgreSQL`.
    fn stage(&mut self, text: &str);
    /// Texts that no output may hold from now on.
    fn secrets(&mut self, secrets: &[String]);
    /// A warning that doesn't end the run.
    fn warning(&mut self, text: &str);
    /// The load begins; the board shows how it goes.
    fn load_begins(&mut self, board: Arc<LiveBoard>, plan: &Plan);
    /// The schedules of a race begin; the board shows how far they are.
    fn race_begins(&mut self, board: Arc<RaceBoard>, race: &str);
    /// The load or the race has ended.
    fn load_ended(&mut self);
}
