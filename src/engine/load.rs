//! The load: shards of workers on a thread each, started together, watched from beside.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    check::InvariantState,
    shard,
    shared::{EngineSettings, Shared},
    side::SideSession,
    watch::{self as watcher, Watch, Watched},
};
use crate::{
    measure::{ApplicationRecorder, Recorder, WaitRecorder},
    plan::Work,
    target::{ConnectError, http::HttpEndpointError},
};

/// What came out of it.
pub struct LoadOutcome {
    pub recorder: Recorder,
    pub waits: WaitRecorder,
    /// What the application's sessions were seen to do, when its database is watched.
    pub application: Option<ApplicationRecorder>,
    /// From the release of the workers to the end of the last one, without the warm-up.
    pub duration: Duration,
    /// Of an open load: operations planned, and those of them that were started.
    pub arrivals: Option<(u64, u64)>,
    /// Problems of watching, which don't end the run.
    pub watch_problem: Option<String>,
}

/// What goes on beside the load in the database.
pub struct Beside<'a> {
    pub control: SideSession<'a>,
    pub invariants: &'a mut InvariantState,
    /// Samples the other sessions, so that a slow invariant doesn't hold that up; `None`: nothing is sampled.
    pub sampling: Option<SideSession<'a>>,
}

/// Why there was no load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("worker {worker} can't connect: {error}")]
    Connect { worker: u32, error: ConnectError },
    #[error("{0}")]
    Service(HttpEndpointError),
    #[error("{0}")]
    Request(String),
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
    #[error("a worker thread panicked: {0}")]
    Panicked(String),
}

/// Runs the load of a plan to its end, or until the stop signal.
///
/// # Errors
/// When workers can't be started or connected, or one of their threads panicked.
pub async fn run_load(
    settings: EngineSettings,
    beside: Option<Beside<'_>>,
) -> Result<LoadOutcome, LoadError> {
    let plan = Arc::clone(&settings.plan);
    let stop = settings.stop.clone();
    let board = Arc::clone(&settings.board);
    let prefix = settings.session.application_name.clone();
    let shared = Arc::new(Shared::new(settings).map_err(LoadError::Request)?);

    let (ready_sender, mut ready) = mpsc::channel(board.shards.len());
    let (done_sender, mut done) = mpsc::channel(board.shards.len());
    let mut threads = Vec::new();
    for number in 0..board.shards.len() {
        let (shared, ready, done) = (Arc::clone(&shared), ready_sender.clone(), done_sender.clone());
        let thread = std::thread::Builder::new()
            .name(format!("shard-{number}"))
            .spawn(move || shard::run(number, shared, ready, done))
            .map_err(LoadError::Thread)?;
        threads.push(thread);
    }
    drop((ready_sender, done_sender));

    let mut failed = None;
    for _ in 0..threads.len() {
        match ready.recv().await {
            Some(Ok(())) => {}
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => break,
        }
    }
    if failed.is_some() {
        stop.stop();
    }
    let released = Instant::now();
    shared.release.send_replace(Some(released));

    let watch = Watch { plan: &plan, board: &board, prefix, released };
    let all_done = async {
        // The channel closes when every shard has let go of its end.
        while done.recv().await.is_some() {}
    };
    let watched = match beside {
        Some(beside) => watcher::watch(watch, beside, all_done).await,
        None => {
            all_done.await;
            Watched::default()
        }
    };
    let duration = released.elapsed().saturating_sub(plan.load.warmup);

    let mut recorder = Recorder::new(plan.operations.len());
    for thread in threads {
        match thread.join() {
            Ok(Ok(part)) => recorder.merge(part),
            Ok(Err(error)) => failed = failed.or(Some(LoadError::Thread(error))),
            Err(panic) => failed = failed.or(Some(LoadError::Panicked(panic_text(&*panic)))),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => {
            let arrivals = match &plan.load.work {
                Work::Arrivals(arrivals) => {
                    Some((arrivals.count(), shared.started.load(Ordering::Relaxed)))
                }
                Work::Iterations(_) | Work::Duration(_) => None,
            };
            let Watched { waits, levels, application, problem } = watched;
            recorder.isolation.extend(levels.seen);
            Ok(LoadOutcome { recorder, waits, application, duration, arrivals, watch_problem: problem })
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "for an unknown reason".to_owned())
}
