//! What happens beside the load: lock waits are sampled and invariants checked, both through the
//! one control session.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use super::{check::Phase, load::Beside};
use crate::{
    measure::{LiveBoard, WaitRecorder, WaitSeen},
    plan::Plan,
    target::{LockWait, WaitSampler},
};

/// Pause between two samples: at least this, and so long that sampling takes at most a thirtieth
/// of the time, because `pg_blocking_pids` holds up others for a moment.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PAUSE_PER_COST: u32 = 30;

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
    /// The first problem; sampling or checking went on as far as it could.
    pub problem: Option<String>,
}

/// Watches until `done` is. Statements on the control session are never cut off half-way.
pub(super) async fn watch(watch: Watch<'_>, beside: Beside<'_>, done: impl Future<Output = ()>) -> Watched {
    let Beside { control, invariants } = beside;
    let mut watched = Watched::default();
    let sampler = match WaitSampler::prepare(control, &watch.prefix).await {
        Ok(sampler) => Some(sampler),
        Err(failure) => {
            watched.problem = Some(format!("lock waits can't be sampled: {failure}"));
            None
        }
    };
    let begun = Instant::now();
    let mut due: Vec<(usize, Duration, Instant)> =
        invariants.schedules().into_iter().map(|(index, every)| (index, every, begun + every)).collect();
    let mut next_sample = begun;
    let mut last_sample = begun;
    tokio::pin!(done);
    loop {
        let next_check = due.iter().map(|(_, _, at)| *at).min();
        let next = next_check.map_or(next_sample, |at| at.min(next_sample));
        tokio::select! {
            biased;
            () = &mut done => return watched,
            () = tokio::time::sleep_until(next.into()) => {}
        }
        if control.is_lost() {
            watched.problem.get_or_insert_with(|| "the control session was lost".to_owned());
            done.await;
            return watched;
        }
        for (index, every, at) in &mut due {
            if Instant::now() >= *at {
                let phase = Phase::During(watch.released.elapsed());
                invariants.check(*index, phase, None, control).await;
                *at = Instant::now() + *every;
            }
        }
        if Instant::now() >= next_sample {
            let Some(sampler) = &sampler else {
                next_sample = Instant::now() + LONGEST_PAUSE;
                continue;
            };
            let asked = Instant::now();
            match sampler.sample(control).await {
                Ok(waits) => {
                    let cost = asked.elapsed();
                    watch.board.set_waiting(waits.len());
                    let seen = waits.into_iter().map(|wait| seen(wait, &watch)).collect();
                    watched.waits.add(seen, cost, asked.duration_since(last_sample));
                    next_sample =
                        Instant::now() + (cost * PAUSE_PER_COST).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                    last_sample = asked;
                }
                Err(failure) => {
                    watched
                        .problem
                        .get_or_insert_with(|| format!("lock waits can't be sampled: {failure}"));
                    next_sample = Instant::now() + LONGEST_PAUSE;
                }
            }
        }
    }
}

fn seen(wait: LockWait, watch: &Watch<'_>) -> WaitSeen {
    let LockWait { waiting, blocking, waited_ms, since, table } = wait;
    let operation_of = |process| {
        let index = watch.board.operation_of(process)?;
        debug_assert!(index < watch.plan.operations.len());
        Some(index)
    };
    WaitSeen {
        operation: operation_of(waiting),
        blocking_operation: blocking.first().copied().and_then(operation_of),
        waiting,
        blocking,
        waited_ms,
        since,
        table,
    }
}
