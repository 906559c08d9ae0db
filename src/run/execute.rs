//! One run, stage by stage.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;

use super::{
    RunOptions, StopSignal, Watcher, bounds,
    database::{self, Closed, Opened},
    deadlocks::{CountedDeadlocks, DeadlockCount},
    explain,
    identity::{Identity, processors},
    prepare::{prepare_statements, seed, statements},
    service::{self, OpenedServices},
    statement_log::{LogFollower, LogRead},
    trouble::{RunError, Trouble, statement_problem},
};
use crate::{
    dialect::Dialect,
    engine::{
        Beside, EffectState, EngineSettings, InvariantState, LoadOutcome, SideSession, check_invariants,
        run_load,
    },
    expression::Value,
    fixture,
    measure::{
        Collected, EffectResults, FixtureResults, LiveBoard, RunResults, TableRows, TuningResults, collect,
    },
    plan::Plan,
    scenario::{Problems, Source},
    target::Session,
    verdict::{self, Verdict},
};

/// A run that was made, whatever its verdict.
#[derive(Debug)]
pub struct Finished {
    pub results: RunResults,
    pub verdict: Verdict,
    /// Why something of the run is still there.
    pub cleanup: Option<Trouble>,
}

/// What the stages between set-up and cleanup bring home.
struct Measured {
    outcome: LoadOutcome,
    invariants: Option<InvariantState>,
    effects: Vec<EffectResults>,
    deadlocks: Option<DeadlockCount>,
    log: Option<Result<LogFollower, Trouble>>,
    tuning: TuningResults,
}

/// Runs a plan, with the seed that the options name.
///
/// # Errors
/// When the scenario is wrong or the run couldn't be made. Whatever was made until then has been
/// removed, or is in the ledger for `clean`.
pub(super) async fn run_plan(
    plan: &Arc<Plan>,
    source: &Source,
    options: &RunOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    let identity = Identity::new(options.seed);
    let run_id = identity.run_id.clone();

    // 1. What may be touched and what is needed is checked; the database is reached, and everything
    //    that will be made is written down first.
    service::check_hosts(plan, options)?;
    bounds::check_descriptors(plan)?;
    bounds::check_memory(plan)?;
    let mut opened = match &plan.database {
        Some(database) => Some(database::open(plan, database, &run_id, options, watcher).await?),
        None => None,
    };
    let mut results = RunResults {
        file_text: Some(source.without_secrets()),
        vars: options.vars.iter().cloned().collect(),
        profile: options.profile.clone(),
        unchecked: plan.unchecked.clone(),
        ..identity.results(plan, options.file.display().to_string(), opened.as_ref())
    };
    let mut run = Run {
        plan: Arc::clone(plan),
        source,
        options,
        run_id: &run_id,
        board: board(plan),
        stop,
        services: OpenedServices::default(),
    };

    // 2. Tables, rows, services, statements, load and invariants. Whatever goes wrong: 3. follows.
    let mut measured = caught(run.stages(&mut opened, &mut results, watcher)).await;

    // 3. Cleanup, always.
    watcher.stage("cleaning up");
    let all_ended = run.services.are_all_started();
    run.services.close(watcher);
    let deadlocks = match (&measured, &mut opened) {
        (Ok(measured), Some(opened)) => measured.deadlocks_since(opened, all_ended, stop).await,
        _ => None,
    };
    let log = measured.as_mut().ok().and_then(|measured| measured.log.take());
    let log = log.map(|log| log.map_or_else(LogRead::not_begun, LogFollower::end)).unwrap_or_default();
    let closed = match opened {
        Some(opened) => opened.close(options.keep, watcher).await,
        None => Closed { gone: true, ..Closed::default() },
    };
    let Measured { outcome, invariants, effects, deadlocks: _, log: _, tuning } = measured?;
    closed.note_in(&mut results, options.keep);
    if options.keep || closed.trouble.is_some() {
        results.fixtures.remaining = results.fixtures.created;
    }
    for (table, left) in &closed.remaining {
        results.fixtures.remaining += left;
        results.fixtures.tables.entry(table.clone()).or_default().remaining = *left;
    }

    // 4. Records become results, results a verdict.
    if let Some(problem) = &outcome.watch_problem {
        watcher.warning(problem);
    }
    results.aborted = outcome.recorder.aborted.clone();
    results.interrupted = stop.is_stopped() && results.aborted.is_none();
    let LoadOutcome { recorder, waits, application, duration, arrivals, watch_problem } = outcome;
    let (recorder, waits, board) = (&recorder, &waits, &*run.board);
    let LogRead { findings: log, unknown: log_unknown } = log;
    let collected = Collected { recorder, waits, application, log, board, duration, arrivals };
    collect(&mut results, plan, collected);
    if let Some(application) = &mut results.application {
        application.unknown.extend(watch_problem);
        application.unknown.extend(log_unknown.map(|why| format!("what the server's log tells: {why}")));
    }
    if let Some(CountedDeadlocks { before, after, unknown }) = deadlocks {
        let server = recorder.deadlocks.beside(before, after, unknown);
        if let Some(application) = &mut results.application {
            application.deadlocks = server.counted();
            application.unknown.extend(server.unknown.clone());
        }
        results.deadlocks.server = Some(server);
    }
    results.invariants = invariants.map(InvariantState::into_results).unwrap_or_default();
    results.effects = effects;
    results.incidents = verdict::incidents(plan, &results);
    results.tuning = verdict::tuning(&results, tuning);
    let verdict = verdict::judge(
        &plan.thresholds,
        &plan.requirements,
        &plan.grades,
        &results,
        options.baseline_of(&results).as_deref(),
    );
    Ok(Finished { results, verdict, cleanup: closed.trouble })
}

