//! A shard: a thread with a place of its own in the database, and a set of the race's sessions.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::LocalSet;

use super::{
    super::{
        check::{InvariantState, check_invariants},
        request::ServiceConnections,
        shared::{EngineSettings, Shared},
        worker::{Heard, ScriptColumns, Worker, open_session},
    },
    drive::Driver,
    lane::Lane,
    run::{Common, RaceError, RaceShard, Reset},
    schedule::carry_out,
    tally::Tally,
};
use crate::{
    dialect::Dialect,
    measure::{LiveBoard, Recorder},
    outcome::RaceOutcome,
    plan::{Race, TableLinks, split_statements},
    target::{
        BlockedProbe, Failure, Prepared, Session, SessionSettings, listen_for_notices, table_links,
        unique_columns,
    },
};

/// The control session waits for nobody longer than this, where it would wait for hours otherwise.
const LONGEST_RESET: Duration = Duration::from_secs(30);

/// Where a shard's schedules take place.
pub(super) struct Place {
    pub reset: Reset,
    pub invariants: InvariantState,
    pub seed: u64,
}

/// Works through the schedules of every level, together with the other shards.
pub(super) fn run(common: &Arc<Common>, shard: RaceShard) -> Result<Vec<Tally>, RaceError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RaceError::Thread)?;
    let _notices = listen_for_notices();
    let local = LocalSet::new();
    runtime.block_on(local.run_until(work(common, shard)))
}

async fn work(common: &Arc<Common>, shard: RaceShard) -> Result<Vec<Tally>, RaceError> {
    let settings = &common.settings;
    let race = &settings.plan.races[settings.race];
    let control = SessionSettings {
        application_name: format!("{}control", shard.session.application_name),
        statement_timeout: None,
        // Between schedules nobody holds a lock.
        lock_timeout: (race.dialect() != Dialect::Postgres).then_some(LONGEST_RESET),
        ..shard.session.clone()
    };
    let mut control = Session::connect(&settings.endpoint, &control)
        .await
        .map_err(|error| RaceError::Connect(error.to_string()))?;
    let failed = |failure| RaceError::Script { what: "reset", failure };
    shard.reset.apply(&mut control).await.map_err(failed)?;
    for script in &race.setup {
        control.script(script).await.map_err(|failure| RaceError::Script { what: "setup", failure })?;
    }
    let prepared = prepare(race, &mut control).await?;
    let mut invariants = InvariantState::prepare(&race.plan, &shard.globals, &mut control)
        .await
        .map_err(|(index, failure)| RaceError::Invariant { index, failure })?;
    check_invariants(&mut invariants, &mut control, None).await;
    let links = table_links(&mut control).await.map_err(RaceError::Failed)?;
    let unique = unique_columns(&mut control).await.map_err(RaceError::Failed)?;
    let columns = columns(race, &mut control).await;
    for script in &race.teardown {
        control.script(script).await.map_err(|failure| RaceError::Script { what: "teardown", failure })?;
    }
    let lanes = lanes(common, race, &shard, prepared, columns).await?;
    let stage = stage(common, race, &shard).await?;
    let pids: Vec<i32> = lanes.iter().map(|lane| lane.pid).collect();
    let probe = BlockedProbe::prepare(&mut control, &pids).await.map_err(RaceError::Failed)?;
    let mut place = Place { reset: shard.reset, invariants, seed: settings.seed };
    let level = settings.levels[0];
    let mut driver = Driver::new(Arc::clone(&settings.plan), settings.race, level, lanes, control, probe);
    driver.stage = stage;
    driver.quick_deadlocks = settings.quick_deadlocks && !race.continues_after_errors();
    driver.unique = unique;
    let worked = levels(common, &mut driver, &mut place, &links).await;
    let Driver { lanes, control, stage, .. } = driver;
    for session in lanes.into_iter().filter_map(|lane| lane.worker?.session) {
        session.close().await;
    }
    if let Some(stage) = stage {
        stage.close().await;
    }
    control.close().await;
    worked.map_err(RaceError::Failed)
}

