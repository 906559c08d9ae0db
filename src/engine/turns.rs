//! A worker's turns in a load: one operation after the other, chosen by weight.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    barrier::BarrierGate,
    load::LoadError,
    request::ServiceConnections,
    shared::Shared,
    step::Stop,
    worker::{Met, Worker, open_session},
};
use crate::{
    expression::{RandomStream, Turn, Value},
    measure::{Ended, Met as MetOnRows, Recorder, Release},
    outcome::{Cause, Outcome},
    plan::{Arrivals, Operation, Plan, Work, slots},
};

/// Pause after a connection that couldn't be made, so that a dead server isn't hammered.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// An operation of an open load that starts later than this after its moment is late. Timers have a
/// granularity of a millisecond, and a start within it isn't anybody's fault.
const LATE: Duration = Duration::from_millis(10);
const TIMER_GRANULARITY: Duration = Duration::from_millis(2);

impl Worker {
    pub(super) async fn connect(
        number: u32,
        shard: usize,
        shared: Arc<Shared>,
        recorder: Rc<RefCell<Recorder>>,
    ) -> Result<Self, LoadError> {
        let session = if shared.settings.plan.statements.is_empty() {
            None
        } else {
            let session = open_session(&shared, number, "")
                .await
                .map_err(|error| LoadError::Connect { worker: number, error })?;
            shared.settings.board.connected(number, session.server_id());
            Some(session)
        };
        let services = shared.settings.services.iter().map(ServiceConnections::new);
        let services = services.collect::<Result<_, _>>().map_err(LoadError::Service)?;
        Ok(Self::new(number, shard, shared, recorder, session, services))
    }

    /// Waits for the release, then works until the work is done or the run is stopped.
    pub(super) async fn run(mut self) {
        let mut release = self.shared.release.subscribe();
        let released = match release.wait_for(Option::is_some).await {
            Ok(moment) => moment.unwrap_or_else(Instant::now),
            Err(_) => return,
        };
        let plan = Arc::clone(&self.shared.settings.plan);
        self.recorder.borrow_mut().released(Release::Start, released.elapsed());
        match &plan.load.work {
            Work::Arrivals(arrivals) => self.arrivals(&plan, arrivals, released).await,
            Work::Iterations(_) | Work::Duration(_) => self.closed_loop(&plan, released).await,
        }
        self.shared.barriers.iter().for_each(BarrierGate::leave);
        for session in self.session.into_iter().chain(self.gate_session) {
            Box::pin(session.close()).await;
        }
    }

    /// Closed model: the next operation starts when the last one has ended.
    async fn closed_loop(&mut self, plan: &Plan, released: Instant) {
        let stop = self.shared.settings.stop.clone();
        let (share, until) = self.share(plan);
        let mut iteration = 0;
        while u64::from(iteration) < share && !stop.is_stopped() {
            if until.is_some_and(|until| released.elapsed() >= until) || self.has_seen_enough(plan) {
                break;
            }
            self.heal().await;
            let random = RandomStream { seed: self.shared.settings.seed, worker: self.number, iteration };
            let (of_worker, workers) = (u64::from(iteration), u64::from(plan.load.concurrency));
            let of_run = u64::from(self.number) + workers * of_worker;
            self.frame.set_turn(Turn { of_run, of_worker });
            self.iteration(plan, random, released, None).await;
            let Some(next) = iteration.checked_add(1) else { break };
            iteration = next;
        }
    }

    /// Open model: takes the next moment of the schedule, and waits for it or is late for it.
    async fn arrivals(&mut self, plan: &Plan, arrivals: &Arrivals, released: Instant) {
        let stop = self.shared.settings.stop.clone();
        let end = released + arrivals.length();
        loop {
            let ticket = self.shared.tickets.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(moment) = arrivals.start(ticket) else { return };
            let intended = released + moment;
            if Instant::now() < intended {
                tokio::select! {
                    biased;
                    () = stop.stopped() => {}
                    () = tokio::time::sleep_until(intended.into()) => {}
                }
            }
            // What isn't started by the end of the schedule never is: it counts as dropped.
            let now = Instant::now();
            if stop.is_stopped() || now > end + LATE {
                return;
            }
            self.shared.started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if now > intended + LATE && moment >= plan.load.warmup {
                self.recorder.borrow_mut().late_starts += 1;
            }
            self.heal().await;
            let iteration = u32::try_from(ticket).unwrap_or(u32::MAX);
            let seed = self.shared.settings.seed;
            let random = RandomStream { seed, worker: RandomStream::ARRIVALS, iteration };
            self.frame.set_turn(Turn { of_run: ticket, of_worker: ticket });
            self.iteration(plan, random, released, Some(intended)).await;
        }
    }

    /// True when as many operations met as the scenario wants.
    fn has_seen_enough(&self, plan: &Plan) -> bool {
        let overlapped = || self.shared.overlapped.load(std::sync::atomic::Ordering::Relaxed);
        plan.load.enough.is_some_and(|enough| overlapped() >= enough.trials)
    }