impl Measured {
    /// Who has interrupted the run isn't kept waiting.
    async fn deadlocks_since(
        &self,
        opened: &mut Opened,
        all_ended: bool,
        stop: &StopSignal,
    ) -> Option<CountedDeadlocks> {
        let answers =
            self.outcome.recorder.operations.iter().map(|one| one.requests.deadlock_answers).sum();
        let told = if stop.is_stopped() { 0 } else { answers };
        self.deadlocks.as_ref()?.since(opened, all_ended, told).await
    }
}

/// What the stages of one run share.
struct Run<'a> {
    plan: Arc<Plan>,
    source: &'a Source,
    options: &'a RunOptions,
    run_id: &'a str,
    board: Arc<LiveBoard>,
    stop: &'a StopSignal,
    services: OpenedServices,
}

impl Run<'_> {
    async fn stages(
        &mut self,
        opened: &mut Option<Opened>,
        results: &mut RunResults,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, RunError> {
        let plan = Arc::clone(&self.plan);
        let mut globals = fixture::globals(&plan, self.run_id, results.seed);
        let mut prepared = Prepared::default();
        let (mut invariants, mut effects) = (None, None);
        if let Some(opened) = opened {
            let seeded = self.make(opened, &mut results.fixtures, watcher).await?;
            globals = seeded.globals;
            prepared = self.prepare(opened, &seeded.tables, watcher).await?;
            let state = InvariantState::prepare(&plan, &globals, &mut opened.session).await;
            invariants = Some(state.map_err(|(index, failure)| {
                Trouble::failure(&format!("invariant {}", plan.invariants[index].name), &failure)
            })?);
        }
        self.services =
            service::open(&plan, self.options, self.run_id, opened.as_ref(), self.stop, watcher).await?;
        results.environment.targets.extend(self.services.info(&plan));
        if let (Some(opened), Some(invariants)) = (opened.as_mut(), &mut invariants) {
            check_invariants(invariants, &mut opened.session, None).await;
            effects = Some(EffectState::begin(&plan, &mut opened.session).await);
        }
        stop_if_interrupted(self.stop)?;
        let followed = opened.as_ref().filter(|_| !self.options.no_sampling);
        let log = followed.and_then(|opened| LogFollower::begin(&plan, opened));
        let (mut sampling, deadlocks) = self.begin_watching(opened.as_mut()).await?;

        watcher.stage(&format!("connecting {} workers", plan.load.concurrency));
        watcher.load_begins(Arc::clone(&self.board), &plan);
        let samples = self.options.explain_statements.then(|| Arc::new(explain::samples(&plan)));
        let mut settings = self.load_settings(opened.as_ref(), prepared, globals, results.seed);
        settings.samples = samples.clone();
        let beside = opened.as_mut().zip(invariants.as_mut()).map(|(opened, invariants)| {
            let (for_control, for_sampling) =
                (opened.side_settings("control"), opened.side_settings("watch"));
            let endpoint = &opened.endpoint;
            let side = |session, settings| SideSession { session, endpoint, settings };
            Beside {
                control: side(&mut opened.session, for_control),
                invariants,
                sampling: sampling.as_mut().map(|sampling| side(sampling, for_sampling)),
            }
        });
        let outcome = run_load(settings, beside).await;
        watcher.load_ended();
        if let Some(sampling) = sampling {
            sampling.close().await;
        }
        let mut outcome = outcome.map_err(|error| Trouble::new(error.to_string()))?;
        let mut compared = Vec::new();

        if let (Some(opened), Some(invariants)) = (opened.as_mut(), &mut invariants) {
            watcher.stage("checking invariants");
            opened.heal(self.stop).await;
            check_invariants(invariants, &mut opened.session, Some(&outcome.recorder)).await;
            if let Some(effects) = effects {
                let is_alone = !opened.works_on_existing_tables();
                compared = effects.compare(&mut opened.session, &mut outcome.recorder, is_alone).await;
            }
        }
        let tuning = match (opened.as_mut(), samples) {
            (Some(opened), Some(samples)) => {
                watcher.stage("asking for the plans of statements");
                explain::explain(&plan, &samples, &mut opened.session).await
            }
            _ => TuningResults::default(),
        };
        Ok(Measured { outcome, invariants, effects: compared, deadlocks, log, tuning })
    }

    /// A session to sample with, and the deadlocks that the database has counted so far.
    async fn begin_watching(
        &self,
        opened: Option<&mut Opened>,
    ) -> Result<(Option<Session>, Option<DeadlockCount>), RunError> {
        let Some(opened) = opened else { return Ok((None, None)) };
        let sampling = match self.options.no_sampling {
            true => None,
            false => Some(opened.sampling_session().await?),
        };
        let watched = self.plan.services.iter().any(|service| service.watched);
        Ok((sampling, Some(DeadlockCount::begin(opened, watched).await)))
    }

    /// Tables and fixtures.
    async fn make(
        &self,
        opened: &mut Opened,
        fixtures: &mut FixtureResults,
        watcher: &mut dyn Watcher,
    ) -> Result<fixture::Seeded, RunError> {
        opened.make_tables().await?;
        for setup in &self.plan.setup {
            opened.session.script(&setup.text).await.map_err(|failure| {
                let problem = statement_problem(&setup.span, "the control's SQL", &failure);
                RunError::Scenario(Problems::from(problem).with_source(self.source.clone()))
            })?;
        }
        stop_if_interrupted(self.stop)?;
        watcher.stage("making fixtures");
        let seeded = seed(&self.plan, opened).await.map_err(Trouble::from)?;
        for (table, created) in &seeded.tables {
            fixtures.created += created;
            fixtures.tables.insert(table.clone(), TableRows { created: *created, remaining: 0 });
        }
        stop_if_interrupted(self.stop)?;
        Ok(seeded)
    }

    /// Statements, and statistics of the tables.
    async fn prepare(
        &self,
        opened: &mut Opened,
        tables: &[(String, u64)],
        watcher: &mut dyn Watcher,
    ) -> Result<Prepared, RunError> {
        let (texts, observed, observer) = statements(&self.plan, opened, watcher).await?;
        let statements = prepare_statements(&self.plan, self.source, &texts, &mut opened.session).await?;
        if !opened.works_on_existing_tables() {
            // Statistics of freshly made tables: without them the first plans are bad ones.
            for (table, _) in tables {
                let analyse = match opened.session.dialect() {
                    Dialect::Postgres | Dialect::Sqlite => "ANALYZE",
                    Dialect::MySql => "ANALYZE TABLE",
                };
                let analysed = opened.session.script(&format!("{analyse} {table}")).await;
                analysed.map_err(|failure| {
                    Trouble::failure(&format!("table {table} can't be analysed"), &failure)
                })?;
            }
        }
        Ok(Prepared { statements, observed, observer })
    }

    fn load_settings(
        &self,
        opened: Option<&Opened>,
        prepared: Prepared,
        globals: Vec<Value>,
        seed: u64,
    ) -> EngineSettings {
        let Prepared { statements, observed, observer } = prepared;
        EngineSettings {
            plan: Arc::clone(&self.plan),
            prepared: statements,
            observed,
            observer,
            samples: None,
            globals,
            endpoint: opened.map(|opened| opened.endpoint.clone()),
            services: self.services.endpoints.clone(),
            session: opened.map(|opened| opened.settings.clone()).unwrap_or_default(),
            seed,
            board: Arc::clone(&self.board),
            stop: self.stop.clone(),
        }
    }
}

