//! The sessions of a race and what is known of them, and the events of a schedule.

use std::{rc::Rc, sync::Arc};

use super::{
    history::History,
    lane::{Lane, Running, may_wait},
    launch::Flying,
};
use crate::{
    dialect::Dialect,
    measure::{RaceEvent, RaceEventKind, RaceTable},
    outcome::Isolation,
    plan::{Footprint, Plan, Race, StepRef},
    target::{Answers, BlockedProbe, Failure, Session, collecting},
};

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
    /// What is wrong with the race itself: the first statement that no database of the kind would take.
    pub mistake: Option<String>,
    pub(super) flying: Flying,
    pub(super) launches: u64,
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
            mistake: None,
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
        self.mistake = None;
        (self.launches, self.last, self.released, self.new_waiter) = (0, None, false, false);
        for lane in &mut self.lanes {
            lane.line.clear();
            (lane.failed, lane.open, lane.holds, lane.told_notices) = (false, false, false, 0);
            lane.listen();
            lane.notices.take();
        }
    }

    /// True for a step that may have to wait for somebody who holds locks. A plain read takes locks on
    /// MySQL at SERIALIZABLE alone.
    pub(super) fn may_wait(&self, footprint: &Footprint) -> bool {
        let reads_lock = self.level == Isolation::Serializable && self.control.dialect() == Dialect::MySql;
        may_wait(footprint, reads_lock)
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
}
