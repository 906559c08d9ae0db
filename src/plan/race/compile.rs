//! Compiles the races of a scenario.

use std::sync::Arc;

use super::{
    super::{
        fixture::fixtures,
        invariant,
        model::{Database, Fixture, Load, Plan, Step, Work},
        scope::Scope,
        service::ADD_DATABASE,
    },
    interleaving::count,
    levels::{self, Levels},
    model::{NotDriven, Race, RaceAction, RaceSession, Schedule, Schedules, StepRef},
    schedule::{ScheduleError, ScheduleNames, parse_schedule},
    session,
};
use crate::{
    expression::Names,
    scenario::{self, Blocked, OnError, Spanned},
};

/// Most interleavings of `all`, unless the race says otherwise.
const DEFAULT_LIMIT: u64 = 10_000;
const HIGHEST_LIMIT: u64 = 10_000_000;
/// Sessions of a race: each has a connection.
const MOST_SESSIONS: usize = 32;

/// Compiles all races; `None` after a problem. `names` are the global names before the fixtures. Beside them
/// are those that don't apply.
pub fn compile(
    scope: &mut Scope<'_>,
    names: &Names,
    database: Option<&Database>,
) -> Option<(Vec<Race>, Vec<NotDriven>)> {
    let file = &scope.loaded.file;
    let (globals, tables) = (scope.globals.clone(), scope.fixture_tables.clone());
    let statements = std::mem::take(&mut scope.statements);
    let requests = std::mem::take(&mut scope.requests);
    let mut races = Some(Vec::new());
    let mut not_driven = Vec::new();
    for (name, written) in &file.races {
        scope.globals.clone_from(names);
        scope.fixture_tables.clear();
        let before = races.as_ref().map_or(0, Vec::len);
        match (races.as_mut(), race(scope, name, written, database)) {
            (Some(list), Some((race, lacking))) => {
                list.extend(race);
                not_driven.extend(lacking.into_iter().map(|one| NotDriven { before, ..one }));
            }
            _ => races = None,
        }
        (scope.statements, scope.requests) = (Vec::new(), Vec::new());
    }
    (scope.globals, scope.fixture_tables) = (globals, tables);
    (scope.statements, scope.requests) = (statements, requests);
    Some((races?, not_driven))
}