/// The plan's statements, as the server knows them.
#[derive(Default)]
struct Prepared {
    statements: Vec<crate::target::Prepared>,
    observed: Vec<bool>,
    observer: Option<fixture::RowObserver>,
}

/// Turns a panic into an error, so that cleanup follows all the same.
pub(super) async fn caught<T>(stages: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    match AssertUnwindSafe(stages).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .copied()
                .or(panic.downcast_ref::<String>().map(String::as_str));
            let message = format!("deadheat itself failed: {}", text.unwrap_or("for an unknown reason"));
            Err(Trouble::new(message).hint("this is a bug in deadheat; please report it").into())
        }
    }
}

pub(super) fn stop_if_interrupted(stop: &StopSignal) -> Result<(), RunError> {
    if stop.is_stopped() { Err(RunError::Interrupted) } else { Ok(()) }
}

/// A shard for each processor, but none without a worker.
fn board(plan: &Plan) -> Arc<LiveBoard> {
    let workers = plan.load.concurrency as usize;
    let board = LiveBoard::new(processors().min(workers), workers);
    Arc::new(board.with_operations(plan.operations.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let stages = async {
            assert!(std::hint::black_box(false), "the sky fell");
            Ok(())
        };
        match caught(stages).await {
            Err(RunError::CouldNotRun(trouble)) => assert!(trouble.message.contains("the sky fell")),
            other => panic!("{other:?}"),
        }
    }
}
