//! What all workers share, whether they carry out a load or a race.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;

use super::{barrier::BarrierGate, request::PreparedRequest};
use crate::{
    expression::{Rows, Value},
    measure::LiveBoard,
    plan::{Operation, Plan, StatementIndex},
    target::{Endpoint, Prepared, SessionSettings, http::HttpEndpoint},
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

/// For each statement the values that it was first carried out with.
pub type StatementSamples = Vec<OnceLock<Vec<Value>>>;

/// What workers need beside their plan.
pub struct EngineSettings {
    pub plan: Arc<Plan>,
    /// The plan's statements, prepared on the target.
    pub prepared: Vec<Prepared>,
    /// For each statement whether the observer wants its rows.
    pub observed: Vec<bool>,
    pub observer: Option<InsertObserver>,
    /// `None` when nobody wants to know.
    pub samples: Option<Arc<StatementSamples>>,
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

/// What all workers share.
pub(super) struct Shared {
    pub settings: EngineSettings,
    pub barriers: Vec<BarrierGate>,
    pub requests: Vec<PreparedRequest>,
    /// The next operation of an open load.
    pub tickets: AtomicU64,
    /// Operations of an open load that were started.
    pub started: AtomicU64,
    /// Measured operations that met another one, where the load ends by their number.
    pub overlapped: AtomicU64,
    /// Operations by weight: the running sum of the weights up to each.
    pub cumulative: Vec<f64>,
    /// Becomes the moment of the release.
    pub release: watch::Sender<Option<Instant>>,
}

impl Shared {
    /// # Errors
    /// A request that can't be prepared.
    pub(super) fn new(settings: EngineSettings) -> Result<Self, String> {
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
        let requests = requests.collect::<Result<_, _>>()?;
        let (tickets, started, overlapped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let release = watch::Sender::new(None);
        Ok(Self { settings, barriers, requests, tickets, started, overlapped, cumulative, release })
    }
}
