//! A shard: a thread with a runtime of its own and a share of the workers.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use tokio::{
    sync::mpsc,
    task::{JoinSet, LocalSet},
};

use super::{
    load::LoadError,
    shared::{Shared, StopSignal},
    worker::Worker,
};
use crate::measure::Recorder;

/// Connections that a shard opens at once: the server forks a process for each.
const CONNECTING_AT_ONCE: usize = 8;

/// Ends the other shards too when this one panics.
struct StopOnPanic(StopSignal);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

/// Connects the shard's workers, says so, and runs them to their end.
pub(super) fn run(
    number: usize,
    shared: Arc<Shared>,
    ready: mpsc::Sender<Result<(), LoadError>>,
    done: mpsc::Sender<()>,
) -> std::io::Result<Recorder> {
    let _guard = StopOnPanic(shared.settings.stop.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let recorder = Rc::new(RefCell::new(Recorder::new(shared.settings.plan.operations.len())));
    let local = LocalSet::new();
    runtime.block_on(local.run_until(work(number, &shared, &recorder, ready)));
    drop(local);
    drop(done);
    Ok(recorder.take())
}

async fn work(
    number: usize,
    shared: &Arc<Shared>,
    recorder: &Rc<RefCell<Recorder>>,
    ready: mpsc::Sender<Result<(), LoadError>>,
) {
    let shards = shared.settings.board.shards.len();
    let mine: Vec<u32> = (0..shared.settings.plan.load.concurrency)
        .filter(|worker| *worker as usize % shards == number)
        .collect();
    let mut workers = Vec::with_capacity(mine.len());
    for group in mine.chunks(CONNECTING_AT_ONCE) {
        let mut connecting = JoinSet::new();
        for worker in group.iter().copied() {
            let worker = Worker::connect(worker, number, Arc::clone(shared), Rc::clone(recorder));
            connecting.spawn_local(worker);
        }
        while let Some(connected) = connecting.join_next().await {
            match connected {
                Ok(Ok(worker)) => workers.push(worker),
                Ok(Err(error)) => {
                    let _ = ready.send(Err(error)).await;
                    return;
                }
                Err(join) => std::panic::resume_unwind(join.into_panic()),
            }
        }
    }
    // In the order of their numbers, whatever order they connected in.
    workers.sort_by_key(Worker::number);
    if ready.send(Ok(())).await.is_err() {
        return;
    }
    drop(ready);
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_local(worker.run());
    }
    while let Some(ended) = running.join_next().await {
        if let Err(join) = ended {
            std::panic::resume_unwind(join.into_panic());
        }
    }
}
