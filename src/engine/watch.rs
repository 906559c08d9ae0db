//! What happens beside the load: sessions are sampled and invariants checked, on a session each, so that
//! a slow invariant doesn't hold up the samples.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    check::{InvariantState, Phase},
    levels::LevelSampler,
    load::Beside,
    sampling::{Sampling, sample_until},
    side::SideSession,
};
use crate::{
    measure::{ApplicationRecorder, LiveBoard, WaitRecorder},
    plan::Plan,
};

/// What is watched.
pub(super) struct Watch<'a> {
    pub plan: &'a Plan,
    pub board: &'a LiveBoard,
    /// Application names of the workers begin with this.
    pub prefix: String,
    pub released: Instant,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Watched {
    pub waits: WaitRecorder,
    /// Isolation levels that no transaction reads back itself.
    pub levels: LevelSampler,
    /// `None`: no service's database is watched.
    pub application: Option<ApplicationRecorder>,
    /// The first problem; sampling or checking went on as far as it could.
    pub problem: Option<String>,
}

/// Watches until `done` is. Statements on the sessions are never cut off half-way.
pub(super) async fn watch(watch: Watch<'_>, beside: Beside<'_>, done: impl Future<Output = ()>) -> Watched {
    let Beside { control, invariants, sampling } = beside;
    let (ended, mut ends) = watch::channel(false);
    let mut ends_too = ends.clone();
    let announced = async {
        done.await;
        ended.send_replace(true);
    };
    let measured_from = watch.released + watch.plan.load.warmup;
    let samples = Sampling { plan: watch.plan, board: watch.board, prefix: &watch.prefix, measured_from };
    let ((), problem, mut watched) =
        tokio::join!(announced, check_until(watch.released, control, invariants, &mut ends), async {
            match sampling {
                Some(session) => sample_until(samples, session, &mut ends_too).await,
                None => Watched::default(),
            }
        },);
    watched.problem = watched.problem.or(problem);
    watched
}

/// Returns at `moment`, or when the load has ended: then true.
pub(super) async fn sleep_unless_ended(moment: Instant, ended: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        // The sender outlives the loops, so that waiting can't fail.
        _ = ended.wait_for(|ended| *ended) => true,
        () = tokio::time::sleep_until(moment.into()) => false,
    }
}

/// Checks the invariants that have a pause; returns what kept it from that.
async fn check_until(
    released: Instant,
    mut control: SideSession<'_>,
    invariants: &mut InvariantState,
    ended: &mut watch::Receiver<bool>,
) -> Option<String> {
    let begun = Instant::now();
    let mut problem = None;
    let mut due: Vec<(usize, Duration, Instant)> =
        invariants.schedules().into_iter().map(|(index, every)| (index, every, begun + every)).collect();
    while let Some(next) = due.iter().map(|(_, _, at)| *at).min() {
        if sleep_unless_ended(next, ended).await {
            return problem;
        }
        for (index, every, at) in &mut due {
            if Instant::now() < *at {
                continue;
            }
            if let Err(error) = control.heal().await {
                problem
                    .get_or_insert_with(|| format!("invariants couldn't be checked for a while: {error}"));
            } else {
                let before = invariants.found(*index);
                let phase = Phase::During(released.elapsed());
                invariants.check(*index, phase, None, control.session).await;
                if control.session.is_lost() {
                    // That tells nothing about the invariant.
                    invariants.forget(*index, before);
                }
            }
            *at = Instant::now() + *every;
        }
    }
    problem
}
