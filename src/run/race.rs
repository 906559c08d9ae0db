//! The races of a scenario, from the file to the verdict.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Instant, SystemTime},
};

use super::{
    RunOptions, StopSignal, Watcher,
    database::{self, Closed, Opened},
    execute::{Finished, caught, environment, stop_if_interrupted},
    prepare::{load_plan, new_run_id},
    service::{self, OpenedServices},
    trouble::{RunError, Trouble, statement_problem},
};
use crate::{
    engine::{RaceError, RaceSettings, RaceShard, run_race},
    fixture::{Entry, OwnTables, create_schema, drop_schema, migrate, remember, seed},
    measure::{RaceResults, RunResults},
    outcome::Isolation,
    plan::{Plan, Race, Schedule, Schedules},
    scenario::{Problem, Problems, Source, did_you_mean},
    target::{Session, SessionSettings},
    verdict,
};

/// Words in SQL by which schedules that run side by side would meet whatever their schemas.
const SHARED: &[&str] = &["advisory", "notify", "listen", "prepare transaction", "commit prepared", "role"];

/// What the user asked for beside what every run has.
#[derive(Debug, Clone, Default)]
pub struct RaceOptions {
    pub run: RunOptions,
    /// Only the races of these names.
    pub only: Vec<String>,
    /// Just this order of steps.
    pub schedule: Option<String>,
    /// Interleavings that can't differ are driven too.
    pub no_reduction: bool,
    /// Every schedule's events are kept.
    pub transcript: bool,
    /// Listed schedules are driven this often; once when `None`.
    pub times: Option<u64>,
}

/// Runs the races of a scenario.
///
/// # Errors
/// When the scenario is wrong or the races couldn't be driven. Whatever was made until then has been
/// removed, or is in the ledger for `clean`.
pub async fn race(
    options: &RaceOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    let file = &options.run;
    let (compiled, source) =
        load_plan(&file.file, &file.vars, &file.targets).map_err(RunError::Scenario)?;
    let plan = Arc::new(compiled.plan);
    watcher.secrets(&plan.secrets);
    let chosen = choose(&plan, options, &source)?;
    let seed = file.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let run = RunOptions { seed: Some(seed), ..file.clone() };
    let started_at = SystemTime::now();
    let run_id = new_run_id(seed, started_at);
    service::check_hosts(&plan, &run)?;
    let Some(database) = &plan.database else {
        return Err(Trouble::new("a race needs a database").into());
    };
    let mut opened = database::open(&plan, database, &run_id, &run, watcher).await?;
    let mut results = RunResults {
        scenario: plan.name.clone(),
        description: plan.description.clone(),
        file: run.file.display().to_string(),
        run_id: run_id.clone(),
        seed,
        started_at: jiff::Timestamp::try_from(started_at)
            .map(|moment| moment.to_string())
            .unwrap_or_default(),
        environment: environment(&plan, Some(&opened)),
        ..RunResults::default()
    };
    let mut races = Races {
        plan: Arc::clone(&plan),
        source: &source,
        options,
        run_id: &run_id,
        seed,
        stop,
        services: OpenedServices::default(),
        schemas: Vec::new(),
    };
    let begun = Instant::now();
    let driven = caught(races.drive(&chosen, &mut opened, watcher)).await;
    results.duration_ms = begun.elapsed().as_secs_f64() * 1e3;
    watcher.stage("cleaning up");
    std::mem::take(&mut races.services).close(watcher);
    let dropped = if run.keep { Ok(()) } else { drop_schemas(&races.schemas, &mut opened).await };
    let mut closed = opened.close(run.keep, watcher).await;
    if let Err(trouble) = dropped {
        closed = Closed { trouble: Some(trouble), ..closed };
    }
    results.races = driven?;
    results.interrupted = stop.is_stopped();
    results.fixtures.cleaned = !run.keep && closed.trouble.is_none();
    results.fixtures.note = closed.trouble.as_ref().map(|trouble| trouble.message.clone());
    let verdict = verdict::judge_races(&results);
    Ok(Finished { results, verdict, cleanup: closed.trouble })
}

/// The races that are to be driven, each with the schedule that was asked for.
fn choose(
    plan: &Plan,
    options: &RaceOptions,
    source: &Source,
) -> Result<Vec<(usize, Option<Schedule>)>, RunError> {
    let usage = |problem: Problem| RunError::Scenario(Problems::from(problem).with_source(source.clone()));
    if plan.races.is_empty() {
        let problem = Problem::error("the scenario has no races");
        return Err(usage(problem.hint("`deadheat run` runs its load")));
    }
    let names = || plan.races.iter().map(|race| race.name.as_str());
    if let Some(unknown) = options.only.iter().find(|name| !names().any(|known| known == name.as_str())) {
        let problem = Problem::error(format!("there is no race `{unknown}`"));
        return Err(usage(match did_you_mean(unknown, names().collect::<Vec<_>>()) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }));
    }
    let mut chosen = Vec::new();
    for (index, race) in plan.races.iter().enumerate() {
        if options.only.is_empty() || options.only.contains(&race.name) {
            chosen.push((index, None));
        }
    }
    if options.times.is_some() && options.schedule.is_none() {
        chosen.retain(|(index, _)| matches!(plan.races[*index].schedules, Schedules::Listed(_)));
        if chosen.is_empty() {
            let problem = Problem::error(
                "there is no schedule to replay: no race that was asked for lists its schedules",
            );
            return Err(usage(
                problem.hint("name one with `--schedule`; `deadheat race` drives all interleavings"),
            ));
        }
    }
    if let Some(text) = &options.schedule {
        let [(index, schedule)] = chosen.as_mut_slice() else {
            let problem = Problem::error("`--schedule` is for one race, and the file has several");
            return Err(usage(problem.hint("name it with `--only NAME`")));
        };
        *schedule = Some(plan.races[*index].parse_schedule(text).map_err(|error| {
            let problem = Problem::error(format!("`--schedule`: {error}"));
            usage(match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            })
        })?);
    }
    Ok(chosen)
}

