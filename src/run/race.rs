//! The races of a scenario, from the file to the verdict.

use std::{sync::Arc, time::Instant};

use super::{
    RunOptions, StopSignal, Watcher,
    database::{self, Opened},
    execute::{Finished, caught, stop_if_interrupted},
    identity::Identity,
    prepare::load_run,
    race_choice::{chosen, with_not_driven},
    race_place::{levels, mentions, side_by_side},
    schemas,
    service::{self, OpenedServices},
    trouble::{RunError, Trouble, statement_problem},
};
use crate::{
    engine::{RaceError, RaceSettings, run_race},
    measure::RaceResults,
    plan::{Plan, Race, Schedule},
    scenario::{Problems, Source},
    verdict,
};

/// What the user asked for beside what every run has.
#[derive(Debug, Clone, Default)]
pub struct RaceOptions {
    pub run: RunOptions,
    /// Only the races of these names.
    pub only: Vec<String>,
    /// Just this order of steps.
    pub schedule: Option<String>,
    /// Interleavings that can't differ are driven too.
    pub no_reduction: bool,
    /// Every schedule's events are kept.
    pub transcript: bool,
    /// Listed schedules are driven this often; once when `None`.
    pub times: Option<u64>,
}

/// Runs the races of a scenario.
///
/// # Errors
/// When the scenario is wrong or the races couldn't be driven. Whatever was made until then has been
/// removed, or is in the ledger for `clean`.
pub async fn race(
    options: &RaceOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    let file = &options.run;
    let (compiled, source) = load_run(file).map_err(RunError::Scenario)?;
    let plan = Arc::new(compiled.plan);
    watcher.secrets(&plan.secrets);
    let chosen = chosen(&plan, options, &source)?;
    let identity = Identity::new(file.seed);
    let (seed, run_id) = (identity.seed, identity.run_id.clone());
    let run = RunOptions { seed: Some(seed), ..file.clone() };
    service::check_hosts(&plan, &run)?;
    let Some(database) = &plan.database else {
        return Err(Trouble::new("a race needs a database").into());
    };
    let mut opened = database::open(&plan, database, &run_id, &run, watcher).await?;
    let mut results = identity.results(&plan, run.file.display().to_string(), Some(&opened));
    let mut races = Races {
        plan: Arc::clone(&plan),
        source: &source,
        options,
        run_id: &run_id,
        seed,
        stop,
        services: OpenedServices::default(),
        schemas: Vec::new(),
    };
    let begun = Instant::now();
    let driven = caught(races.drive(&chosen, &mut opened, watcher)).await;
    results.duration_ms = begun.elapsed().as_secs_f64() * 1e3;
    watcher.stage("cleaning up");
    std::mem::take(&mut races.services).close(watcher);
    let closed = schemas::close(opened, &races.schemas, run.keep, watcher).await;
    results.races = driven?;
    results.interrupted = stop.is_stopped();
    closed.note_in(&mut results, run.keep);
    let verdict = verdict::judge_races(&results);
    Ok(Finished { results, verdict, cleanup: closed.trouble })
}

/// What the stages of one run of races share.
pub(super) struct Races<'a> {
    pub(super) plan: Arc<Plan>,
    pub(super) source: &'a Source,
    pub(super) options: &'a RaceOptions,
    pub(super) run_id: &'a str,
    pub(super) seed: u64,
    pub(super) stop: &'a StopSignal,
    pub(super) services: OpenedServices,
    /// Of the run's own, made so far.
    pub(super) schemas: Vec<String>,
}

impl Races<'_> {
    async fn drive(
        &mut self,
        chosen: &[(usize, Option<Schedule>)],
        opened: &mut Opened,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<RaceResults>, RunError> {
        for (index, _) in chosen {
            self.check_place(&self.plan.races[*index], opened)?;
        }
        if chosen.iter().any(|(index, _)| !self.plan.races[*index].plan.requests.is_empty()) {
            let options = &self.options.run;
            self.services =
                service::open(&self.plan, options, &opened.run_id, Some(&*opened), self.stop, watcher)
                    .await?;
        }
        let mut results = Vec::new();
        for (index, only) in chosen {
            stop_if_interrupted(self.stop)?;
            results.push((*index, self.one(*index, only.as_ref(), opened, watcher).await?));
        }
        Ok(with_not_driven(&self.plan, &self.options.only, results))
    }

    pub(super) async fn one(
        &mut self,
        index: usize,
        only: Option<&Schedule>,
        opened: &mut Opened,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<RaceResults>, RunError> {
        let plan = Arc::clone(&self.plan);
        let race = &plan.races[index];
        watcher.stage(&format!("race {}", race.name));
        let alone = only.is_some() || self.options.transcript;
        let count = if alone { 1 } else { side_by_side(race, self.options.times.unwrap_or(1)) };
        let mut shards = Vec::new();
        for number in 0..count {
            shards.push(self.shard(race, number, opened).await?);
        }
        let settings = RaceSettings {
            plan: Arc::clone(&plan),
            race: index,
            levels: levels(race, opened).await?,
            endpoint: opened.endpoint.clone(),
            services: self.services.endpoints.clone(),
            seed: self.seed,
            reduce: !self.options.no_reduction,
            only: only.cloned(),
            times: self.options.times.unwrap_or(1),
            quick_deadlocks: opened.endpoint.is_embedded() && !mentions(race, &["deadlock_timeout"]),
            transcript: self.options.transcript,
            stop: self.stop.clone(),
            progress: Arc::default(),
        };
        let progress = Arc::clone(&settings.progress);
        watcher.race_begins(Arc::clone(&progress), &race.name);
        let driven = run_race(settings, shards).await;
        watcher.load_ended();
        let results = driven.map_err(|error| self.trouble(race, error))?;
        watcher.stage(&format!("race {}: {} schedules", race.name, progress.totals().done));
        Ok(results)
    }

    /// What the engine couldn't do, at its place in the file where there is one.
    fn trouble(&self, race: &Race, error: RaceError) -> RunError {
        let problem = match &error {
            RaceError::Statement { index, failure } => {
                let statement = &race.plan.statements[*index];
                let what =
                    format!("{} of session {} in race {}", statement.step, statement.operation, race.name);
                statement_problem(&statement.span, &what, failure)
            }
            RaceError::Invariant { index, failure } => {
                let invariant = &race.plan.invariants[*index];
                let what = format!("invariant {} of race {}", invariant.name, race.name);
                statement_problem(&invariant.span, &what, failure)
            }
            _ => return Trouble::new(format!("race {}: {error}", race.name)).into(),
        };
        RunError::Scenario(Problems::from(problem).with_source(self.source.clone()))
    }
}