async fn levels(
    common: &Common,
    driver: &mut Driver,
    place: &mut Place,
    links: &TableLinks,
) -> Result<Vec<Tally>, Failure> {
    let mut tallies = Vec::new();
    common.count(links);
    for (index, level) in common.settings.levels.iter().enumerate() {
        driver.level = *level;
        let mut tally = Tally::default();
        let begun = Instant::now();
        while !common.settings.stop.is_stopped()
            && let Some((number, schedule)) = common.next(index, links)
        {
            let carried = carry_out(driver, place, &schedule, number).await?;
            let outcome = carried.record.outcome;
            common
                .settings
                .progress
                .carried_out(outcome == Some(RaceOutcome::Violated), outcome == Some(RaceOutcome::Error));
            tally.add(number, carried, common.settings.transcript);
        }
        tally.span = begun.elapsed();
        tallies.push(tally);
    }
    Ok(tallies)
}

/// Scripts stay texts; everything else is prepared in this shard's place.
async fn prepare(race: &Race, control: &mut Session) -> Result<Vec<Prepared>, RaceError> {
    let mut prepared = Vec::with_capacity(race.plan.statements.len());
    for (index, statement) in race.plan.statements.iter().enumerate() {
        prepared.push(if statement.is_script {
            Prepared::Script(statement.text.as_str().into())
        } else {
            control
                .prepare(&statement.text, &statement.placeholders)
                .await
                .map_err(|failure| RaceError::Statement { index, failure })?
        });
    }
    Ok(prepared)
}

/// The columns that the statements of scripts return, which the driver doesn't tell of a result without
/// rows. What can't be parsed yet, because a step makes its table, is taken for something without rows.
async fn columns(race: &Race, control: &mut Session) -> ScriptColumns {
    let mut columns = BTreeMap::new();
    if race.is_scripts() && control.dialect() == Dialect::Postgres {
        return Arc::new(columns);
    }
    for statement in race.plan.statements.iter().filter(|statement| statement.is_script) {
        let mut all = Vec::new();
        for part in split_statements(&statement.text, control.dialect()) {
            let parsed = control.prepare(&part, &[]).await;
            all.push(parsed.map(|prepared| prepared.columns()).unwrap_or_default());
        }
        columns.insert(statement.text.clone(), all);
    }
    Arc::new(columns)
}

/// A session for the race's own scripts, where the others are for scripts, too.
async fn stage(common: &Common, race: &Race, shard: &RaceShard) -> Result<Option<Session>, RaceError> {
    if !race.is_scripts() {
        return Ok(None);
    }
    let application_name = format!("{}scripts", shard.session.application_name);
    let own = SessionSettings { application_name, ..shard.session.clone() };
    let session = Session::connect_for_scripts(&common.settings.endpoint, &own).await;
    session.map(Some).map_err(|error| RaceError::Connect(error.to_string()))
}

async fn lanes(
    common: &Common,
    race: &Race,
    shard: &RaceShard,
    prepared: Vec<Prepared>,
    columns: ScriptColumns,
) -> Result<Vec<Lane>, RaceError> {
    let settings = &common.settings;
    let engine = EngineSettings {
        plan: Arc::clone(&race.plan),
        observed: vec![false; prepared.len()],
        prepared,
        observer: None,
        samples: None,
        globals: shard.globals.clone(),
        endpoint: Some(settings.endpoint.clone()),
        services: settings.services.clone(),
        session: shard.session.clone(),
        seed: settings.seed,
        board: Arc::new(LiveBoard::new(1, race.sessions.len())),
        stop: settings.stop.clone(),
    };
    let shared = Arc::new(Shared::new(engine).map_err(RaceError::Request)?);
    let recorder = Rc::new(RefCell::new(Recorder::new(1)));
    let mut lanes = Vec::new();
    for number in 0..race.plan.load.concurrency {
        let session = match race.is_scripts() {
            true => {
                let application_name = format!("{}w{number}", shard.session.application_name);
                let own = SessionSettings { application_name, ..shard.session.clone() };
                Session::connect_for_scripts(&settings.endpoint, &own).await
            }
            false => open_session(&shared, number, "").await,
        };
        let session = session.map_err(|error| RaceError::Connect(error.to_string()))?;
        let pid = session.server_id();
        let services = settings.services.iter().map(ServiceConnections::new).collect::<Result<_, _>>();
        let services = services.map_err(|error| RaceError::Request(error.to_string()))?;
        let mut worker =
            Worker::new(number, 0, Arc::clone(&shared), Rc::clone(&recorder), Some(session), services);
        worker.heard = Some(Heard { columns: Arc::clone(&columns), tables: Vec::new() });
        lanes.push(Lane::new(worker, pid));
    }
    Ok(lanes)
}
