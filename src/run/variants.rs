//! A scenario, and what runs beside it: its control, and the same with other retry policies.
//!
//! Each run has fixtures of its own and the seed of the first. The verdict is the scenario's; a control that
//! doesn't fail makes it inconclusive.

use std::sync::Arc;

use super::{
    RunOptions, StopSignal, Watcher,
    execute::{Finished, run_plan},
    prepare::load_run,
    trouble::RunError,
};
use crate::{
    measure::{ComparedRun, ControlOutcome, ControlResults, OperationResults},
    plan::{Control, Expected, Plan},
    scenario::{Problem, Problems, Source},
    verdict::{self, Conclusion},
};

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
    let (compiled, source) = load_run(options).map_err(RunError::Scenario)?;
    let plan = Arc::new(compiled.plan);
    watcher.secrets(&plan.secrets);
    if plan.operations.is_empty() {
        let problem = Problem::error("the scenario has no operations, only races");
        let problem = problem.hint(format!("drive them with `deadheat race {}`", options.file.display()));
        return Err(RunError::Scenario(Problems::from(problem).with_source(source)));
    }
    plan.notes.iter().for_each(|note| watcher.stage(note));
    // As many digits as a person can copy.
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let options = RunOptions { seed: Some(seed), ..options.clone() };
    let mut finished = run_plan(&plan, &source, &options, stop, watcher).await?;
    // What runs beside the scenario is another thing than the baseline was.
    let without_baseline = RunOptions { baselines: Vec::new(), ..options.clone() };
    let mut beside = Beside { source: &source, options: &without_baseline, stop, watcher };
    beside.compare(&plan, &mut finished).await;
    // A red result needs no proof that the scenario can be red.
    if finished.verdict.verdict != Conclusion::Fail
        && let Some(control) = &plan.control
        && !stop.is_stopped()
    {
        beside.control(control, &mut finished).await;
        let baseline = options.baseline_of(&finished.results);
        finished.verdict = verdict::judge(
            &plan.thresholds,
            &plan.requirements,
            &plan.grades,
            &finished.results,
            baseline.as_deref(),
        );
    }
    Ok(finished)
}

/// What the runs beside a scenario share.
struct Beside<'a> {
    source: &'a Source,
    options: &'a RunOptions,
    stop: &'a StopSignal,
    watcher: &'a mut dyn Watcher,
}

impl Beside<'_> {
    /// Runs another plan. What ends this run alone (`abort_on`) doesn't stop those after it.
    async fn run(&mut self, plan: &Arc<Plan>) -> Result<Finished, RunError> {
        let own = StopSignal::default();
        let forward = async {
            self.stop.stopped().await;
            own.stop();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = run_plan(plan, self.source, self.options, &own, self.watcher) => ended,
            () = forward => unreachable!("it waits for ever"),
        }
    }

    /// The same load with the other policies.
    async fn compare(&mut self, plan: &Plan, finished: &mut Finished) {
        let mut compared = Vec::with_capacity(plan.compared.len());
        for one in &plan.compared {
            let Some(other) = &one.plan else {
                compared.push(ComparedRun::of(one.name.clone(), &finished.results));
                continue;
            };
            if self.stop.is_stopped() {
                break;
            }
            self.watcher.stage(&format!("the same with retry: {}", one.name));
            compared.push(match self.run(other).await {
                Ok(ended) => {
                    finished.cleanup = finished.cleanup.take().or(ended.cleanup);
                    ComparedRun::of(one.name.clone(), &ended.results)
                }
                Err(error) => ComparedRun::could_not_run(one.name.clone(), why(&error)),
            });
        }
        finished.results.compared = compared;
    }

    async fn control(&mut self, control: &Control, finished: &mut Finished) {
        self.watcher.stage(&format!("the control: {}", control.patches.join("; ")));
        let mut results = ControlResults {
            patches: control.patches.clone(),
            expected: control.expect.to_string(),
            outcome: ControlOutcome::CouldNotRun,
            reasons: Vec::new(),
            started: 0,
            overlapped: 0,
            duration_ms: 0.0,
        };
        match self.run(&control.plan).await {
            Ok(ended) => {
                results.outcome = outcome(&control.expect, &ended);
                results.reasons = ended.verdict.reasons;
                let OperationResults { started, skipped, .. } = ended.results.totals;
                results.started = started - skipped;
                results.overlapped = ended.results.overlap.overlapped;
                results.duration_ms = ended.results.duration_ms;
                finished.cleanup = finished.cleanup.take().or(ended.cleanup);
            }
            Err(error) => results.reasons.push(why(&error)),
        }
        finished.results.control = Some(results);
    }
}

/// Whether a control broke what it was to break.
fn outcome(expected: &Expected, ended: &Finished) -> ControlOutcome {
    let Finished { results, verdict, .. } = ended;
    let is_broken = match expected {
        Expected::Fail => true,
        Expected::Invariant(name) => {
            results.invariants.iter().any(|invariant| invariant.name == *name && invariant.violated > 0)
        }
        Expected::Effects => results.effects.iter().any(|effects| !effects.broken.is_empty()),
        Expected::Threshold(name) => verdict
            .thresholds
            .iter()
            .any(|threshold| threshold.metric == *name && !threshold.holds && threshold.observed.is_some()),
    };
    match (verdict.verdict, is_broken) {
        (Conclusion::Fail, true) => ControlOutcome::Failed,
        (Conclusion::Fail, false) => ControlOutcome::FailedOtherwise,
        (Conclusion::Pass | Conclusion::Inconclusive, _) => ControlOutcome::Passed,
    }
}

fn why(error: &RunError) -> String {
    match error {
        RunError::Scenario(problems) => problems.render_own(false).trim().to_owned(),
        RunError::CouldNotRun(trouble) => trouble.message.clone(),
        RunError::Interrupted => "it was interrupted".to_owned(),
    }
}
