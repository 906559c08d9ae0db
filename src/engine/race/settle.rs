//! Finds out what becomes of the steps under way: done, or waiting for another session.

use std::time::{Duration, Instant};

use super::{drive::Driver, lane::Lane};
use crate::{
    plan::{Blocked, RaceAction, Step},
    target::Failure,
};

/// A step that doesn't wait for another session may take this long.
const LONGEST_STEP: Duration = Duration::from_secs(30);
/// A deadlock is resolved within this time, on a server with the usual `deadlock_timeout` of a second.
const DEADLOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between looks, in milliseconds: timers have a granularity of one, so that the first looks
/// follow each other at once.
const PAUSES: [u64; 8] = [0, 0, 1, 1, 2, 4, 8, 16];

impl Driver {
    /// Waits until each of these sessions' steps is done or known to wait.
    pub(super) async fn until_settled(&mut self, of: &[usize], ask_at_once: bool) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut looks = if ask_at_once { 0 } else { 2 };
        let mut ask = ask_at_once;
        loop {
            let open = |lanes: &[Lane]| -> Vec<usize> {
                of.iter().copied().filter(|session| lanes[*session].is_open()).collect()
            };
            if ask && !open(&self.lanes).is_empty() {
                let blocked = self.blocked(&open(&self.lanes), &self.waiting_in_server()).await?;
                // It may have come in while the server was asked.
                self.look().await;
                for session in open(&self.lanes) {
                    if blocked.contains(&session) {
                        self.tell_waiting(session);
                    }
                }
            }
            if open(&self.lanes).is_empty() {
                return Ok(());
            }
            if begun.elapsed() > LONGEST_STEP {
                for session in open(&self.lanes) {
                    self.cancel(session).await?;
                }
                return Ok(());
            }
            let pause = PAUSES[looks.min(PAUSES.len() - 1)];
            if pause > 0 {
                self.next_arrival(Duration::from_millis(pause)).await;
            }
            (looks, ask) = (looks + 1, true);
        }
    }

    /// Asks the server which of these sessions wait for another one. A request waits when somebody who
    /// isn't of the race does: the service's own sessions aren't known. `known`: others that waited so far.
    async fn blocked(&mut self, of: &[usize], known: &[usize]) -> Result<Vec<usize>, Failure> {
        let (requests, statements): (Vec<usize>, Vec<usize>) =
            of.iter().partition(|session| self.is_request(**session));
        let mut blocked = Vec::new();
        if !requests.is_empty() && self.probe.is_stranger_waiting(&mut self.control).await? {
            blocked = requests;
        }
        if !statements.is_empty() {
            let pids =
                |of: &[usize]| of.iter().map(|session| self.lanes[*session].pid).collect::<Vec<i32>>();
            let (pids, known) = (pids(&statements), pids(known));
            let found = self.probe.blocked(&mut self.control, &pids, &known).await?;
            blocked.extend(statements.iter().filter(|session| found.contains(&self.lanes[**session].pid)));
        }
        Ok(blocked)
    }

    /// Waiting sessions whose waits the server knows as theirs.
    fn waiting_in_server(&self) -> Vec<usize> {
        let mut waiting = self.waiting();
        waiting.retain(|session| !self.is_request(*session) && !self.is_said_to_wait(*session));
        waiting
    }

    /// A step was sent, and the server breaks deadlocks at once: those that waited before may have been
    /// let go for it, or may have failed, before or after its own end is heard of. They are waited for, so
    /// that the order in which things are told isn't a matter of chance. Who closed a circle has waited,
    /// however short.
    pub(super) async fn settle_disturbed(&mut self, sent: usize) -> Result<(), Failure> {
        let mut disturbed = self.waiting_in_server();
        disturbed.retain(|session| *session != sent);
        if !disturbed.is_empty() {
            let blocked = self.blocked(&disturbed, &[]).await?;
            disturbed.retain(|session| !blocked.contains(session));
            for session in &disturbed {
                self.lanes[*session].running.iter_mut().for_each(|running| running.waiting = false);
            }
            self.until_settled(&disturbed, true).await?;
        }
        let victims: Vec<usize> =
            (0..self.lanes.len()).filter(|session| self.lanes[*session].is_victim()).collect();
        if !victims.is_empty() {
            self.tell_waiting(sent);
        }
        victims.into_iter().for_each(|session| self.tell_waiting(session));
        Ok(())
    }

    pub(super) fn is_request(&self, session: usize) -> bool {
        self.lanes[session].running.as_ref().is_some_and(|running| {
            matches!(self.race().step(running.one.step).action, RaceAction::Do(Step::Http(_)))
        })
    }

    /// Tells what is done, sends what stood in line, and waits for those that were let go, until nothing
    /// changes any more.
    pub(super) async fn settle(&mut self, just_sent: Option<usize>) -> Result<(), Failure> {
        loop {
            self.look().await;
            self.tell_arrivals(|running| !running.told);
            // Whoever was let go comes before those that wait behind him, however fast they are.
            let was_released = self.settle_released(just_sent).await?;
            self.tell_arrivals(|_| true);
            let free = self.lanes.iter_mut().find(|lane| !lane.is_busy() && !lane.line.is_empty());
            if let Some(next) = free.and_then(|lane| lane.line.pop_front()) {
                self.launch(next).await?;
                continue;
            }
            if was_released || (self.released && !self.waiting_on_their_own(just_sent).is_empty()) {
                continue;
            }
            // With this policy the next step isn't put off for it.
            if self.race().blocked == Blocked::Wait {
                return Ok(());
            }
            if !std::mem::take(&mut self.new_waiter) || self.waiting().len() < 2 {
                return Ok(());
            }
            if self.is_deadlocked(None).await? {
                // The server breaks it soon, and what comes next depends on whom it chooses.
                self.until_one_fails(DEADLOCK_PATIENCE).await;
                (self.released, self.new_waiter) = (true, true);
                continue;
            }
            return Ok(());
        }
    }

    /// Waits until a step has failed. Who is let go by its failure may be heard of before it.
    async fn until_one_fails(&mut self, patience: Duration) {
        let begun = Instant::now();
        let has_failed = |lane: &Lane| {
            let arrived = lane.running.as_ref().and_then(|running| running.arrived.as_ref());
            arrived.is_some_and(|ended| ended.result.is_err())
        };
        while !self.lanes.iter().any(has_failed) {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() || !self.next_arrival(left).await {
                return;
            }
        }
    }

    /// Waits for those that were let go until they are done or wait again. Returns false when nobody was.
    async fn settle_released(&mut self, just_sent: Option<usize>) -> Result<bool, Failure> {
        let mut waiting = self.waiting_on_their_own(just_sent);
        if waiting.is_empty() || !std::mem::take(&mut self.released) {
            return Ok(false);
        }
        let blocked = self.blocked(&waiting, &[]).await?;
        waiting.retain(|session| !blocked.contains(session));
        for session in &waiting {
            self.lanes[*session].running.iter_mut().for_each(|running| running.waiting = false);
        }
        self.until_settled(&waiting, false).await?;
        Ok(!waiting.is_empty())
    }

    /// Waiting sessions, but for one that was just sent its step and is only said to wait.
    fn waiting_on_their_own(&self, just_sent: Option<usize>) -> Vec<usize> {
        let mut waiting = self.waiting();
        waiting.retain(|session| !(Some(*session) == just_sent && self.is_said_to_wait(*session)));
        waiting
    }
}
