//! Tells what sessions hear beside the results of their steps.

use super::drive::Driver;
use crate::{
    measure::{RaceEvent, RaceEventKind, RaceNotification},
    plan::StepRef,
};

impl Driver {
    /// Tells what sessions that still wait were told in the meantime.
    pub(super) fn tell_told(&mut self) {
        let mut waiting: Vec<(u64, StepRef)> = self
            .waiting()
            .into_iter()
            .filter(|session| !self.lanes[*session].notices.borrow().is_empty())
            .filter_map(|session| self.lanes[session].running.as_ref())
            .map(|running| (running.number, running.one.step))
            .collect();
        waiting.sort_unstable();
        for (_, step) in waiting {
            let notices = self.lanes[step.session].take_notices();
            let event = RaceEvent { notices, ..self.event(step, RaceEventKind::Told) };
            self.events.push(event);
        }
    }

    /// What a session was told by `NOTIFY`, with the names of the race's sessions.
    pub(super) fn notifications(&mut self, session: usize) -> Vec<RaceNotification> {
        let heard = std::mem::take(&mut self.lanes[session].notifications);
        let sender = |pid: i32| match self.lanes.iter().position(|lane| lane.pid == pid) {
            Some(session) => self.race().sessions[session].name.clone(),
            None => format!("PID {pid}"),
        };
        heard
            .into_iter()
            .map(|one| RaceNotification {
                from: sender(one.from),
                channel: one.channel,
                payload: one.payload,
            })
            .collect()
    }
}
