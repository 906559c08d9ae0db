//! One schedule, from the reset before it to the invariants after it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{drive::Driver, shard::Place};
use crate::{
    dialect::Dialect,
    expression::{RandomStream, Turn, Value},
    measure::{RaceEventKind, RaceFailure, ScheduleRecord},
    outcome::RaceOutcome,
    plan::{Blocked, Schedule, Scheduled, slots},
    target::Failure,
};

/// A step that was found waiting, and that nothing in the race lets go on, may still be ended by a time
/// limit of its own.
const STUCK_PATIENCE: Duration = Duration::from_secs(1);
/// How long `wait` waits for a session whose next step is due.
const DUE_PATIENCE: Duration = Duration::from_secs(10);

/// A schedule that was carried out, or pruned.
pub(super) struct Carried {
    pub record: ScheduleRecord,
    /// A step waited for another session.
    pub waited: bool,
    /// What is wrong with the race itself.
    pub mistake: Option<String>,
    /// From the reset before it to the invariants after it.
    pub time: Duration,
}

/// Carries out one schedule. `number` is its place among all.
pub(super) async fn carry_out(
    driver: &mut Driver,
    place: &mut Place,
    schedule: &Schedule,
    number: usize,
) -> Result<Carried, Failure> {
    let begun = Instant::now();
    driver.restart();
    place.reset.apply(&mut driver.control).await?;
    let plan = std::sync::Arc::clone(&driver.plan);
    let race = &plan.races[driver.index];
    for script in &race.setup {
        driver.control_script(script).await?;
    }
    driver.control.keep_old_rows().await?;
    begin(driver, place, number).await?;
    let executed = steps(driver, &schedule.0).await?;
    if executed {
        finish(driver).await?;
    } else {
        abandon(driver).await?;
    }
    end(driver).await?;
    driver.control.release_old_rows().await?;
    let judged = match executed {
        true => {
            let operations = acknowledged(driver);
            place.invariants.judge(&operations, &mut driver.control).await
        }
        false => Vec::new(),
    };
    for script in &race.teardown {
        driver.control_script(script).await?;
    }
    let mut record = ScheduleRecord {
        schedule: race.schedule_text(schedule),
        steps: race.names_of(schedule),
        events: std::mem::take(&mut driver.events),
        ..ScheduleRecord::default()
    };
    let mut mistake = None;
    if executed {
        mistake = judged.iter().find_map(|one| {
            Some(format!("invariant {} can't be evaluated: {}", one.name, one.error.as_ref()?))
        });
        record.invariants = judged.into_iter().filter(|one| one.violated > 0).collect();
        record.outcome = Some(outcome(&record));
        if !race.continues_after_errors() && !race.partial {
            record.anomaly = driver.history.anomaly();
        }
        mistake = mistake.or_else(|| driver.mistake.take());
    }
    let waited = record.events.iter().any(|event| event.kind == RaceEventKind::Waits);
    Ok(Carried { record, waited, mistake, time: begun.elapsed() })
}

/// Every session begins anew: its names, its `let`, its own setup.
async fn begin(driver: &mut Driver, place: &Place, number: usize) -> Result<(), Failure> {
    let iteration = u32::try_from(number).unwrap_or(u32::MAX);
    let plan = std::sync::Arc::clone(&driver.plan);
    let race = &plan.races[driver.index];
    for (session, written) in race.sessions.iter().enumerate() {
        let worker = driver.lanes[session].at_rest();
        if worker.is_session_lost() {
            return Err(Failure::lost(format!("the connection of session {} was lost", written.name)));
        }
        let worker_number = u32::try_from(session).unwrap_or(u32::MAX);
        let stream = RandomStream { seed: place.seed, worker: worker_number, iteration };
        let (kept, now) = (race.plan.globals.len(), SystemTime::now());
        worker.frame.restart(&written.names, kept, 0, stream.generator(), now);
        worker.frame.store(slots::ITERATION, iteration.into());
        // Each session has a row of its own, the same in every schedule.
        worker.frame.set_turn(Turn { of_run: u64::from(worker_number), of_worker: 0 });
        worker.bind_names(&written.bindings).map_err(|error| Failure::value(error.to_string()))?;
        for script in &written.setup {
            driver.session_script(session, script).await?;
        }
    }
    Ok(())
}

