//! One probe: its workers, and what they bring home.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet};

use super::{
    super::shared::StopSignal,
    draw::ProbeLists,
    worker::{Probing, Worker},
};
use crate::{
    dialect::Begin,
    isolation::{History, Transaction},
    measure::Recording,
    outcome::{Cause, Isolation},
    plan::RetryPolicy,
    target::{ConnectError, Endpoint, Failure, SessionSettings},
};

/// What a probe needs.
#[derive(Debug, Clone)]
pub struct ProbeSettings {
    pub endpoint: Endpoint,
    /// `application_name` is the prefix that the workers add their numbers to.
    pub session: SessionSettings,
    /// The table of lists, in quotes.
    pub table: String,
    pub lists: ProbeLists,
    /// How transactions begin; the server's default level when `None`.
    pub isolation: Option<Isolation>,
    pub begin: Begin,
    pub retry: RetryPolicy,
    pub workers: u32,
    /// Transactions of all workers, retries not counted.
    pub transactions: u64,
    pub seed: u64,
    /// On a server of ours a session may shorten the wait before deadlocks are looked for.
    pub quick_deadlocks: bool,
    pub stop: StopSignal,
}

/// What came out of it.
#[derive(Debug, Default)]
pub struct Probed {
    pub history: History,
    /// Transactions by the level that the server said was in force, as far as it told.
    pub in_force: BTreeMap<Isolation, u64>,
    /// Failed attempts by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// From the first lock of a committed transaction until its commit was answered.
    pub locks_held: Recording,
    pub duration: Duration,
}

impl Probed {
    pub(super) fn merge(&mut self, other: Self) {
        let Self { history, in_force, causes, locks_held, duration } = other;
        self.history.transactions.extend(history.transactions);
        for (level, count) in in_force {
            *self.in_force.entry(level).or_default() += count;
        }
        for (cause, count) in causes {
            *self.causes.entry(cause).or_default() += count;
        }
        self.locks_held.merge(&locks_held);
        self.duration = self.duration.max(duration);
    }
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("worker {worker} can't connect: {error}")]
    Connect { worker: u32, error: ConnectError },
    #[error("{statement}: {failure}")]
    Statement { statement: &'static str, failure: Failure },
    #[error("a worker panicked: {0}")]
    Panicked(String),
}

/// Runs a probe to its end, or until the stop signal.
///
/// # Errors
/// When a worker can't connect, or the server doesn't take a statement of the probe.
pub async fn run_probe(settings: ProbeSettings) -> Result<Probed, ProbeError> {
    let workers = settings.workers.max(1);
    let settings = Arc::new(settings);
    let mut connected = Vec::new();
    for number in 0..workers {
        connected.push(Worker::connect(number, Arc::clone(&settings)).await?);
    }
    let begun = Instant::now();
    let together = Arc::new(Barrier::new(connected.len()));
    let appends = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for worker in connected {
        let (together, appends) = (Arc::clone(&together), Arc::clone(&appends));
        tasks.spawn(async move {
            together.wait().await;
            Probing::new(worker, begun, appends).run().await
        });
    }
    let mut probed = Probed::default();
    while let Some(done) = tasks.join_next().await {
        probed.merge(done.map_err(|error| ProbeError::Panicked(error.to_string()))??);
    }
    probed.duration = begun.elapsed();
    probed.history.transactions.sort_by_key(|Transaction { begun, process, .. }| (*begun, *process));
    Ok(probed)
}
