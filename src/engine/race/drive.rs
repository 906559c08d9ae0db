//! Launches steps and finds out what becomes of them: done, or waiting for another session.

use std::{
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    act::heard,
    history::History,
    lane::{Ended, Lane, Running, may_wait},
};
use crate::{
    measure::{RaceEvent, RaceEventKind, RaceTable},
    outcome::Isolation,
    plan::{Blocked, Plan, Race, RaceAction, Scheduled, Step, StepRef},
    target::{Answers, BlockedProbe, Failure, Session, collecting},
};

/// A step that doesn't wait for another session may take this long.
const LONGEST_STEP: Duration = Duration::from_secs(30);
/// A deadlock is resolved within this time, on a server with the usual `deadlock_timeout` of a second.
const DEADLOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Well before the others' `deadlock_timeout` of a second.
const QUICKLY: &str = "SET LOCAL deadlock_timeout = '10ms'";
/// A cancelled statement ends within this time.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// Pauses between looks, in milliseconds: timers have a granularity of one, so that the first looks
/// follow each other at once.
const PAUSES: [u64; 8] = [0, 0, 1, 1, 2, 4, 8, 16];

type Flying = FuturesUnordered<Pin<Box<dyn Future<Output = (usize, Ended)>>>>;

/// Drives the sessions of a race.
pub(super) struct Driver {
    pub plan: Arc<Plan>,
    pub index: usize,
    pub level: Isolation,
    pub lanes: Vec<Lane>,
    pub control: Session,
    /// Runs the race's own scripts instead of the control session, under the settings of the others.
    pub stage: Option<Session>,
    pub probe: BlockedProbe,
    pub events: Vec<RaceEvent>,
    /// A session that may close a circle of waits looks for a deadlock at once; it becomes the victim, and
    /// always the same one.
    pub quick_deadlocks: bool,
    /// Columns that name at most one row, by table.
    pub unique: Vec<(String, Vec<String>)>,
    pub history: History,
    flying: Flying,
    launches: u64,
    /// The last step that was told to be done.
    pub(super) last: Option<StepRef>,
    /// Something happened that may have let waiting steps go on.
    pub(super) released: bool,
    /// A step was found waiting since deadlocks were looked for.
    pub(super) new_waiter: bool,
}

impl Driver {
    pub(super) fn new(
        plan: Arc<Plan>,
        index: usize,
        level: Isolation,
        lanes: Vec<Lane>,
        control: Session,
        probe: BlockedProbe,
    ) -> Self {
        Self {
            plan,
            index,
            level,
            lanes,
            control,
            stage: None,
            probe,
            events: Vec::new(),
            quick_deadlocks: false,
            unique: Vec::new(),
            history: History::default(),
            flying: Flying::new(),
            launches: 0,
            last: None,
            released: false,
            new_waiter: false,
        }
    }

    pub(super) fn race(&self) -> &Race {
        &self.plan.races[self.index]
    }

    /// Forgets the last schedule.
    pub(super) fn restart(&mut self) {
        self.events.clear();
        self.history = History::default();
        (self.launches, self.last, self.released, self.new_waiter) = (0, None, false, false);
        for lane in &mut self.lanes {
            lane.line.clear();
            (lane.failed, lane.open, lane.holds, lane.told_notices) = (false, false, false, 0);
            lane.listen();
            lane.notices.take();
        }
    }

    pub(super) fn is_any_busy(&self) -> bool {
        self.lanes.iter().any(Lane::is_busy)
    }

    /// Notes something about a step that doesn't run.
    pub(super) fn note(&mut self, step: StepRef, kind: RaceEventKind) {
        let event = self.event(step, kind);
        self.events.push(event);
    }

    pub(super) fn event(&self, step: StepRef, kind: RaceEventKind) -> RaceEvent {
        let written = self.race().step(step);
        RaceEvent {
            session: step.session,
            step: written.name.clone(),
            kind,
            shown: written.shown.clone(),
            ..RaceEvent::default()
        }
    }

    /// Runs a script in a session at rest, and notes the rows that its last statement returns.
    pub(super) async fn session_script(&mut self, session: usize, script: &str) -> Result<(), Failure> {
        let notices = Rc::clone(&self.lanes[session].notices);
        let asking = self.lanes[session].at_rest().session().answers(script);
        let answers = collecting(notices, asking).await;
        self.lanes[session].listen();
        let notices = self.lanes[session].take_notices();
        self.note_answers(session, notices, answers)
    }

    /// Runs a script of the race in the control session.
    pub(super) async fn control_script(&mut self, script: &str) -> Result<(), Failure> {
        let session = self.stage.as_mut().unwrap_or(&mut self.control);
        let answers = session.answers(script).await;
        self.note_answers(0, Vec::new(), answers)
    }

