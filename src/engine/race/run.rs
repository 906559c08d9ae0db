//! A whole race: its levels, one after the other, on shards side by side.

use std::sync::{Arc, Mutex, Once, PoisonError};

use super::{
    shard,
    source::Source,
    tally::{Tally, counts},
};
use crate::{
    engine::StopSignal,
    expression::Value,
    measure::{RaceBoard, RaceResults},
    outcome::Isolation,
    plan::{Independence, Plan, Race, Reduction, Schedule, TableLinks, count, reduction},
    target::{Endpoint, Failure, Session, SessionSettings, http::HttpEndpoint},
};

/// What a race needs beside its plan.
pub struct RaceSettings {
    pub plan: Arc<Plan>,
    /// Index into [`Plan::races`].
    pub race: usize,
    /// Those of the race, with the server's default in its place.
    pub levels: Vec<Isolation>,
    pub endpoint: Endpoint,
    pub services: Vec<Arc<HttpEndpoint>>,
    pub seed: u64,
    /// Leave out interleavings that can't differ.
    pub reduce: bool,
    /// Just this schedule.
    pub only: Option<Schedule>,
    /// How often listed schedules are driven, `only` among them; with values drawn anew each time.
    pub times: u64,
    /// On a server of ours, where a session may set its `deadlock_timeout`.
    pub quick_deadlocks: bool,
    /// Keep the events of every schedule.
    pub transcript: bool,
    pub stop: StopSignal,
    /// Schedules carried out so far.
    pub progress: Arc<RaceBoard>,
}

/// A place in the database that one schedule at a time is carried out in.
pub struct RaceShard {
    pub session: SessionSettings,
    /// Values of the race's global names.
    pub globals: Vec<Value>,
    pub reset: Reset,
}

/// How the tables of a place are made what they were, before every schedule.
#[derive(Debug, Clone)]
pub enum Reset {
    /// There is nothing to be made.
    Nothing,
    /// By a script.
    Script(String),
    /// All of them are dropped; the race's `setup` makes them anew.
    Empty { schema: String },
}

impl Reset {
    /// Does it.
    pub(super) async fn apply(&self, session: &mut Session) -> Result<(), Failure> {
        match self {
            Self::Nothing => Ok(()),
            Self::Script(script) => session.script(script).await,
            Self::Empty { schema } => session.empty_schema(schema).await,
        }
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    #[error("{0}")]
    Connect(String),
    #[error("the {what} of the race fails: {failure}")]
    Script { what: &'static str, failure: Failure },
    #[error("a statement doesn't prepare: {failure}")]
    Statement { index: usize, failure: Failure },
    #[error("an invariant doesn't prepare: {failure}")]
    Invariant { index: usize, failure: Failure },
    #[error("{0}")]
    Request(String),
    #[error("{0}")]
    Failed(Failure),
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
    #[error("a thread of the race panicked")]
    Panicked,
}

/// What all shards share.
pub(super) struct Common {
    pub settings: RaceSettings,
    /// For each level; made by the first shard that needs it.
    sources: Vec<Mutex<Option<Source>>>,
    counted: Once,
}

impl Common {
    fn race(&self) -> &Race {
        &self.settings.plan.races[self.settings.race]
    }

    /// The next schedule of a level, with its number.
    pub(super) fn next(&self, level: usize, links: &TableLinks) -> Option<(usize, Schedule)> {
        let mut source = self.sources[level].lock().unwrap_or_else(PoisonError::into_inner);
        source.get_or_insert_with(|| self.source(level, links)).next()
    }

    /// Tells how many schedules there are at all levels together, as far as that can be counted quickly.
    pub(super) fn count(&self, links: &TableLinks) {
        self.counted.call_once(|| {
            let levels = 0..self.settings.levels.len();
            let counts: Option<Vec<u64>> = levels.map(|level| self.source(level, links).count()).collect();
            self.settings.progress.plan(counts.map_or(0, |counts| counts.into_iter().sum()));
        });
    }

    fn source(&self, level: usize, links: &TableLinks) -> Source {
        let settings = &self.settings;
        let race = self.race();
        let reduction = if settings.reduce {
            reduction(race, settings.levels[level], Some(links))
        } else {
            Reduction { independence: Independence::none(&race.lengths()), reasons: Vec::new() }
        };
        Source::new(race, reduction, settings.only.as_ref(), settings.times, settings.seed)
    }
}

/// Carries out every schedule of a race at every level. Each shard is a thread.
///
/// # Errors
/// When sessions can't be made, a statement isn't taken, or a session is lost.
pub async fn run_race(
    settings: RaceSettings,
    shards: Vec<RaceShard>,
) -> Result<Vec<RaceResults>, RaceError> {
    let side_by_side = shards.len();
    let sources = settings.levels.iter().map(|_| Mutex::new(None)).collect();
    let common = Arc::new(Common { settings, sources, counted: Once::new() });
    let mut threads = Vec::new();
    for (number, shard) in shards.into_iter().enumerate() {
        let common = Arc::clone(&common);
        let thread = std::thread::Builder::new()
            .name(format!("race-{number}"))
            .spawn(move || shard::run(&common, shard))
            .map_err(RaceError::Thread)?;
        threads.push(thread);
    }
    let joined = tokio::task::spawn_blocking(move || {
        threads.into_iter().map(std::thread::JoinHandle::join).collect::<Vec<_>>()
    });
    let mut tallies: Vec<Tally> = common.settings.levels.iter().map(|_| Tally::default()).collect();
    for ended in joined.await.map_err(|_| RaceError::Panicked)? {
        let parts = ended.map_err(|_| RaceError::Panicked)??;
        for (tally, part) in tallies.iter_mut().zip(parts) {
            tally.merge(part);
        }
    }
    let results = tallies.into_iter().enumerate();
    Ok(results.map(|(level, tally)| results_of(&common, level, tally, side_by_side)).collect())
}

fn results_of(common: &Common, level: usize, tally: Tally, side_by_side: usize) -> RaceResults {
    let race = common.race();
    let all = count(&race.lengths());
    let source = common.sources[level].lock().unwrap_or_else(PoisonError::into_inner).take();
    let given = source.as_ref().and_then(Source::complete);
    let left_out = all.zip(given).and_then(|(all, given)| u64::try_from(all - u128::from(given)).ok());
    let reasons = source.map(|source| source.reasons).unwrap_or_default();
    let because = reasons.into_iter().filter(|_| left_out.is_some_and(|count| count > 0));
    let outcome = tally.outcome();
    RaceResults {
        race: race.name.clone(),
        description: race.description.clone(),
        isolation: common.settings.levels[level],
        does_not_apply: None,
        expect: race.expect[level],
        outcome,
        sessions: race.sessions.iter().map(|session| session.name.clone()).collect(),
        interleavings: all.map_or_else(|| "> 10^38".to_owned(), |all| all.to_string()),
        executed: tally.holds + tally.violated + tally.errors,
        holds: tally.holds,
        violated: tally.violated,
        errors: tally.errors,
        pruned: tally.pruned,
        left_out,
        left_out_because: because.map(str::to_owned).collect(),
        waited: tally.waited,
        causes: counts(tally.causes),
        anomalies: counts(tally.anomalies),
        busy_ms: tally.busy.as_secs_f64() * 1e3,
        duration_ms: tally.span.as_secs_f64() * 1e3,
        side_by_side,
        mistake: tally.mistake.map(|(_, mistake)| mistake),
        counter_example: tally.counter_example.map(|(_, record)| record),
        first_error: tally.first_error.map(|(_, record)| record),
        transcript: tally.records.into_values().collect(),
    }
}
