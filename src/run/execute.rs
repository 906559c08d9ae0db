//! One run, stage by stage.

use std::{panic::AssertUnwindSafe, sync::Arc, time::SystemTime};

use futures_util::FutureExt;

use super::{
    RunOptions, StopSignal, Watcher,
    database::{self, Opened},
    prepare::{load_plan, prepare_statements, seed, statements},
    trouble::{RunError, Trouble},
};
use crate::{
    engine::{InvariantState, LoadOutcome, LoadSettings, check_invariants, run_load},
    expression::Value,
    measure::{Environment, FixtureResults, LiveBoard, RunResults, TableRows, collect},
    plan::Plan,
    scenario::Source,
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
    invariants: InvariantState,
}

/// Runs a scenario from its file to its verdict.
///
/// # Errors
/// When the scenario is wrong or the run couldn't be made. Whatever was made until then has been
/// removed, or is in the ledger for `clean`.
pub async fn run(
    options: &RunOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    // 1. The file becomes a plan.
    let (compiled, source) =
        load_plan(&options.file, &options.vars, &options.targets).map_err(RunError::Scenario)?;
    let plan = Arc::new(compiled.plan);
    watcher.secrets(&plan.secrets);
    // As many digits as a person can copy.
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let options = RunOptions { seed: Some(seed), ..options.clone() };
    let started_at = SystemTime::now();

    // 2. The database is reached, and everything that will be made is written down first.
    let mut opened = database::open(&plan, &options, watcher).await?;
    let mut results = RunResults {
        scenario: plan.name.clone(),
        description: plan.description.clone(),
        file: options.file.display().to_string(),
        run_id: opened.run_id.clone(),
        seed,
        started_at: jiff::Timestamp::try_from(started_at)
            .map(|moment| moment.to_string())
            .unwrap_or_default(),
        environment: environment(&plan, &opened),
        ..RunResults::default()
    };
    let board = board(&plan);

    // 3. Tables, rows, statements, load and invariants. Whatever goes wrong: 4. follows.
    let stages = stages(&plan, &source, &mut opened, &board, stop, &mut results.fixtures, watcher);
    let measured = caught(stages).await;

    // 4. Cleanup, always.
    watcher.stage("cleaning up");
    let closed = opened.close(&plan, options.keep, watcher).await;
    let Measured { outcome, invariants } = measured?;
    results.fixtures.cleaned = !options.keep && closed.trouble.is_none();
    results.fixtures.note = closed.trouble.as_ref().map(|trouble| trouble.message.clone());
    if options.keep || closed.trouble.is_some() {
        results.fixtures.remaining = results.fixtures.created;
    }
    for (table, left) in &closed.remaining {
        results.fixtures.remaining += left;
        results.fixtures.tables.entry(table.clone()).or_default().remaining = *left;
    }

    // 5. Records become results, results a verdict.
    collect(&mut results, &plan, &outcome.recorder, &outcome.waits, &board, outcome.duration);
    results.interrupted = stop.is_stopped();
    results.invariants = invariants.into_results();
    if let Some(problem) = &outcome.watch_problem {
        watcher.warning(problem);
    }
    let verdict = verdict::judge(&plan.thresholds, &plan.grades, &results);
    Ok(Finished { results, verdict, cleanup: closed.trouble })
}

async fn stages(
    plan: &Arc<Plan>,
    source: &Source,
    opened: &mut Opened,
    board: &Arc<LiveBoard>,
    stop: &StopSignal,
    fixtures: &mut FixtureResults,
    watcher: &mut dyn Watcher,
) -> Result<Measured, RunError> {
    opened.make_tables(plan).await?;
    stop_if_interrupted(stop)?;
    watcher.stage("making fixtures");
    let seeded = seed(plan, opened).await.map_err(Trouble::from)?;
    for (table, created) in &seeded.tables {
        fixtures.created += created;
        fixtures.tables.insert(table.clone(), TableRows { created: *created, remaining: 0 });
    }
    stop_if_interrupted(stop)?;

    let (texts, observed, observer) = statements(plan, opened, watcher).await?;
    let prepared = prepare_statements(plan, source, &texts, &mut opened.session).await?;
    let mut invariants = InvariantState::prepare(plan, &seeded.globals, &mut opened.session)
        .await
        .map_err(|(index, failure)| {
            Trouble::failure(&format!("invariant {}", plan.invariants[index].name), &failure)
        })?;
    if !opened.works_on_existing_tables() {
        // Statistics of freshly made tables: without them the first plans are bad ones.
        for (table, _) in &seeded.tables {
            let analysed = opened.session.script(&format!("ANALYZE {table}")).await;
            analysed.map_err(|failure| {
                Trouble::failure(&format!("table {table} can't be analysed"), &failure)
            })?;
        }
    }
    check_invariants(&mut invariants, &mut opened.session, None).await;
    stop_if_interrupted(stop)?;

    watcher.stage(&format!("connecting {} workers", plan.load.concurrency));
    watcher.load_begins(Arc::clone(board), plan.load.work);
    let settings = LoadSettings {
        observed,
        observer,
        ..load_settings(plan, opened, board, stop, prepared, seeded.globals)
    };
    let outcome = run_load(settings, &mut opened.session, &mut invariants).await;
    watcher.load_ended();
    let outcome = outcome.map_err(|error| Trouble::new(error.to_string()))?;

    watcher.stage("checking invariants");
    if opened.session.is_lost() {
        opened.session = opened.fresh_session().await?;
    }
    check_invariants(&mut invariants, &mut opened.session, Some(&outcome.recorder)).await;
    Ok(Measured { outcome, invariants })
}

/// Turns a panic into an error, so that cleanup follows all the same.
async fn caught<T>(stages: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
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

fn load_settings(
    plan: &Arc<Plan>,
    opened: &Opened,
    board: &Arc<LiveBoard>,
    stop: &StopSignal,
    prepared: Vec<crate::target::Prepared>,
    globals: Vec<Value>,
) -> LoadSettings {
    LoadSettings {
        plan: Arc::clone(plan),
        observed: Vec::new(),
        prepared,
        observer: None,
        globals,
        endpoint: opened.endpoint.clone(),
        session: opened.settings.clone(),
        seed: opened.seed,
        board: Arc::clone(board),
        stop: stop.clone(),
    }
}

fn stop_if_interrupted(stop: &StopSignal) -> Result<(), RunError> {
    if stop.is_stopped() { Err(RunError::Interrupted) } else { Ok(()) }
}

fn environment(plan: &Plan, opened: &Opened) -> Environment {
    Environment {
        deadheat: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processors: processors(),
        concurrency: plan.load.concurrency,
        targets: [(plan.database.target.clone(), opened.info.clone())].into(),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A shard for each processor, but none without a worker.
fn board(plan: &Plan) -> Arc<LiveBoard> {
    let workers = plan.load.concurrency as usize;
    Arc::new(LiveBoard::new(processors().min(workers), workers))
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
