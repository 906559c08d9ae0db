//! Tries drafts of a race on a database that stays open, until one shows what a run broke.

use std::{path::Path, sync::Arc, time::Instant};

use super::{
    RunOptions, StopSignal, Watcher,
    database::{self, Opened},
    identity::Identity,
    race::{RaceOptions, Races},
    service::OpenedServices,
    trouble::{RunError, Trouble},
};
use crate::{
    engine::StopSignal as Stop,
    measure::{RaceEventKind, RaceResults, ScheduleRecord},
    outcome::RaceOutcome,
    plan::{self, Plan},
    scenario::{self, LoadOptions},
    shrink::{Case, Change, Draft, Turn, Wanted, changes, pinned},
};

/// Times that a schedule has to show the failure before it is believed.
const CONFIRMATIONS: usize = 3;
/// Most interleavings that are all driven, to find the one that is easiest to follow.
const MOST_INTERLEAVINGS: u128 = 1_000;

/// A place to try drafts in, and how much has been tried.
pub(super) struct Bench<'a> {
    pub options: &'a RunOptions,
    /// Where the file will be: names in it are looked up from there.
    pub path: &'a Path,
    pub seed: u64,
    pub stop: &'a Stop,
    /// When there is no more time.
    pub deadline: Instant,
    pub drafts: u64,
    pub schedules: u64,
    opened: Option<Opened>,
    schemas: Vec<String>,
}

/// A draft that was tried.
pub(super) struct Tried {
    pub race: RaceResults,
    plan: Arc<Plan>,
}

/// What a search found.
pub(super) struct Found {
    pub case: Case,
    pub record: ScheduleRecord,
    pub race: RaceResults,
    /// Nothing can be left out any more; false when time ran out.
    pub smallest: bool,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        options: &'a RunOptions,
        path: &'a Path,
        seed: u64,
        stop: &'a StopSignal,
        deadline: Instant,
    ) -> Self {
        Self {
            options,
            path,
            seed,
            stop,
            deadline,
            drafts: 0,
            schedules: 0,
            opened: None,
            schemas: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.is_stopped() || Instant::now() >= self.deadline
    }

    /// Drives the schedules of a draft.
    ///
    /// # Errors
    /// Why the draft is none.
    pub(super) async fn attempt(
        &mut self,
        draft: &Draft,
        wanted: &Wanted,
        watcher: &mut dyn Watcher,
    ) -> Result<Tried, RunError> {
        let environment = |name: &str| std::env::var(name).ok();
        let known = |(name, _): &&(String, String)| *name == draft.target.0.value;
        let targets: Vec<(String, String)> = self.options.targets.iter().filter(known).cloned().collect();
        let options =
            LoadOptions { environment: &environment, vars: &[], targets: &targets, profile: None };
        let loaded =
            scenario::load_str(self.path, &draft.yaml(wanted), &options).map_err(RunError::Scenario)?;
        let plan = Arc::new(plan::compile(&loaded).map_err(RunError::Scenario)?.plan);
        watcher.secrets(&plan.secrets);
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open(&plan, watcher).await?,
        };
        let race_options = RaceOptions {
            run: self.options.clone(),
            // Every interleaving, so that the plainest one is among them.
            no_reduction: *wanted == Wanted::All,
            transcript: true,
            ..RaceOptions::default()
        };
        let run_id = opened.run_id.clone();
        let mut races = Races {
            plan: Arc::clone(&plan),
            source: &loaded.source,
            options: &race_options,
            run_id: &run_id,
            seed: self.seed,
            stop: self.stop,
            services: OpenedServices::default(),
            schemas: std::mem::take(&mut self.schemas),
        };
        let driven = match races.check_place(&plan.races[0], &opened) {
            Ok(()) => races.one(0, None, &mut opened, &mut Silent(watcher)).await,
            Err(trouble) => Err(trouble.into()),
        };
        self.schemas = std::mem::take(&mut races.schemas);
        self.opened = Some(opened);
        let race = driven?.swap_remove(0);
        self.drafts += 1;
        self.schedules += race.executed + race.pruned;
        Ok(Tried { race, plan })
    }

    async fn open(&self, plan: &Plan, watcher: &mut dyn Watcher) -> Result<Opened, RunError> {
        let Some(database) = &plan.database else {
            return Err(Trouble::new("a race needs a database").into());
        };
        let identity = Identity::new(Some(self.seed));
        let options = RunOptions { seed: Some(self.seed), ..self.options.clone() };
        Ok(database::open(plan, database, &identity.run_id, &options, watcher).await?)
    }

    /// Removes everything that was made for the search.
    pub(super) async fn close(mut self, watcher: &mut dyn Watcher) -> Result<(), Trouble> {
        let Some(opened) = self.opened.take() else { return Ok(()) };
        let closed = super::schemas::close(opened, &self.schemas, false, watcher).await;
        closed.trouble.map_or(Ok(()), Err)
    }

    /// Looks for the failure of a draft among its schedules.
    pub(super) async fn search(
        &mut self,
        draft: &Draft,
        wanted: &Wanted,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Case>, RunError> {
        let tried = self.attempt(draft, wanted, watcher).await?;
        let Some((_, schedule)) = tried.plainest(draft) else { return Ok(None) };
        let case = Case { draft: draft.clone(), schedule };
        if self.shows(&case, watcher).await {
            return Ok(Some(case));
        }
        for case in pinned(&case) {
            if self.is_over() {
                break;
            }
            if self.shows(&case, watcher).await {
                return Ok(Some(case));
            }
        }
        Ok(None)
    }

    /// True when the case's schedule shows the failure every time, and its sessions one after the other
    /// never do: then it is their meeting that does it.
    async fn shows(&mut self, case: &Case, watcher: &mut dyn Watcher) -> bool {
        let Case { draft, schedule } = case;
        let serial = draft.serial();
        let mut listed: Vec<String> = serial.iter().map(|order| draft.schedule_text(order)).collect();
        listed.extend(std::iter::repeat_n(draft.schedule_text(schedule), CONFIRMATIONS));
        let Ok(Tried { race, .. }) = self.attempt(draft, &Wanted::Listed(listed), watcher).await else {
            return false;
        };
        if race.mistake.is_some() || race.transcript.len() != serial.len() + CONFIRMATIONS {
            return false;
        }
        let (serial, met) = race.transcript.split_at(serial.len());
        serial.iter().all(|record| record.outcome == Some(RaceOutcome::Holds))
            && met.iter().all(|record| draft.failure.is_shown_by(record))
    }

    /// Makes a case as small as it gets.
    pub(super) async fn minimise(
        &mut self,
        mut case: Case,
        watcher: &mut dyn Watcher,
    ) -> Result<Found, RunError> {
        let mut smallest = false;
        while !self.is_over() && !smallest {
            let (steps_gone, smaller) = self.pass(case, watcher).await;
            let plainer = self.plainest(smaller.clone(), watcher).await;
            smallest = !steps_gone && plainer == smaller && !self.is_over();
            case = plainer;
        }
        if self.stop.is_stopped() {
            return Err(RunError::Interrupted);
        }
        let listed = Wanted::Listed(vec![case.draft.schedule_text(&case.schedule)]);
        let Tried { mut race, .. } = self.attempt(&case.draft, &listed, watcher).await?;
        race.transcript.retain(|record| case.draft.failure.is_shown_by(record));
        let record = race.transcript.pop().ok_or_else(|| {
            Trouble::new("the race that was found doesn't show it every time").hint("try another `--seed`")
        })?;
        Ok(Found { case, record, race, smallest })
    }

    /// Tries every change once. Returns whether any was good.
    async fn pass(&mut self, mut case: Case, watcher: &mut dyn Watcher) -> (bool, Case) {
        let mut tried: Vec<Change> = Vec::new();
        let mut any = false;
        while let Some(change) = changes(&case.draft).into_iter().find(|change| !tried.contains(change)) {
            if self.is_over() {
                break;
            }
            let smaller = change.apply(&case);
            tried.push(change);
            if self.shows(&smaller, watcher).await {
                case = smaller;
                any = true;
            }
        }
        (any, case)
    }

    /// The same steps in an order that is easier to follow.
    async fn plainest(&mut self, case: Case, watcher: &mut dyn Watcher) -> Case {
        if plan::count(&case.draft.lengths()).is_none_or(|count| count > MOST_INTERLEAVINGS) {
            return case;
        }
        let Ok(tried) = self.attempt(&case.draft, &Wanted::All, watcher).await else { return case };
        let Some((cost, schedule)) = tried.plainest(&case.draft) else { return case };
        let own =
            tried.race.transcript.iter().find(|record| tried.turns(&case.draft, record) == case.schedule);
        if own.is_some_and(|own| cost_of(own, &case.schedule) <= cost) {
            return case;
        }
        let plainer = Case { draft: case.draft.clone(), schedule };
        if self.shows(&plainer, watcher).await { plainer } else { case }
    }
}

