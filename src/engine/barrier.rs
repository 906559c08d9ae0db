//! A barrier of workers that opens again and again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::load::StopSignal;

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
    generation: watch::Sender<u64>,
}

impl BarrierGate {
    pub(super) fn new(parties: u32, timeout: Duration) -> Self {
        Self { parties, timeout, arrived: Mutex::new(0), generation: watch::Sender::new(0) }
    }

    pub(super) async fn wait(&self, stop: &StopSignal) -> Passed {
        let mut opened = self.generation.subscribe();
        let before = *opened.borrow_and_update();
        if self.arrive() {
            return Passed::Opened;
        }
        let ended = tokio::select! {
            biased;
            _ = opened.wait_for(|generation| *generation != before) => Passed::Opened,
            () = stop.stopped() => Passed::Stopped,
            () = tokio::time::sleep(self.timeout) => Passed::TimedOut,
        };
        if ended != Passed::Opened {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have opened while the lock was being taken.
            if *self.generation.borrow() != before {
                return Passed::Opened;
            }
            *arrived -= 1;
        }
        ended
    }

    /// True for the last one, who opens it.
    fn arrive(&self) -> bool {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        *arrived += 1;
        if *arrived < self.parties {
            return false;
        }
        *arrived = 0;
        self.generation.send_modify(|generation| *generation += 1);
        true
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
            assert_eq!((one, other), (Passed::Opened, Passed::Opened));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_not_counted() {
        let gate = BarrierGate::new(2, Duration::from_secs(5));
        let stop = StopSignal::default();
        assert_eq!(gate.wait(&stop).await, Passed::TimedOut);
        assert_eq!(gate.wait(&stop).await, Passed::TimedOut, "one alone never opens it");
        stop.stop();
        assert_eq!(gate.wait(&stop).await, Passed::Stopped);
    }
}
