//! A barrier of workers that opens again and again.

use std::{
    sync::{Mutex, PoisonError},
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
    /// The run is ending.
    Stopped,
}

/// The meeting point. A worker that gives up is taken off the count, so that those who come
/// later don't meet a ghost.
#[derive(Debug)]
pub(super) struct BarrierGate {
    parties: u32,
    timeout: Duration,
    arrived: Mutex<u32>,
    /// How often it has opened, and when it did last.
    opened: watch::Sender<(u64, Instant)>,
}

/// Takes a worker that doesn't wait any more off the count, however its waiting ends.
struct Arrival<'a> {
    gate: &'a BarrierGate,
    generation: u64,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut arrived = self.gate.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if self.gate.opened.borrow().0 == self.generation {
            *arrived -= 1;
        }
    }
}

impl BarrierGate {
    pub(super) fn new(parties: u32, timeout: Duration) -> Self {
        Self { parties, timeout, arrived: Mutex::new(0), opened: watch::Sender::new((0, Instant::now())) }
    }

    /// Returns how it ended, and the moment at which the barrier opened.
    pub(super) async fn wait(&self, stop: &StopSignal) -> (Passed, Instant) {
        let mut opened = self.opened.subscribe();
        let Some(arrival) = self.arrive() else {
            let moment = self.opened.borrow().1;
            return (Passed::Opened, moment);
        };
        let generation = arrival.generation;
        let ended = tokio::select! {
            biased;
            _ = opened.wait_for(|(now, _)| *now != generation) => Passed::Opened,
            () = stop.stopped() => Passed::Stopped,
            () = tokio::time::sleep(self.timeout) => Passed::TimedOut,
        };
        drop(arrival);
        let (now, moment) = *self.opened.borrow();
        // It may have opened at the last moment.
        if now == generation { (ended, moment) } else { (Passed::Opened, moment) }
    }

    /// `None` for the last one, who opens it.
    fn arrive(&self) -> Option<Arrival<'_>> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.opened.borrow().0;
        *arrived += 1;
        if *arrived < self.parties {
            return Some(Arrival { gate: self, generation });
        }
        *arrived = 0;
        self.opened.send_replace((generation + 1, Instant::now()));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_for_the_last_one_and_again() {
        let gate = Arc::new(BarrierGate::new(2, Duration::from_secs(5)));
        let stop = StopSignal::default();
        for _ in 0..2 {
            let (one, other) = tokio::join!(gate.wait(&stop), gate.wait(&stop));
            assert_eq!((one.0, other.0), (Passed::Opened, Passed::Opened));
            assert_eq!(one.1, other.1, "both know the moment");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_not_counted() {
        let gate = BarrierGate::new(2, Duration::from_secs(5));
        let stop = StopSignal::default();
        assert_eq!(gate.wait(&stop).await.0, Passed::TimedOut);
        drop(Box::pin(gate.wait(&stop)));
        let cut = tokio::time::timeout(Duration::from_millis(1), gate.wait(&stop)).await;
        assert!(cut.is_err(), "cut off while it waits");
        assert_eq!(gate.wait(&stop).await.0, Passed::TimedOut, "one alone never opens it");
        stop.stop();
        assert_eq!(gate.wait(&stop).await.0, Passed::Stopped);
    }
}
