//! Samples who waits for whom, and what the application's transactions do.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    side::SideSession,
    watch::{Watched, sleep_unless_ended},
};
use crate::{
    measure::{ApplicationRecorder, ApplicationRules, LiveBoard, WaitSeen, Waiter},
    plan::Plan,
    target::{ApplicationSampler, Failure, LockWait, Session, WaitSampler},
};

/// Pause between two samples: so long that sampling takes at most a thirtieth of the time, because
/// `pg_blocking_pids` and InnoDB's tables hold up others for a moment.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
const PAUSE_PER_COST: u32 = 30;
/// What a sample costs is the shortest time that one of the last few took: the rest is waiting for a busy
/// processor, which costs the others nothing.
const COSTS_KEPT: usize = 20;
/// What they cost is known after this many: the first one comes while all workers begin.
const COSTS_NEEDED: usize = 4;
/// What is sampled.
pub(super) struct Sampling<'a> {
    pub plan: &'a Plan,
    pub board: &'a LiveBoard,
    /// Application names of the workers begin with this.
    pub prefix: &'a str,
    /// When the measured part of the load begins.
    pub measured_from: Instant,
}

/// The questions of a run.
struct Samplers {
    /// `None`: the database doesn't tell who waits.
    waits: Option<WaitSampler>,
    application: Option<ApplicationSampler>,
}

/// Samples until the load has ended.
pub(super) async fn sample_until(
    sampling: Sampling<'_>,
    mut side: SideSession<'_>,
    ended: &mut watch::Receiver<bool>,
) -> Watched {
    let rules = sampling.rules();
    let mut watched =
        Watched { application: rules.clone().map(ApplicationRecorder::new), ..Watched::default() };
    let samplers = match sampling.prepare(side.session, rules.as_ref()).await {
        Ok(samplers) => samplers,
        Err(failure) => {
            watched.problem = Some(format!("sessions can't be sampled: {failure}"));
            return watched;
        }
    };
    let mut pace = Pace::new();
    let mut next = Instant::now();
    while !sleep_unless_ended(next, ended).await {
        let looked = match side.heal().await {
            Ok(()) => sampling
                .look(&samplers, side.session, &mut watched, &mut pace)
                .await
                .map_err(|failure| failure.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match looked {
            Ok(()) => {
                let shortest = samplers.waits.as_ref().map_or(LONGEST_PAUSE, WaitSampler::shortest_pause);
                next = Instant::now() + pace.pause(shortest);
            }
            Err(message) => {
                let problem = || format!("sessions couldn't be sampled for a while: {message}");
                watched.problem.get_or_insert_with(problem);
                next = Instant::now() + PAUSE_AFTER_FAILURE;
            }
        }
    }
    watched
}

/// How long samples take, and how long to wait after them.
struct Pace {
    /// Of the last samples.
    costs: VecDeque<Duration>,
    /// Samples since the last pause.
    taken: u32,
    last_waits: Instant,
    last_application: Instant,
}

impl Pace {
    fn new() -> Self {
        let now = Instant::now();
        Self { costs: VecDeque::new(), taken: 0, last_waits: now, last_application: now }
    }

    fn took(&mut self, cost: Duration) {
        self.taken += 1;
        self.costs.push_back(cost);
        if self.costs.len() > COSTS_KEPT {
            self.costs.pop_front();
        }
    }

    fn pause(&mut self, shortest: Duration) -> Duration {
        let taken = std::mem::take(&mut self.taken);
        if self.costs.len() < COSTS_NEEDED {
            return shortest;
        }
        let cost = self.costs.iter().min().copied().unwrap_or_default();
        (cost * taken * PAUSE_PER_COST).clamp(shortest, LONGEST_PAUSE)
    }
}

impl Sampling<'_> {
    /// What the application should keep to; `None` when no service's database is watched.
    fn rules(&self) -> Option<ApplicationRules> {
        let database = self.plan.database.as_ref()?;
        let watched = self.plan.services.iter().any(|service| service.watched);
        watched.then(|| ApplicationRules {
            isolation: database.isolation,
            lock_order: database.lock_order.clone(),
        })
    }

    async fn prepare(
        &self,
        session: &mut Session,
        rules: Option<&ApplicationRules>,
    ) -> Result<Samplers, Failure> {
        let application = match rules {
            Some(rules) => ApplicationSampler::prepare(session, &rules.lock_order).await?,
            None => None,
        };
        let waits = WaitSampler::prepare(session, self.prefix, application.is_some()).await?;
        Ok(Samplers { waits, application })
    }

    /// The samples between two pauses.
    async fn look(
        &self,
        samplers: &Samplers,
        session: &mut Session,
        watched: &mut Watched,
        pace: &mut Pace,
    ) -> Result<(), Failure> {
        let asked = Instant::now();
        // First: what it looks at may be what the others see, too.
        watched.levels.sample(session, self.board).await?;
        let mut names = HashMap::new();
        if let (Some(sampler), Some(recorder)) = (&samplers.application, &mut watched.application) {
            for _ in 0..sampler.looks() {
                let asked = Instant::now();
                let Some(sample) = sampler.sample(session).await? else { break };
                names.extend(sample.sessions.iter().map(|one| (one.process, one.name.clone())));
                recorder.unseen(sample.hidden, sample.untracked);
                recorder.add(sample.sessions, asked.elapsed(), asked.duration_since(pace.last_application));
                pace.last_application = asked;
                pace.took(asked.elapsed());
            }
        }
        let Some(sampler) = &samplers.waits else { return Ok(()) };
        let waits = sampler.sample(session).await?;
        self.board.set_waiting(waits.len());
        let seen = waits.into_iter().map(|wait| self.wait_seen(wait, &names)).collect();
        let at = asked.saturating_duration_since(self.measured_from);
        watched.waits.add(seen, at, asked.elapsed(), asked.duration_since(pace.last_waits));
        pace.last_waits = asked;
        pace.took(asked.elapsed());
        Ok(())
    }

    fn wait_seen(&self, wait: LockWait, names: &HashMap<i32, String>) -> WaitSeen {
        let LockWait { waiting, blocking, waited_ms, since, table, row } = wait;
        let whose = |process: i32| match self.board.operation_of(process) {
            Some(operation) => Waiter::Operation(operation),
            None => names.get(&process).cloned().map_or(Waiter::Outside, Waiter::Application),
        };
        WaitSeen {
            waiter: whose(waiting),
            blocker: blocking.first().copied().map_or(Waiter::Outside, whose),
            waiting,
            blocking,
            waited_ms,
            since,
            table,
            row,
        }
    }
}
