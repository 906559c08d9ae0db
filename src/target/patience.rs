//! How long a session waits for an answer. A network that fails half-way says nothing at all, and nobody
//! waits for ever.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Failure;

/// Longer than InnoDB waits for a lock when nobody says otherwise (50 seconds).
pub const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// The patience of one session.
///
/// NB: there is one timer for the session's life. Each call only looks whether it has rung, so that waiting
/// costs nothing where answers come.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Patience {
    /// Must be made inside a runtime.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        let limit = limit.unwrap_or(LONGEST_ANSWER);
        Self { limit, alarm: Box::pin(sleep(limit)) }
    }

    /// Waits for an answer. When none comes in time, what was asked for may have happened or not; the
    /// connection is in an unknown state and must not be used again.
    pub(super) async fn wait<F: Future>(&mut self, answer: F) -> Result<F::Output, Failure> {
        let mut answer = pin!(answer);
        let until = Instant::now() + self.limit;
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            // It rings for an earlier call first.
            while self.alarm.as_mut().poll(context).is_ready() {
                if Instant::now() >= until {
                    return Poll::Ready(Err(Failure::no_answer(self.limit)));
                }
                self.alarm.as_mut().reset(until);
            }
            Poll::Pending
        })
        .await
    }
}

/// Waits for a connection to be made.
pub(super) async fn connected<T, E>(
    limit: Option<Duration>,
    connecting: impl Future<Output = Result<T, E>>,
    describe: impl FnOnce() -> E,
) -> Result<T, E> {
    match timeout(limit.unwrap_or(LONGEST_ANSWER), connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(describe()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_the_whole_time() {
        let mut patience = Patience::new(Some(Duration::from_secs(10)));
        for _ in 0..5 {
            let begun = Instant::now();
            patience.wait(sleep(Duration::from_secs(9))).await.expect("in time");
            assert_eq!(begun.elapsed().as_secs(), 9);
        }
        let begun = Instant::now();
        let failure = patience.wait(std::future::pending::<()>()).await.expect_err("never");
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert!(failure.connection_lost);
        assert_eq!(failure.to_string(), "no answer within 10s");
        // And so has the next one.
        let begun = Instant::now();
        patience.wait(sleep(Duration::from_secs(9))).await.expect("in time");
        assert_eq!(begun.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_waited_for_for_ever() {
        let never = std::future::pending::<Result<(), &str>>();
        assert_eq!(connected(None, never, || "too long").await, Err("too long"));
    }
}
