//! A session of a race, and the step that it is carrying out.

use std::collections::VecDeque;

use super::super::{step::Stop, worker::Worker};
use crate::{
    outcome::Cause,
    plan::{Footprint, Marker, Scheduled, StepRef},
    target::{Ears, Notices, Notification, ResultTable},
};

/// A session's place in a schedule.
pub(super) struct Lane {
    /// `None` while a step is under way.
    pub worker: Option<Worker>,
    /// The server's number for the session.
    pub pid: i32,
    pub running: Option<Running>,
    /// Steps that are due and wait for the one under way.
    pub line: VecDeque<Scheduled>,
    /// Its transaction was rolled back after an error, and its rest is skipped.
    pub failed: bool,
    /// Between `begin` and the end of the transaction.
    pub open: bool,
    /// It may hold locks that others wait for.
    pub holds: bool,
    /// Notices that it got and that aren't told yet.
    pub notices: Notices,
    /// How many notices of this schedule were told.
    pub told_notices: usize,
    /// Messages of `NOTIFY` that it got and that aren't told yet.
    pub notifications: Vec<Notification>,
    /// Where it hears what the server says unasked, also while a step is under way.
    ears: Option<Ears>,
}

/// A step under way.
pub(super) struct Running {
    pub one: Scheduled,
    /// Counts the launches of a schedule.
    pub number: u64,
    /// The moment of its launch.
    pub began: usize,
    /// It waits for another session, as far as is known.
    pub waiting: bool,
    /// That it waits was told.
    pub told: bool,
    /// It was cancelled because nothing would have let it go on.
    pub cancelled: bool,
    /// Notices that each session had got when it was launched.
    pub notices: Vec<usize>,
    /// It is done, and that isn't told yet.
    pub arrived: Option<Ended>,
}

/// A step that is done.
pub(super) struct Ended {
    pub worker: Worker,
    pub result: Result<(), Stop>,
    pub tables: Vec<Option<ResultTable>>,
    pub affected: u64,
    /// The parameters of its last statement.
    pub values: Vec<String>,
}

impl Lane {
    pub(super) fn new(mut worker: Worker, pid: i32) -> Self {
        Self {
            ears: worker.session().ears(),
            notifications: Vec::new(),
            worker: Some(worker),
            pid,
            running: None,
            line: VecDeque::new(),
            failed: false,
            open: false,
            holds: false,
            notices: Notices::default(),
            told_notices: 0,
        }
    }

    /// Keeps what the server has said since the last time.
    pub(super) fn listen(&mut self) {
        if let Some(ears) = &self.ears {
            let heard = ears.take();
            self.notices.borrow_mut().extend(heard.notices);
            self.notifications.extend(heard.notifications);
        }
    }

    /// The worker of a session at rest.
    pub(super) fn at_rest(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("a session without a step under way has its worker")
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// How many notices it got in this schedule.
    pub(super) fn notice_count(&self) -> usize {
        self.told_notices + self.notices.borrow().len()
    }

    /// Takes the notices that aren't told yet.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        let notices = self.notices.take();
        self.told_notices += notices.len();
        notices
    }

    /// True while its step is neither done nor known to wait.
    pub(super) fn is_open(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.arrived.is_none() && !running.waiting)
    }

    /// True when its step has just failed as the victim of a deadlock.
    pub(super) fn is_victim(&self) -> bool {
        let arrived = self.running.as_ref().and_then(|running| running.arrived.as_ref());
        let result = arrived.map(|ended| &ended.result);
        matches!(result, Some(Err(Stop::Failure { failure, .. })) if failure.cause == Cause::Deadlock)
    }

    /// True while its step waits for another session.
    pub(super) fn is_waiting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.arrived.is_none() && running.waiting)
    }
}

impl Running {
    /// True when the schedule's markers let its completion be told.
    pub(super) fn may_be_told(&self, lanes: &[Lane]) -> bool {
        self.one.markers.iter().all(|marker| match marker {
            Marker::Waits => true,
            Marker::After(other) => !is_under_way(lanes, *other),
            Marker::Notices { step, count } => {
                let before = self.notices.get(step.session).copied().unwrap_or_default();
                lanes[step.session].notice_count() >= before + *count as usize
            }
        })
    }

    /// True when the schedule has it said to wait at once.
    pub(super) fn waits_at_once(&self) -> bool {
        self.one.markers.contains(&Marker::Waits)
    }
}

fn is_under_way(lanes: &[Lane], step: StepRef) -> bool {
    lanes[step.session].running.as_ref().is_some_and(|running| running.one.step == step)
}

/// True for a step that may have to wait for somebody who holds locks; `reads_lock`: plain reads take some.
pub(super) fn may_wait(footprint: &Footprint, reads_lock: bool) -> bool {
    match footprint {
        Footprint::Begin | Footprint::End => false,
        Footprint::Tables(access) => !access.writes.is_empty() || (reads_lock && !access.reads.is_empty()),
        Footprint::Unknown => true,
    }
}
