//! From the file to a plan, and from a plan to prepared statements.

use std::{path::Path, sync::Arc};

use super::{
    RunOptions,
    database::{self, Opened},
    identity::Identity,
    trouble::{RunError, statement_problem},
};
use crate::{
    fixture,
    plan::{self, Compiled, Plan},
    scenario::{self, LoadOptions, Problems, Source},
    target::{Failure, Prepared, Session},
};

/// Reads and compiles a scenario file without a profile.
///
/// # Errors
/// All problems of the file.
pub fn load_plan(
    file: &Path,
    vars: &[(String, String)],
    targets: &[(String, String)],
) -> Result<(Compiled, Source), Problems> {
    let (vars, targets) = (vars.to_vec(), targets.to_vec());
    load_run(&RunOptions { file: file.to_owned(), vars, targets, ..RunOptions::default() })
}

/// Reads and compiles the scenario of a run.
///
/// # Errors
/// All problems of the file.
pub fn load_run(options: &RunOptions) -> Result<(Compiled, Source), Problems> {
    let RunOptions { file, vars, targets, profile, .. } = options;
    let environment = |name: &str| std::env::var(name).ok();
    let profile = profile.as_deref();
    let loaded = scenario::load(file, &LoadOptions { environment: &environment, vars, targets, profile })?;
    let hidden = |mut problems: Problems| {
        loaded.hide_secrets(&mut problems);
        problems
    };
    let mut compiled = plan::compile(&loaded).map_err(hidden)?;
    compiled.warnings = hidden(compiled.warnings);
    Ok((compiled, loaded.source))
}

/// Lets the server parse every statement of the plan.
///
/// # Errors
/// All statements that it doesn't take, each at its place in the file.
pub(super) async fn prepare_statements(
    plan: &Plan,
    source: &Source,
    texts: &[String],
    session: &mut Session,
) -> Result<Vec<Prepared>, RunError> {
    let mut prepared = Vec::with_capacity(plan.statements.len());
    let mut problems = Problems::from(Vec::new());
    for (statement, text) in plan.statements.iter().zip(texts) {
        match session.prepare(text, &statement.placeholders).await {
            Ok(one) => prepared.push(one),
            Err(failure) if failure.connection_lost => return Err(lost(&failure)),
            Err(failure) => {
                let what = format!("{} of operation {}", statement.step, statement.operation);
                problems.push(statement_problem(&statement.span, &what, &failure));
            }
        }
    }
    for invariant in &plan.invariants {
        if let Err(failure) = session.prepare(&invariant.text, &invariant.placeholders).await {
            if failure.connection_lost {
                return Err(lost(&failure));
            }
            let what = format!("invariant {}", invariant.name);
            problems.push(statement_problem(&invariant.span, &what, &failure));
        }
    }
    for account in &plan.accounts {
        if let Err(failure) = session.prepare(&account.query, &[]).await {
            if failure.connection_lost {
                return Err(lost(&failure));
            }
            problems.push(statement_problem(
                &account.span,
                &format!("the effect on {}", account.name),
                &failure,
            ));
        }
    }
    if problems.has_errors() {
        Err(RunError::Scenario(problems.with_source(source.clone())))
    } else {
        Ok(prepared)
    }
}

fn lost(failure: &Failure) -> RunError {
    super::Trouble::failure("the connection was lost while statements were prepared", failure).into()
}

/// `check --connect`: migrates into a place of its own, prepares every statement and removes
/// everything again.
///
/// # Errors
/// Problems of the scenario, or why the target can't be used.
pub async fn check_connected(
    options: &RunOptions,
    watcher: &mut dyn super::Watcher,
) -> Result<Problems, RunError> {
    let (compiled, source) = load_run(options).map_err(RunError::Scenario)?;
    let plan = Arc::new(compiled.plan);
    watcher.secrets(&plan.secrets);
    let Some(database) = &plan.database else { return Ok(compiled.warnings) };
    let run_id = Identity::new(options.seed).run_id;
    let mut opened = database::open(&plan, database, &run_id, options, watcher).await?;
    let checked = check_opened(&plan, &source, &mut opened).await;
    let closed = opened.close(false, watcher).await;
    checked?;
    if let Some(trouble) = closed.trouble {
        return Err(trouble.into());
    }
    Ok(compiled.warnings)
}

async fn check_opened(plan: &Arc<Plan>, source: &Source, opened: &mut Opened) -> Result<(), RunError> {
    opened.make_tables().await?;
    let texts: Vec<String> = plan.statements.iter().map(|statement| statement.text.clone()).collect();
    prepare_statements(plan, source, &texts, &mut opened.session).await?;
    check_races(plan, source, opened).await?;
    for fixture in &plan.fixtures {
        let sql = format!("SELECT * FROM {} LIMIT 0", fixture.table);
        opened.session.query(&sql, &[]).await.map_err(|failure| {
            super::Trouble::failure(&format!("fixture {} has no table to go into", fixture.name), &failure)
        })?;
    }
    Ok(())
}

/// What can be prepared of races: those whose setup makes tables are checked when they are driven.
async fn check_races(plan: &Plan, source: &Source, opened: &mut Opened) -> Result<(), RunError> {
    let mut problems = Problems::from(Vec::new());
    for race in plan.races.iter().filter(|race| race.setup.is_empty()) {
        for statement in race.plan.statements.iter().filter(|statement| !statement.is_script) {
            if let Err(failure) = opened.session.prepare(&statement.text, &statement.placeholders).await {
                let what = format!("{} of session {}", statement.step, statement.operation);
                problems.push(statement_problem(&statement.span, &what, &failure));
            }
        }
        for invariant in &race.plan.invariants {
            if let Err(failure) = opened.session.prepare(&invariant.text, &invariant.placeholders).await {
                let what = format!("invariant {}", invariant.name);
                problems.push(statement_problem(&invariant.span, &what, &failure));
            }
        }
    }
    match problems.has_errors() {
        true => Err(RunError::Scenario(problems.with_source(source.clone()))),
        false => Ok(()),
    }
}

/// Seeds the fixtures of a plan.
pub(super) async fn seed(plan: &Plan, opened: &mut Opened) -> Result<fixture::Seeded, fixture::SeedError> {
    let (run_id, seed) = (opened.run_id.clone(), opened.seed);
    let tables = opened.tables();
    fixture::seed(&mut opened.session, plan, &run_id, seed, &tables).await
}

/// The plan's statements as they are to be run: in tables that were there before, inserts return
/// their keys.
pub(super) async fn statements(
    plan: &Plan,
    opened: &mut Opened,
    watcher: &mut dyn super::Watcher,
) -> Result<(Vec<String>, Vec<bool>, Option<fixture::RowObserver>), super::Trouble> {
    if !opened.works_on_existing_tables() {
        let texts = plan.statements.iter().map(|statement| statement.text.clone()).collect();
        return Ok((texts, vec![false; plan.statements.len()], None));
    }
    let (ledger, url) = (Arc::clone(&opened.ledger), opened.endpoint.url_without_password());
    let tracked = fixture::track_inserts(&mut opened.session, plan, ledger, url)
        .await
        .map_err(|failure| super::Trouble::failure("the keys of tables can't be asked for", &failure))?;
    for warning in &tracked.warnings {
        watcher.warning(warning);
    }
    Ok((tracked.texts, tracked.observed, Some(tracked.observer)))
}