/// What the stages of one run of races share.
pub(super) struct Races<'a> {
    pub(super) plan: Arc<Plan>,
    pub(super) source: &'a Source,
    pub(super) options: &'a RaceOptions,
    pub(super) run_id: &'a str,
    pub(super) seed: u64,
    pub(super) stop: &'a StopSignal,
    pub(super) services: OpenedServices,
    /// Of the run's own, made so far.
    pub(super) schemas: Vec<String>,
}

impl Races<'_> {
    async fn drive(
        &mut self,
        chosen: &[(usize, Option<Schedule>)],
        opened: &mut Opened,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<RaceResults>, RunError> {
        for (index, _) in chosen {
            self.check_place(&self.plan.races[*index], opened)?;
        }
        if chosen.iter().any(|(index, _)| !self.plan.races[*index].plan.requests.is_empty()) {
            let options = &self.options.run;
            self.services =
                service::open(&self.plan, options, &opened.run_id, Some(&*opened), self.stop, watcher)
                    .await?;
        }
        let mut results = Vec::new();
        for (index, only) in chosen {
            stop_if_interrupted(self.stop)?;
            results.extend(self.one(*index, only.as_ref(), opened, watcher).await?);
        }
        Ok(results)
    }

    /// Schedules are reset by emptying tables, which is done to tables of the run's own alone.
    pub(super) fn check_place(&self, race: &Race, opened: &Opened) -> Result<(), Trouble> {
        if !opened.works_on_existing_tables() || race.has_setup {
            return Ok(());
        }
        Err(Trouble::new(format!("race {} would work on tables that were there before", race.name)).hint(
            "between two schedules every table is emptied: give the target `migrations`, or the race a `setup` \
             that makes its tables, and both go into a schema of the run's own",
        ))
    }

    pub(super) async fn one(
        &mut self,
        index: usize,
        only: Option<&Schedule>,
        opened: &mut Opened,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<RaceResults>, RunError> {
        let plan = Arc::clone(&self.plan);
        let race = &plan.races[index];
        watcher.stage(&format!("race {}", race.name));
        let alone = only.is_some() || self.options.transcript;
        let count = if alone { 1 } else { side_by_side(race, self.options.times.unwrap_or(1)) };
        let mut shards = Vec::new();
        for number in 0..count {
            shards.push(self.shard(race, number, opened).await?);
        }
        let settings = RaceSettings {
            plan: Arc::clone(&plan),
            race: index,
            levels: levels(race, opened).await?,
            endpoint: opened.endpoint.clone(),
            services: self.services.endpoints.clone(),
            seed: self.seed,
            reduce: !self.options.no_reduction,
            only: only.cloned(),
            times: self.options.times.unwrap_or(1),
            quick_deadlocks: opened.endpoint.is_embedded() && !mentions(race, &["deadlock_timeout"]),
            transcript: self.options.transcript,
            stop: self.stop.clone(),
            progress: Arc::default(),
        };
        let progress = Arc::clone(&settings.progress);
        let results = run_race(settings, shards).await.map_err(|error| self.trouble(race, error))?;
        watcher.stage(&format!("race {}: {} schedules", race.name, progress.load(Ordering::Relaxed)));
        Ok(results)
    }

    /// A schema of the run's own with the race's tables and rows in it.
    async fn shard(
        &mut self,
        race: &Race,
        number: usize,
        opened: &mut Opened,
    ) -> Result<RaceShard, RunError> {
        let schema = match number {
            0 => format!("deadheat_{}", self.run_id),
            _ => format!("deadheat_{}_{number}", self.run_id),
        };
        let failed =
            |failure| RunError::from(Trouble::failure("can't make a schema for this run", &failure));
        if self.schemas.contains(&schema) {
            drop_schema(&mut opened.session, &schema).await.map_err(failed)?;
        } else {
            if !opened.endpoint.is_embedded() {
                let url = opened.endpoint.url_without_password();
                opened.record(&Entry::Schema { url, schema: schema.clone() })?;
            }
            self.schemas.push(schema.clone());
        }
        create_schema(&mut opened.session, &schema).await.map_err(failed)?;
        let settings = SessionSettings {
            application_name: format!("deadheat/{}/r{number}", self.run_id),
            schema: (!self.is_in_public(race, opened)).then(|| schema.clone()),
            statements: race.plan.statements.len(),
            ..opened.settings.clone()
        };
        let mut session = Session::connect(&opened.endpoint, &settings).await.map_err(Trouble::from)?;
        let made = self.tables(race, opened, &mut session).await;
        session.close().await;
        let (globals, mut reset) = made?;
        if race.plan.database.as_ref().is_some_and(|database| database.migrations.is_none())
            && race.teardown.is_empty()
            && !race.setup.is_empty()
        {
            reset = vec![format!("DROP SCHEMA \"{schema}\" CASCADE; CREATE SCHEMA \"{schema}\"")];
        }
        Ok(RaceShard { session: settings, globals, reset })
    }

    /// A transcript is compared with one of a tool that works in the schema `public`, and plans and
    /// catalogs tell the schema. On a server of ours it is the run's own, and a race that removes its
    /// tables itself leaves it as it was.
    fn is_in_public(&self, race: &Race, opened: &Opened) -> bool {
        self.options.transcript
            && opened.endpoint.is_embedded()
            && opened.migrations().is_none()
            && race.plan.fixtures.is_empty()
            && race.has_setup
            && (race.setup.is_empty() || !race.teardown.is_empty())
    }

    async fn tables(
        &self,
        race: &Race,
        opened: &Opened,
        session: &mut Session,
    ) -> Result<(Vec<crate::expression::Value>, Vec<String>), RunError> {
        if let Some(folder) = opened.migrations() {
            migrate(session, folder).await.map_err(Trouble::from)?;
        }
        let seeded = seed(session, &race.plan, self.run_id, self.seed, &mut OwnTables).await;
        let seeded = seeded.map_err(Trouble::from)?;
        let reset = remember(session)
            .await
            .map_err(|failure| Trouble::failure("can't remember what the tables hold", &failure))?;
        Ok((seeded.globals, if reset.is_empty() { Vec::new() } else { vec![reset] }))
    }

    /// What the engine couldn't do, at its place in the file where there is one.
    fn trouble(&self, race: &Race, error: RaceError) -> RunError {
        let problem = match &error {
            RaceError::Statement { index, failure } => {
                let statement = &race.plan.statements[*index];
                let what =
                    format!("{} of session {} in race {}", statement.step, statement.operation, race.name);
                statement_problem(&statement.span, &what, failure)
            }
            RaceError::Invariant { index, failure } => {
                let invariant = &race.plan.invariants[*index];
                let what = format!("invariant {} of race {}", invariant.name, race.name);
                statement_problem(&invariant.span, &what, failure)
            }
            _ => return Trouble::new(format!("race {}: {error}", race.name)).into(),
        };
        RunError::Scenario(Problems::from(problem).with_source(self.source.clone()))
    }
}

/// Removes the run's schemas from a server that isn't ours.
pub(super) async fn drop_schemas(schemas: &[String], opened: &mut Opened) -> Result<(), Trouble> {
    if opened.endpoint.is_embedded() {
        return Ok(());
    }
    if opened.session.is_lost() {
        opened.session = opened.fresh_session().await?;
    }
    for schema in schemas {
        drop_schema(&mut opened.session, schema)
            .await
            .map_err(|failure| Trouble::failure("can't remove the schema of this run", &failure))?;
    }
    Ok(())
}

/// A place costs as much as this many schedules.
const FEW: u64 = 16;

/// As many places as there are processors, unless schedules could meet in spite of them, or are too few.
fn side_by_side(race: &Race, times: u64) -> usize {
    if let Schedules::Listed(listed) = &race.schedules
        && (listed.len() as u64).saturating_mul(times) <= FEW
    {
        return 1;
    }
    if mentions(race, SHARED) || !race.plan.requests.is_empty() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// True when one of a race's statements or scripts has one of these words in it.
fn mentions(race: &Race, words: &[&str]) -> bool {
    let sessions = race.sessions.iter().flat_map(|session| session.setup.iter().chain(&session.teardown));
    let scripts = race.setup.iter().chain(&race.teardown).chain(sessions);
    let texts = race.plan.statements.iter().map(|statement| &statement.text).chain(scripts);
    texts.map(|text| text.to_lowercase()).any(|text| words.iter().any(|word| text.contains(word)))
}

/// The levels of a race, with the server's default where it names none.
async fn levels(race: &Race, opened: &mut Opened) -> Result<Vec<Isolation>, Trouble> {
    let mut levels = Vec::new();
    for level in &race.levels {
        levels.push(match level {
            Some(level) => *level,
            None => {
                let sql = "SELECT current_setting('default_transaction_isolation')";
                let answered = opened.session.query(sql, &[]).await;
                let answered = answered.map_err(|failure| {
                    Trouble::failure("the server doesn't tell its default isolation level", &failure)
                })?;
                let level = answered.single();
                let level = level.as_str().and_then(Isolation::from_server);
                level.ok_or_else(|| Trouble::new("the server's default isolation level isn't known"))?
            }
        });
    }
    Ok(levels)
}