/// A race, unless none of its levels applies, and those of its levels that don't.
fn race(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Race,
    database: Option<&Database>,
) -> Option<(Option<Race>, Vec<NotDriven>)> {
    let file = &scope.loaded.file;
    let Some(database) = database else {
        if !scope.is_broken("targets") {
            scope.error(&name.span, "a race needs a database", Some(ADD_DATABASE.into()));
        }
        return None;
    };
    let levels = levels::compile(scope, name, written, database);
    if let Some(Levels { driven, not_driven, .. }) = &levels
        && driven.is_empty()
    {
        return Some((None, not_driven.clone()));
    }
    let begin = written.begin.unwrap_or(database.begin);
    let mut seeded = fixtures(scope, &file.fixtures);
    seeded.extend(fixtures_of_race(scope, file, written));
    if written.sessions.len() < 2 && scope.loaded.broken.is_empty() {
        scope.error(&name.span, format!("race `{name}` has fewer than two sessions"), None);
    }
    if written.sessions.len() > MOST_SESSIONS {
        scope.error(&name.span, format!("a race has at most {MOST_SESSIONS} sessions"), None);
    }
    let sessions: Vec<_> = written
        .sessions
        .iter()
        .map(|(name, session)| session::compile(scope, written, name, &session.0, begin))
        .collect();
    let invariants: Vec<_> = written
        .invariants
        .iter()
        .map(|(name, one)| {
            if let Some(when) = one.when.as_ref().and_then(|when| when.first()) {
                scope.error(
                    &when.span,
                    "`when` in a race",
                    Some("an invariant of a race is checked after every schedule".into()),
                );
            }
            invariant::compile(scope, name, one)
        })
        .collect();
    let sessions: Vec<RaceSession> = sessions.into_iter().collect::<Option<_>>()?;
    let lengths: Vec<usize> = sessions.iter().map(|session| session.steps.len()).collect();
    let limit = limit(scope, written);
    let schedules = schedules(scope, name, written, &sessions, &lengths, limit);
    let Levels { driven, expect, not_driven } = levels?;
    let race = Race {
        name: name.value.clone(),
        description: written.description.clone(),
        plan: Arc::new(Plan {
            accounts: Vec::new(),
            setup: Vec::new(),
            control: None,
            compared: Vec::new(),
            name: file.name.value.clone(),
            description: None,
            tags: Vec::new(),
            profile: None,
            profiles: Vec::new(),
            file: scope.loaded.source.path.clone(),
            globals: Arc::new(scope.globals.clone()),
            constants: scope.constants.clone(),
            secrets: Vec::new(),
            payloads: Arc::clone(&scope.payloads),
            database: Some(database.clone()),
            services: scope.services.clone(),
            data: Vec::new(),
            fixtures: seeded.into_iter().collect::<Option<_>>()?,
            statements: std::mem::take(&mut scope.statements),
            requests: std::mem::take(&mut scope.requests),
            operations: Vec::new(),
            barriers: Vec::new(),
            load: Load {
                concurrency: u32::try_from(sessions.len()).ok()?,
                work: Work::Iterations(0),
                most_operations: None,
                warmup: std::time::Duration::ZERO,
                release_together: false,
                enough: None,
                abort_on: Vec::new(),
            },
            invariants: invariants.into_iter().collect::<Option<_>>()?,
            thresholds: Vec::new(),
            requirements: Vec::new(),
            grades: Vec::new(),
            races: Vec::new(),
            unchecked: None,
            notes: Vec::new(),
            does_not_apply: indexmap::IndexMap::new(),
            not_driven: Vec::new(),
        }),
        levels: driven,
        expect,
        begin,
        setup: texts(written.setup.as_ref()),
        has_setup: written.setup.is_some(),
        teardown: texts(written.teardown.as_ref()),
        sessions,
        schedules: schedules?,
        limit,
        blocked: written.blocked.unwrap_or(Blocked::Defer),
        partial: written.partial.unwrap_or(false),
        on_error: written.on_error.unwrap_or(OnError::Abort),
        span: name.span.clone(),
    };
    Some((Some(race), not_driven))
}

/// Fixtures of the race's own; their parents are their own too.
fn fixtures_of_race(
    scope: &mut Scope<'_>,
    file: &scenario::ScenarioFile,
    written: &scenario::Race,
) -> Vec<Option<Fixture>> {
    let before = file.fixtures.len();
    let mut compiled = fixtures(scope, &written.fixtures);
    for fixture in compiled.iter_mut().flatten() {
        fixture.per = fixture.per.map(|parent| parent + before);
    }
    compiled
}

fn texts(written: Option<&scenario::OneOrMany<Spanned<String>>>) -> Vec<String> {
    written.into_iter().flatten().map(|one| one.value.clone()).collect()
}

fn limit(scope: &mut Scope<'_>, written: &scenario::Race) -> u64 {
    match &written.limit {
        None => DEFAULT_LIMIT,
        Some(limit) if (1..=HIGHEST_LIMIT).contains(&limit.value) => limit.value,
        Some(limit) => {
            scope.error(
                &limit.span,
                format!("`limit` must be a whole number from 1 to {HIGHEST_LIMIT}"),
                None,
            );
            DEFAULT_LIMIT
        }
    }
}

