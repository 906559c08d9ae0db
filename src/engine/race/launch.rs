//! Sends steps to their sessions, and takes what comes in.

use std::{pin::Pin, rc::Rc, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    act::heard,
    drive::Driver,
    lane::{Ended, Lane, Running},
};
use crate::{
    measure::RaceEventKind,
    plan::{Scheduled, StepRef},
    target::{Failure, collecting},
};

/// Well before the others' `deadlock_timeout` of a second.
const QUICKLY: &str = "SET LOCAL deadlock_timeout = '10ms'";

pub(super) type Flying = FuturesUnordered<Pin<Box<dyn Future<Output = (usize, Ended)>>>>;

impl Driver {
    /// Sends a step to its session, and waits until it is done or known to wait.
    pub(super) async fn launch(&mut self, one: Scheduled) -> Result<(), Failure> {
        let session = one.step.session;
        if self.lanes[session].failed {
            self.note(one.step, RaceEventKind::Skipped);
            return Ok(());
        }
        let may_wait = self.expects_a_wait(one.step);
        self.launches += 1;
        let running = Running {
            number: self.launches,
            began: self.history.tick(),
            waiting: false,
            told: false,
            cancelled: false,
            notices: self.lanes.iter().map(|lane| lane.notice_count()).collect(),
            arrived: None,
            one,
        };
        let at_once = running.waits_at_once();
        let step = running.one.step;
        let hurry =
            self.quick_deadlocks && may_wait && self.lanes[session].open && !self.waiting().is_empty();
        self.send(step, hurry);
        self.lanes[session].running = Some(running);
        if at_once {
            self.tell_waiting(session);
            return Ok(());
        }
        self.until_settled(&[session], may_wait).await?;
        if self.probe.breaks_deadlocks_at_once() {
            self.settle_disturbed(session).await?;
        }
        Ok(())
    }

    fn send(&mut self, at: StepRef, hurry: bool) {
        let worker = self.lanes[at.session].worker.take();
        let mut worker = worker.expect("a step is sent to a session at rest");
        let (plan, index, level) = (Arc::clone(&self.plan), self.index, self.level);
        let notices = Rc::clone(&self.lanes[at.session].notices);
        self.flying.push(Box::pin(async move {
            let race = &plan.races[index];
            if hurry {
                // Should it fail, the deadlock is found later.
                let _ = worker.session().script(QUICKLY).await;
            }
            let acting = worker.act(race, &race.step(at).action, level);
            let result = collecting(notices, acting).await;
            (at.session, heard(worker, result))
        }));
    }

    /// True when another session may hold a lock that the step needs.
    fn expects_a_wait(&self, step: StepRef) -> bool {
        let others = self.lanes.iter().enumerate().filter(|(session, _)| *session != step.session);
        self.may_wait(&self.race().step(step).footprint) && others.into_iter().any(|(_, lane)| lane.holds)
    }

    /// Keeps what has come in, without waiting.
    pub(super) async fn look(&mut self) {
        // Lets the runtime look at the sockets, and tasks that read them take what is there.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.lanes.iter_mut().for_each(Lane::listen);
        while let Some(Some((session, ended))) = futures_util::FutureExt::now_or_never(self.flying.next()) {
            self.arrive(session, ended);
        }
    }

    fn arrive(&mut self, session: usize, ended: Ended) {
        let running = self.lanes[session].running.as_mut();
        running.expect("what comes in was sent").arrived = Some(ended);
    }

    /// Waits for the next step to come in. Returns false when none did in time.
    pub(super) async fn next_arrival(&mut self, patience: Duration) -> bool {
        match tokio::time::timeout(patience, self.flying.next()).await {
            Ok(Some((session, ended))) => {
                self.arrive(session, ended);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }
}