    fn note_answers(
        &mut self,
        session: usize,
        notices: Vec<String>,
        answers: Answers,
    ) -> Result<(), Failure> {
        if let Some(failure) = answers.failure {
            return Err(failure);
        }
        let last = answers.tables.into_iter().last().flatten();
        if last.is_some() || !notices.is_empty() {
            let tables = vec![last.map(|table| RaceTable { columns: table.columns, rows: table.rows })];
            let kind = RaceEventKind::Script;
            self.events.push(RaceEvent { session, kind, tables, notices, ..RaceEvent::default() });
        }
        Ok(())
    }

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
        self.until_settled(&[session], may_wait).await
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
        may_wait(&self.race().step(step).footprint) && others.into_iter().any(|(_, lane)| lane.holds)
    }

    /// Keeps what has come in, without waiting.
    async fn look(&mut self) {
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

    /// Waits until each of these sessions' steps is done or known to wait.
    async fn until_settled(&mut self, of: &[usize], ask_at_once: bool) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut looks = if ask_at_once { 0 } else { 2 };
        let mut ask = ask_at_once;
        loop {
            let open = |lanes: &[Lane]| -> Vec<usize> {
                of.iter().copied().filter(|session| lanes[*session].is_open()).collect()
            };
            if ask && !open(&self.lanes).is_empty() {
                let blocked = self.blocked(&open(&self.lanes)).await?;
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
    /// isn't of the race does: the service's own sessions aren't known.
    async fn blocked(&mut self, of: &[usize]) -> Result<Vec<usize>, Failure> {
        let (requests, statements): (Vec<usize>, Vec<usize>) =
            of.iter().partition(|session| self.is_request(**session));
        let mut blocked = Vec::new();
        if !requests.is_empty() && self.probe.is_stranger_waiting(&mut self.control).await? {
            blocked = requests;
        }
        if !statements.is_empty() {
            let pids: Vec<i32> = statements.iter().map(|session| self.lanes[*session].pid).collect();
            let found = self.probe.blocked(&mut self.control, &pids).await?;
            blocked.extend(statements.iter().filter(|session| found.contains(&self.lanes[**session].pid)));
        }
        Ok(blocked)
    }

    fn is_request(&self, session: usize) -> bool {
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
        let blocked = self.blocked(&waiting).await?;
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

    /// True for a step that the schedule has said to wait, whether or not it does.
    pub(super) fn is_said_to_wait(&self, session: usize) -> bool {
        self.lanes[session].running.as_ref().is_some_and(Running::waits_at_once)
    }

    pub(super) fn waiting(&self) -> Vec<usize> {
        (0..self.lanes.len()).filter(|session| self.lanes[*session].is_waiting()).collect()
    }

    /// Lets everything be looked at again.
    pub(super) fn look_again(&mut self) {
        self.released = true;
    }

    /// Lets what is done be told, whatever the schedule's markers say.
    pub(super) fn forget_markers(&mut self) {
        self.lanes
            .iter_mut()
            .filter_map(|lane| lane.running.as_mut())
            .for_each(|running| running.one.markers.clear());
    }

    /// True when waiting sessions wait for each other in a circle that `from` waits for, too; without
    /// `from`, in any circle.
    pub(super) async fn is_deadlocked(&mut self, from: Option<usize>) -> Result<bool, Failure> {
        let pairs = self.probe.blockers(&mut self.control).await?;
        let session = |pid: i32| self.lanes.iter().position(|lane| lane.pid == pid);
        let edges: Vec<(usize, usize)> =
            pairs.iter().filter_map(|(one, other)| Some((session(*one)?, session(*other)?))).collect();
        let starts: Vec<usize> = from.map_or_else(|| (0..self.lanes.len()).collect(), |from| vec![from]);
        Ok(starts
            .into_iter()
            .any(|start| reachable(&edges, start).any(|at| reachable(&edges, at).any(|back| back == at))))
    }

    /// Cancels a step that nothing would let go on, and waits for its end.
    pub(super) async fn cancel(&mut self, session: usize) -> Result<(), Failure> {
        self.lanes[session].running.iter_mut().for_each(|running| running.cancelled = true);
        let begun = Instant::now();
        while self.lanes[session].running.as_ref().is_some_and(|running| running.arrived.is_none()) {
            if begun.elapsed() > CANCEL_PATIENCE {
                return Err(Failure::lost("a cancelled statement doesn't end"));
            }
            // Again and again: between two statements there is nothing to cancel.
            if self.is_request(session) {
                self.probe.cancel_strangers(&mut self.control).await?;
            } else {
                self.probe.cancel(&mut self.control, self.lanes[session].pid).await?;
            }
            self.next_arrival(Duration::from_millis(100)).await;
        }
        self.released = true;
        Ok(())
    }
}

/// What can be reached from a session in at least one step.
fn reachable(edges: &[(usize, usize)], from: usize) -> impl Iterator<Item = usize> + use<> {
    let mut seen: Vec<usize> = Vec::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.iter().filter(|(one, _)| *one == at) {
            if !seen.contains(to) {
                seen.push(*to);
                open.push(*to);
            }
        }
    }
    seen.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_from_where_one_waits_for_them() {
        let edges = [(0, 1), (1, 2), (2, 1), (3, 0)];
        let in_circle =
            |from| reachable(&edges, from).any(|at| reachable(&edges, at).any(|back| back == at));
        assert!(in_circle(0) && in_circle(1) && in_circle(3));
        assert!(!reachable(&edges[..2], 0).any(|at| reachable(&edges[..2], at).any(|back| back == at)));
    }
}
