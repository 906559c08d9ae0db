//! Tells what became of steps: the events of a schedule, in an order that doesn't depend on chance.

use std::sync::Arc;

use super::{
    act::{failure_of, is_mistake},
    drive::Driver,
    history,
    lane::{Ended, Lane, Running},
};
use crate::{
    dialect::Dialect,
    measure::{RaceEvent, RaceEventKind, RaceFailure, RaceTable},
    outcome::Isolation,
    plan::{Footprint, RaceAction, Scheduled, StepRef},
};

impl Driver {
    /// Tells that a step waits, once.
    pub(super) fn tell_waiting(&mut self, session: usize) {
        let Some(running) = &mut self.lanes[session].running else { return };
        running.waiting = true;
        let (step, told) = (running.one.step, std::mem::replace(&mut running.told, true));
        self.new_waiter = true;
        if !told {
            // What is said to wait at once hasn't been listened to.
            let notices = match self.is_said_to_wait(session) {
                true => Vec::new(),
                false => self.lanes[session].take_notices(),
            };
            let event = RaceEvent { notices, ..self.event(step, RaceEventKind::Waits) };
            self.events.push(event);
        }
    }

    /// Tells the steps that have come in and that `are_meant`: the one just sent, then those that had waited,
    /// in the order in which they were sent; a failure before those that it let go on, unless sessions go
    /// on after errors, as PostgreSQL's isolation tester has it.
    pub(super) fn tell_arrivals(&mut self, are_meant: impl Fn(&Running) -> bool) {
        loop {
            let failure_first = !self.race().continues_after_errors();
            let rank = |(session, lane): (usize, &Lane)| {
                let running = lane.running.as_ref().filter(|running| are_meant(running))?;
                let failed = running.arrived.as_ref()?.result.is_err();
                Some((running.told, !(failed && failure_first), running.number, session))
            };
            let mut arrived: Vec<(bool, bool, u64, usize)> =
                self.lanes.iter().enumerate().filter_map(rank).collect();
            arrived.sort_unstable();
            let told = arrived.iter().find(|(_, _, _, session)| {
                self.lanes[*session].running.as_ref().is_some_and(|one| one.may_be_told(&self.lanes))
            });
            let Some((_, _, _, session)) = told.copied() else {
                for (_, _, _, session) in arrived {
                    self.tell_waiting(session);
                }
                return;
            };
            self.tell_done(session);
        }
    }

    fn tell_done(&mut self, session: usize) {
        let Some(Running { one, told, cancelled, began, arrived: Some(ended), .. }) =
            self.lanes[session].running.take()
        else {
            return;
        };
        let kind = match (cancelled, told) {
            (true, _) => RaceEventKind::Stuck,
            (false, true) => RaceEventKind::Woke,
            (false, false) => RaceEventKind::Done,
        };
        let Ended { worker, result, tables, affected, values } = ended;
        let mut event = self.event(one.step, kind);
        if kind == RaceEventKind::Woke && result.is_ok() {
            let by = self.last.filter(|last| last.session != session);
            event.released_by = by.map(|by| (by.session, self.race().step(by).name.clone()));
        }
        event.tables = tables
            .into_iter()
            .map(|table| table.map(|table| RaceTable { columns: table.columns, rows: table.rows }))
            .collect();
        self.lanes[session].listen();
        (event.affected, event.notices) = (affected, self.lanes[session].take_notices());
        event.notifications = self.notifications(session);
        event.error =
            result.as_ref().err().map(failure_of).map(|(cause, message)| RaceFailure { cause, message });
        self.remember(one.step, began, &event, &values);
        let event_step = event.step.clone();
        self.events.push(event);
        self.last = Some(one.step);

        let continues = self.race().continues_after_errors();
        if let (Err(stop), false, None) = (&result, continues, &self.mistake)
            && is_mistake(stop)
        {
            let (_, message) = failure_of(stop);
            let name = &self.race().sessions[session].name;
            self.mistake = Some(format!("{name}.{} fails: {message}", event_step));
        }
        let failed = result.is_err();
        let step = self.race().step(one.step);
        let (begins, ends) = (
            matches!(step.action, RaceAction::Begin),
            matches!(step.action, RaceAction::Commit | RaceAction::Rollback),
        );
        let (locks, unknown) = (self.may_wait(&step.footprint), step.footprint == Footprint::Unknown);
        let lane = &mut self.lanes[session];
        lane.worker = Some(worker);
        self.released |= failed || ends || unknown || told || !lane.open;
        lane.open = (lane.open || begins) && !ends && (!failed || continues);
        lane.holds = (lane.holds || locks) && (lane.open || unknown);
        lane.failed |= failed && !continues;
        if lane.failed {
            let skipped: Vec<Scheduled> = lane.line.drain(..).collect();
            for one in skipped {
                self.note(one.step, RaceEventKind::Skipped);
            }
        }
    }

    /// Notes in the history what a step read or wrote.
    fn remember(&mut self, at: StepRef, began: usize, event: &RaceEvent, values: &[String]) {
        let plan = Arc::clone(&self.plan);
        let step = plan.races[self.index].step(at);
        let ok = event.error.is_none();
        // What was read is known, whatever is said of it.
        let is_answered = event.error.as_ref().is_none_or(|error| error.cause == RaceFailure::ASSERTION);
        match &step.action {
            RaceAction::Begin if ok => self.history.begin(at.session),
            RaceAction::Commit => self.history.end(at.session, began, ok),
            RaceAction::Do(_) if is_answered => {
                let done = history::Step {
                    session: at.session,
                    began,
                    pattern: step.touches.as_ref(),
                    values,
                    tables: &event.tables,
                    affected: event.affected,
                    sees_latest: matches!(
                        self.level,
                        Isolation::ReadCommitted | Isolation::ReadUncommitted
                    ),
                    sees_uncommitted: self.level == Isolation::ReadUncommitted
                        && self.control.dialect() == Dialect::MySql,
                };
                let unique = &self.unique;
                self.history.step(&done, &|table, columns| {
                    unique.iter().any(|(known, key)| known == table && key.iter().eq(columns.iter()))
                });
                if !ok {
                    self.history.end(at.session, began, false);
                }
            }
            // Rolled back, on purpose or after an error.
            _ => self.history.end(at.session, began, false),
        }
    }
}
