//! A barrier of workers that opens again and again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::shared::StopSignal;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// Enough workers came.
    Opened,
    /// Too few came in time.
    TimedOut,
    /// The run is ending, or too few workers are left.
    Stopped,
}

/// The meeting point. A worker that gives up is taken off the count, so that those who come
/// later don't meet a ghost; once too few workers are left nobody waits any more.
#[derive(Debug)]
pub(super) struct BarrierGate {
    parties: u32,
    timeout: Duration,
    count: Mutex<Count>,
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct Count {
    arrived: u32,
    /// Workers that may still come.
    workers: u32,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// How often it has opened, and when it did last.
    generation: u64,
    opened: Instant,
    /// Fewer workers are left than it takes.
    deserted: bool,
}

/// Takes a worker that doesn't wait any more off the count, however its waiting ends.
struct Arrival<'a> {
    gate: &'a BarrierGate,
    generation: u64,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut count = self.gate.count();
        if self.gate.state.borrow().generation == self.generation {
            count.arrived -= 1;
        }
    }
}

impl BarrierGate {
    /// `workers`: of the whole run.
    pub(super) fn new(parties: u32, timeout: Duration, workers: u32) -> Self {
        let state = State { generation: 0, opened: Instant::now(), deserted: workers < parties };
        Self {
            parties,
            timeout,
            count: Mutex::new(Count { arrived: 0, workers }),
            state: watch::Sender::new(state),
        }
    }

    /// Returns how it ended, and the moment at which the barrier opened.
    pub(super) async fn wait(&self, stop: &StopSignal) -> (Passed, Instant) {
        let mut state = self.state.subscribe();
        let Some(arrival) = self.arrive() else {
            return (Passed::Opened, self.state.borrow().opened);
        };
        let generation = arrival.generation;
        let ended = tokio::select! {
            biased;
            _ = state.wait_for(|now| now.generation != generation || now.deserted) => Passed::Stopped,
            () = stop.stopped() => Passed::Stopped,
            () = tokio::time::sleep(self.timeout) => Passed::TimedOut,
        };
        drop(arrival);
        // It may have opened at the last moment.
        let now = *self.state.borrow();
        let passed = if now.generation == generation { ended } else { Passed::Opened };
        (passed, now.opened)
    }

    /// A worker has ended and won't come any more.
    pub(super) fn leave(&self) {
        let mut count = self.count();
        count.workers = count.workers.saturating_sub(1);
        if count.workers < self.parties {
            self.state.send_modify(|state| state.deserted = true);
        }
    }

    /// `None` for the last one, who opens it.
    fn arrive(&self) -> Option<Arrival<'_>> {
        let mut count = self.count();
        let generation = self.state.borrow().generation;
        count.arrived += 1;
        if count.arrived < self.parties {
            return Some(Arrival { gate: self, generation });
        }
        count.arrived = 0;
        self.state.send_modify(|state| {
            state.generation += 1;
            state.opened = Instant::now();
        });
        None
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_for_the_last_one_and_again() {
        let gate = Arc::new(BarrierGate::new(2, Duration::from_secs(5), 4));
        let stop = StopSignal::default();
        for _ in 0..2 {
            let (one, other) = tokio::join!(gate.wait(&stop), gate.wait(&stop));
            assert_eq!((one.0, other.0), (Passed::Opened, Passed::Opened));
            assert_eq!(one.1, other.1, "both know the moment");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_not_counted() {
        let gate = BarrierGate::new(2, Duration::from_secs(5), 4);
        let stop = StopSignal::default();
        assert_eq!(gate.wait(&stop).await.0, Passed::TimedOut);
        drop(Box::pin(gate.wait(&stop)));
        let cut = tokio::time::timeout(Duration::from_millis(1), gate.wait(&stop)).await;
        assert!(cut.is_err(), "cut off while it waits");
        assert_eq!(gate.wait(&stop).await.0, Passed::TimedOut, "one alone never opens it");
        stop.stop();
        assert_eq!(gate.wait(&stop).await.0, Passed::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_when_too_few_are_left() {
        let gate = BarrierGate::new(2, Duration::from_secs(5), 3);
        let stop = StopSignal::default();
        gate.leave();
        let waiting = async {
            tokio::task::yield_now().await;
            gate.leave();
        };
        let begun = tokio::time::Instant::now();
        let (waited, ()) = tokio::join!(gate.wait(&stop), waiting);
        assert_eq!(waited.0, Passed::Stopped);
        assert_eq!(gate.wait(&stop).await.0, Passed::Stopped, "nor does one who comes later");
        assert!(begun.elapsed().is_zero());
    }
}