fn schedules(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Race,
    sessions: &[RaceSession],
    lengths: &[usize],
    limit: u64,
) -> Option<Schedules> {
    let partial = written.partial.unwrap_or(false);
    match &written.schedules {
        None | Some(scenario::Schedules::All) => {
            within_limit(scope, name, lengths, limit);
            Some(Schedules::All)
        }
        Some(scenario::Schedules::Sample(wanted)) if !(1..=HIGHEST_LIMIT).contains(&wanted.value) => {
            scope.error(
                &wanted.span,
                format!("`sample` must be a whole number from 1 to {HIGHEST_LIMIT}"),
                None,
            );
            None
        }
        Some(scenario::Schedules::Sample(wanted)) => Some(Schedules::Sample(wanted.value)),
        Some(scenario::Schedules::Listed(listed)) => {
            let names = names(sessions);
            let mut compiled = Some(Vec::new());
            for text in listed {
                match parse_schedule(&text.value, &names, partial) {
                    Ok(schedule) => {
                        check_captures(scope, text, sessions, &schedule);
                        compiled.iter_mut().for_each(|list| list.push(schedule.clone()));
                    }
                    Err(error) => {
                        let place = error
                            .range()
                            .map_or(text.span.clone(), |range| scope.place(&text.span, &text.value, range));
                        scope.error(&place, error.to_string(), error.hint());
                        compiled = None;
                    }
                }
            }
            compiled.map(Schedules::Listed)
        }
    }
}

/// The names that schedules are written with.
pub(super) fn names(sessions: &[RaceSession]) -> ScheduleNames<'_> {
    ScheduleNames { sessions: sessions.iter().map(RaceSession::names_of_steps).collect() }
}

/// `begin` moves freely at every level, so that as many interleavings are left out whatever the
/// database is like. What is left must be within the limit.
fn within_limit(scope: &mut Scope<'_>, name: &Spanned<String>, lengths: &[usize], limit: u64) {
    let all = count(lengths);
    if all.is_some_and(|all| all <= u128::from(limit)) {
        return;
    }
    let shown = all.map_or_else(|| "more than 10^38".to_owned(), |all| all.to_string());
    scope.error(
        &name.span,
        format!("race `{name}` has {shown} interleavings, and its limit is {limit}"),
        Some(format!("write `schedules: {{sample: 500}}`, list schedules, or raise `limit` to at most {HIGHEST_LIMIT}")),
    );
}

/// In a partial schedule a step may be left out whose result a later one uses.
fn check_captures(
    scope: &mut Scope<'_>,
    text: &Spanned<String>,
    sessions: &[RaceSession],
    schedule: &Schedule,
) {
    for (place, one) in schedule.0.iter().enumerate() {
        let session = &sessions[one.step.session];
        let RaceAction::Do(Step::Sql(sql)) = &session.steps[one.step.step].action else {
            continue;
        };
        let parameters = &scope.statements[sql.statement.0].parameters;
        let missing = captured(session).find(|(name, by)| {
            let by = StepRef { session: one.step.session, step: *by };
            parameters.iter().any(|parameter| parameter.mentions(name))
                && !schedule.0[..place].iter().any(|earlier| earlier.step == by)
        });
        if let Some((name, by)) = missing {
            let (step, by) = (&session.steps[one.step.step].name, &session.steps[by].name);
            let message = format!("step `{step}` uses `{name}`, which `{by}` would have read before it");
            scope.error(&text.span, message, Some(format!("put `{by}` before `{step}`")));
        }
    }
}

/// Names that steps of a session capture, with the step.
fn captured(session: &RaceSession) -> impl Iterator<Item = (&str, usize)> {
    session.steps.iter().enumerate().flat_map(move |(at, step)| {
        let captures = match &step.action {
            RaceAction::Do(Step::Sql(sql)) => sql.captures.as_slice(),
            _ => &[],
        };
        captures.iter().filter_map(move |(slot, _)| Some((session.names.name(*slot)?, at)))
    })
}

impl Race {
    /// Reads a schedule as the command line gives it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_schedule(&self, text: &str) -> Result<Schedule, ScheduleError> {
        parse_schedule(text, &names(&self.sessions), self.partial)
    }
}
