//! The load: shards of workers on a thread each, started together, watched from beside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{
    barrier::BarrierGate,
    check::InvariantState,
    request::PreparedRequest,
    shard,
    watch::{self as watcher, Watch, Watched},
};
use crate::{
    expression::{Rows, Value},
    measure::{ApplicationRecorder, LiveBoard, Recorder, WaitRecorder},
    plan::{Operation, Plan, StatementIndex, Work},
    target::{
        ConnectError, Endpoint, Prepared, Session, SessionSettings,
        http::{HttpEndpoint, HttpEndpointError},
    },
};

/// Tells everybody that no new operation is to be started.
#[derive(Debug, Clone)]
pub struct StopSignal {
    flag: Arc<AtomicBool>,
    sender: watch::Sender<bool>,
}

impl Default for StopSignal {
    fn default() -> Self {
        Self { flag: Arc::default(), sender: watch::Sender::new(false) }
    }
}

impl StopSignal {
    /// Ends the run as soon as the operations under way have ended.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        self.sender.send_replace(true);
    }

    /// True once it was given.
    pub fn is_stopped(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Returns when it is given.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so that waiting can't fail.
        let _ = self.sender.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// Learns the rows that an `INSERT` of an operation returned, before it is committed.
pub type InsertObserver = Arc<dyn Fn(StatementIndex, &Rows) -> std::io::Result<()> + Send + Sync>;

/// What a load needs beside its plan.
pub struct LoadSettings {
    pub plan: Arc<Plan>,
    /// The plan's statements, prepared on the target.
    pub prepared: Vec<Prepared>,
    /// For each statement whether the observer wants its rows.
    pub observed: Vec<bool>,
    pub observer: Option<InsertObserver>,
    /// Values of the plan's global names; worker and iteration are set by the workers.
    pub globals: Vec<Value>,
    /// `None` for a plan without a database.
    pub endpoint: Option<Endpoint>,
    /// The plan's services.
    pub services: Vec<Arc<HttpEndpoint>>,
    /// `application_name` is the prefix that the workers add their numbers to.
    pub session: SessionSettings,
    pub seed: u64,
    pub board: Arc<LiveBoard>,
    pub stop: StopSignal,
}

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
    pub control: &'a mut Session,
    pub invariants: &'a mut InvariantState,
    /// Samples the other sessions, so that a slow invariant doesn't hold that up.
    pub sampling: &'a mut Session,
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

/// What all workers share.
pub(super) struct Shared {
    pub settings: LoadSettings,
    pub barriers: Vec<BarrierGate>,
    pub requests: Vec<PreparedRequest>,
    /// The next operation of an open load.
    pub tickets: AtomicU64,
    /// Operations of an open load that were started.
    pub started: AtomicU64,
    /// Operations by weight: the running sum of the weights up to each.
    pub cumulative: Vec<f64>,
    /// Becomes the moment of the release.
    pub release: watch::Sender<Option<Instant>>,
}

impl Shared {
    pub(super) fn new(settings: LoadSettings) -> Result<Self, LoadError> {
        let plan = &settings.plan;
        let mut sum = 0.0;
        let running_sum = |operation: &Operation| {
            sum += operation.weight;
            sum
        };
        let cumulative = plan.operations.iter().map(running_sum).collect();
        let barriers = plan
            .barriers
            .iter()
            .map(|barrier| BarrierGate::new(barrier.parties, barrier.timeout, plan.load.concurrency))
            .collect();
        let requests = plan.requests.iter().map(PreparedRequest::new);
        let requests = requests.collect::<Result<_, _>>().map_err(LoadError::Request)?;
        let (tickets, started) = (AtomicU64::new(0), AtomicU64::new(0));
        let release = watch::Sender::new(None);
        Ok(Self { settings, barriers, requests, tickets, started, cumulative, release })
    }
}

/// Runs the load of a plan to its end, or until the stop signal.
///
/// # Errors
/// When workers can't be started or connected, or one of their threads panicked.
pub async fn run_load(
    settings: LoadSettings,
    beside: Option<Beside<'_>>,
) -> Result<LoadOutcome, LoadError> {
    let plan = Arc::clone(&settings.plan);
    let stop = settings.stop.clone();
    let board = Arc::clone(&settings.board);
    let prefix = settings.session.application_name.clone();
    let shared = Arc::new(Shared::new(settings)?);

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