    /// Replaces a lost connection, with a pause when that isn't possible now.
    async fn heal(&mut self) {
        if self.is_session_lost() && !Box::pin(self.reconnect()).await {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// How many operations are this worker's, and until when it may start them.
    fn share(&self, plan: &Plan) -> (u64, Option<Duration>) {
        let part = |all: u64| {
            let workers = u64::from(plan.load.concurrency);
            let extra = u64::from(u64::from(self.number) < all % workers);
            all / workers + extra
        };
        match &plan.load.work {
            Work::Iterations(all) => (part(*all), None),
            Work::Duration(duration) => {
                let until = plan.load.warmup + *duration;
                (plan.load.most_operations.map_or(u64::from(u32::MAX), part), Some(until))
            }
            Work::Arrivals(_) => (0, None),
        }
    }

    /// One operation. Its latency runs from `intended`, where there is such a moment.
    pub(super) async fn iteration(
        &mut self,
        plan: &Plan,
        stream: RandomStream,
        released: Instant,
        intended: Option<Instant>,
    ) {
        let mut random = stream.generator();
        self.operation = choose(&self.shared.cumulative, &mut random);
        let operation = &plan.operations[self.operation];
        let globals = plan.globals.len();
        self.frame.restart(&operation.names, globals, self.operation, random, SystemTime::now());
        self.frame.store(slots::ITERATION, Value::from(stream.iteration));
        self.met = Met::default();

        let now = Instant::now();
        let begun = intended.filter(|intended| now > *intended + TIMER_GRANULARITY).unwrap_or(now);
        self.measured = begun.duration_since(released) >= plan.load.warmup;
        let board = Arc::clone(&self.shared.settings.board);
        board.begin(self.shard, self.number, self.operation);
        let outcome = self.operation(plan, operation).await;
        self.tell_effects(operation, &outcome);
        let crowd = self.frame.release_rows();
        if crowd.met && self.measured && plan.load.enough.is_some() {
            self.shared.overlapped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let ended = Ended {
            latency: begun.elapsed().saturating_sub(self.met.think),
            backoff: self.met.backoff,
            retries: self.met.retries,
            deadlocks: self.met.deadlocks,
            serializations: self.met.serializations,
            conflicts: self.met.conflicts,
            unanswered: self.met.unanswered,
            crowd: MetOnRows { most: crowd.most, any: crowd.met, operations: crowd.kinds },
            at: released.elapsed().saturating_sub(plan.load.warmup),
            outcome,
        };
        board.end(self.shard, ended.outcome.is_committed(), ended.retries, ended.deadlocks);
        board.tell(self.shard, self.operation, &ended.outcome, ended.latency);
        self.recorder.borrow_mut().ended(self.operation, &ended, self.measured);
    }

    async fn operation(&mut self, plan: &Plan, operation: &Operation) -> Outcome {
        let result = match self.bind_names(&operation.bindings) {
            Ok(()) => self.steps(plan, &operation.steps).await,
            Err(error) => Err(Stop::value("let", &error)),
        };
        match result {
            Ok(()) if self.met.retries == 0 => Outcome::Ok,
            Ok(()) => Outcome::Recovered(self.met.retries),
            Err(stop) => self.give_up(stop),
        }
    }

    /// Turns what ended the operation into its outcome, and keeps the message.
    fn give_up(&mut self, stop: Stop) -> Outcome {
        let (step, cause, message, outcome) = match stop {
            Stop::Failure { step, failure } => {
                let cause = failure.cause.clone();
                let outcome = if self.met.exhausted {
                    Outcome::Exhausted(cause.clone())
                } else {
                    Outcome::Failed(cause.clone())
                };
                (step, Some(cause), failure.to_string(), outcome)
            }
            Stop::Unknown { step, cause, message } => (step, Some(cause), message, Outcome::Unknown),
            Stop::Assertion { step, message } => (step, None, message, Outcome::Assertion),
            Stop::Timeout { step, message } => (step, Some(Cause::Timeout), message, Outcome::Timeout),
            Stop::Skipped => return Outcome::Skipped,
            // Nothing is left to roll back outside a transaction.
            Stop::Rollback => return Outcome::Ok,
        };
        let mut recorder = self.recorder.borrow_mut();
        let plan = &self.shared.settings.plan;
        if let Some(cause) = &cause
            && plan.load.abort_on.iter().any(|one| one.covers(cause))
        {
            let operation = &plan.operations[self.operation].name;
            recorder.aborted.get_or_insert_with(|| format!("{cause} in {operation}, {step}: {message}"));
            self.shared.settings.stop.stop();
        }
        if self.measured {
            recorder.failure((self.operation, step, cause), || message);
        }
        outcome
    }
}

/// Draws an operation by weight.
fn choose(cumulative: &[f64], random: &mut ChaCha8Rng) -> usize {
    let total = cumulative.last().copied().unwrap_or_default();
    let drawn = random.random_range(0.0..1.0) * total;
    cumulative.partition_point(|sum| *sum <= drawn).min(cumulative.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_drawn_by_their_weight() {
        let mut random = RandomStream { seed: 7, worker: 0, iteration: 0 }.generator();
        let mut drawn = [0; 3];
        for _ in 0..10_000 {
            drawn[choose(&[40.0, 60.0, 100.0], &mut random)] += 1;
        }
        for (count, expected) in drawn.into_iter().zip([4000_i32, 2000, 4000]) {
            assert!((count - expected).abs() < 250, "{drawn:?}");
        }
    }
}