impl Tried {
    /// The schedule that shows the failure and is easiest to follow, with what it costs to follow it.
    fn plainest(&self, draft: &Draft) -> Option<((usize, usize), Vec<Turn>)> {
        let shown = self.race.transcript.iter().filter(|record| draft.failure.is_shown_by(record));
        let costs = shown.map(|record| {
            let turns = self.turns(draft, record);
            (cost_of(record, &turns), turns)
        });
        costs.min_by_key(|(cost, _)| *cost)
    }

    /// The schedule of a record as turns of its draft's steps.
    fn turns(&self, draft: &Draft, record: &ScheduleRecord) -> Vec<Turn> {
        let parsed = self.plan.races[0].parse_schedule(&record.schedule);
        let steps = parsed.into_iter().flat_map(|schedule| schedule.0).map(|one| one.step);
        steps.map(|at| Turn { session: at.session, id: draft.steps(at.session)[at.step].id }).collect()
    }
}

/// How hard a schedule is to follow: steps that couldn't be sent when they were due, then changes of session.
fn cost_of(record: &ScheduleRecord, turns: &[Turn]) -> (usize, usize) {
    let in_line = record.events.iter().filter(|event| event.kind == RaceEventKind::InLine).count();
    let switches = turns.windows(2).filter(|pair| pair[0].session != pair[1].session).count();
    (in_line, switches)
}

/// Passes on what must be known, and says nothing of the races that are tried.
struct Silent<'a>(&'a mut dyn Watcher);

impl Watcher for Silent<'_> {
    fn stage(&mut self, _: &str) {}
    fn secrets(&mut self, secrets: &[String]) {
        self.0.secrets(secrets);
    }
    fn warning(&mut self, text: &str) {
        self.0.warning(text);
    }
    fn load_begins(&mut self, _: Arc<crate::measure::LiveBoard>, _: &crate::plan::Plan) {}
    fn race_begins(&mut self, _: Arc<crate::measure::RaceBoard>, _: &str) {}
    fn load_ended(&mut self) {}
}
