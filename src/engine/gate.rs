//! Lock gates: a lock is held in the database until enough sessions wait for it.

use std::time::{Duration, Instant};

use super::{
    step::Stop,
    worker::{Worker, open_session},
};
use crate::{
    dialect::Begin,
    plan::{Gate, Plan, Step},
    target::{Failure, Session},
};

/// Pause between two looks at who waits.
const PAUSE: Duration = Duration::from_millis(3);

impl Worker {
    /// Takes the lock, lets the steps run into it, and lets go when enough sessions wait.
    pub(super) async fn gate(&mut self, plan: &Plan, gate: &Gate, steps: &[Step]) -> Result<(), Stop> {
        let mut session = match self.gate_session.take() {
            Some(session) if !session.is_lost() => session,
            _ => open_session(&self.shared, self.number(), "g")
                .await
                .map_err(|error| failed(gate, Failure::lost(error.to_string())))?,
        };
        let values = self.parameters(plan, &gate.name, gate.statement)?;
        let shared = std::sync::Arc::clone(&self.shared);
        let prepared = &shared.settings.prepared[gate.statement.0];
        let locked = async {
            session.begin(None, Begin::Deferred).await?;
            session.execute(prepared, &values, false).await
        };
        if let Err(failure) = locked.await {
            if !session.is_lost() {
                let _ = session.rollback().await;
            }
            return Err(failed(gate, failure));
        }
        let begun = Instant::now();
        let stop = &shared.settings.stop;
        let hold = async {
            let mut most = 0;
            let opened = loop {
                match session.count_blocked().await {
                    Ok(blocked) => most = most.max(blocked),
                    Err(failure) => break Err(failure),
                }
                if most >= u64::from(gate.blocked) {
                    break Ok(true);
                }
                if begun.elapsed() >= gate.timeout || stop.is_stopped() {
                    break Ok(false);
                }
                tokio::time::sleep(PAUSE).await;
            };
            let held = begun.elapsed();
            if !session.is_lost() {
                // A failure here marks the session as lost, and it is replaced.
                let _ = session.rollback().await;
            }
            opened.map(|opened| (opened, most, held))
        };
        let (held, ran) = if steps.is_empty() {
            (hold.await, Ok(()))
        } else {
            tokio::join!(hold, self.steps(plan, steps))
        };
        self.keep_gate_session(session);
        let (opened, most, held) = held.map_err(|failure| failed(gate, failure))?;
        if self.measured {
            let mut recorder = self.recorder.borrow_mut();
            let record = recorder.gates.entry(gate.statement.0).or_default();
            record.opened += u64::from(opened);
            record.timed_out += u64::from(!opened);
            record.held.record(held);
        }
        ran?;
        if opened {
            return Ok(());
        }
        Err(Stop::Timeout {
            step: gate.name.clone(),
            message: format!(
                "only {most} of {} sessions waited for the lock within {}",
                gate.blocked,
                crate::units::format_duration(held)
            ),
        })
    }

    fn keep_gate_session(&mut self, session: Session) {
        self.gate_session = Some(session).filter(|session| !session.is_lost());
    }
}

fn failed(gate: &Gate, failure: Failure) -> Stop {
    Stop::Failure { step: gate.name.clone(), failure }
}