/// Sends the steps in their turns. Returns false when one is due whose session waits, and the race
/// prunes such a schedule.
async fn steps(driver: &mut Driver, schedule: &[Scheduled]) -> Result<bool, Failure> {
    for one in schedule {
        let session = one.step.session;
        if driver.lanes[session].is_busy() {
            let patience = match driver.race().blocked {
                Blocked::Defer => None,
                Blocked::Strict => Some(Duration::ZERO),
                Blocked::Wait => Some(DUE_PATIENCE),
            };
            match patience {
                None => {
                    driver.look_again();
                    driver.settle(None).await?;
                    if driver.lanes[session].is_busy() {
                        driver.note(one.step, RaceEventKind::InLine);
                        driver.lanes[session].line.push_back(one.clone());
                        continue;
                    }
                }
                Some(patience) => {
                    if !free(driver, session, patience).await? {
                        return Ok(false);
                    }
                }
            }
        }
        driver.launch(one.clone()).await?;
        driver.settle(Some(session)).await?;
        driver.tell_told();
    }
    Ok(true)
}

/// Waits until a session is at rest. Returns false when it waits for somebody who has to go on first.
async fn free(driver: &mut Driver, session: usize, patience: Duration) -> Result<bool, Failure> {
    let begun = Instant::now();
    loop {
        driver.look_again();
        driver.settle(None).await?;
        if !driver.lanes[session].is_busy() {
            return Ok(true);
        }
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() || !driver.next_arrival(left).await {
            return Ok(false);
        }
    }
}

/// Waits for all that is under way. What nothing lets go on is cancelled.
async fn finish(driver: &mut Driver) -> Result<(), Failure> {
    loop {
        driver.look_again();
        driver.settle(None).await?;
        if !driver.is_any_busy() {
            return Ok(());
        }
        let patience = match driver.race().blocked {
            Blocked::Wait => DUE_PATIENCE,
            Blocked::Defer | Blocked::Strict => STUCK_PATIENCE,
        };
        if driver.next_arrival(patience).await {
            continue;
        }
        match driver.waiting().first().copied() {
            Some(session) => driver.cancel(session).await?,
            // What is withheld by a marker that can't be fulfilled any more is told all the same.
            None => driver.forget_markers(),
        }
    }
}

/// Cancels all that is under way.
async fn abandon(driver: &mut Driver) -> Result<(), Failure> {
    for session in 0..driver.lanes.len() {
        driver.lanes[session].line.clear();
        if driver.lanes[session].is_busy() {
            driver.cancel(session).await?;
        }
    }
    driver.forget_markers();
    driver.settle(None).await
}

/// Every session's own teardown; what is still open is rolled back.
async fn end(driver: &mut Driver) -> Result<(), Failure> {
    let plan = std::sync::Arc::clone(&driver.plan);
    let race = &plan.races[driver.index];
    for (session, written) in race.sessions.iter().enumerate() {
        let open = driver.lanes[session].open || race.continues_after_errors() || race.partial;
        // What is left open would keep the tables from being emptied.
        let open = open || race.dialect() != Dialect::Postgres;
        for script in &written.teardown {
            driver.session_script(session, script).await?;
        }
        if open {
            driver.lanes[session].at_rest().end_transaction().await;
            // What the server says to that is nobody's business.
            driver.lanes[session].listen();
            driver.lanes[session].take_notices();
        }
    }
    Ok(())
}

/// `operations.NAME.committed`: the sessions made from an operation, or from a session, that came to their
/// end. None of them is unknown: every step's answer was waited for.
fn acknowledged(driver: &Driver) -> Value {
    let operations = driver.plan.operations.iter().map(|operation| operation.name.as_str());
    let mut counts: BTreeMap<&str, u64> = operations.map(|name| (name, 0)).collect();
    for (session, written) in driver.race().sessions.iter().enumerate() {
        let failed = driver.events.iter().any(|event| event.session == session && event.error.is_some());
        *counts.entry(&written.counts_as).or_default() += u64::from(!failed);
    }
    Value::from_pairs(counts.into_iter().map(|(name, committed)| {
        (name.to_owned(), Value::from_pairs([("committed", committed), ("unknown", 0)]))
    }))
}

fn outcome(record: &ScheduleRecord) -> RaceOutcome {
    let failures = || record.events.iter().filter_map(|event| event.error.as_ref());
    if !record.invariants.is_empty() || failures().any(|one| one.cause == RaceFailure::ASSERTION) {
        RaceOutcome::Violated
    } else if failures().next().is_some() {
        RaceOutcome::Error
    } else {
        RaceOutcome::Holds
    }
}
