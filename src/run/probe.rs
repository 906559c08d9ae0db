//! The probe of isolation: from the file, or just a database, to the verdict.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    RunOptions, StopSignal, Watcher,
    database::{self, Opened},
    execute::{Finished, caught, stop_if_interrupted},
    identity::Identity,
    prepare::load_run,
    schemas,
    trouble::{RunError, Trouble},
};
use crate::{
    dialect::{Begin, Dialect},
    engine::{ProbeLists, ProbeSettings, Probed, run_probe},
    fixture::{Entry, create_schema},
    isolation::{Level, Status, judge, write_json_lines},
    measure::{AnomalyResults, ProbeResults},
    outcome::Isolation,
    plan::{Compiled, Plan, RetryPolicy, Step, Transaction, compile},
    scenario::{self, LoadOptions, Problem, Problems},
    verdict,
};

/// Workers of a probe without a scenario.
const WORKERS: u32 = 8;
/// More don't meet more often, and each needs a connection.
const MOST_WORKERS: u32 = 32;
/// Rows of one `INSERT`.
const CHUNK: u32 = 500;

/// What a probe is made of when there is only a database.
const PLAIN: &str = "version: 1
name: isolation probe
targets:
  database: {database: 'sqlite:', migrations: .}
operations:
  probe: {steps: [{transaction: {steps: [{sql: SELECT 1}]}}]}
load: {concurrency: 8, iterations: 1}
";

/// What the user asked for beside what every run has.
#[derive(Debug, Clone, Default)]
pub struct ProbeOptions {
    /// `file` is empty when `database` is set.
    pub run: RunOptions,
    /// Just this database, without a scenario.
    pub database: Option<String>,
    /// Levels to probe instead of the declared ones.
    pub levels: Vec<Isolation>,
    /// A level to probe beside them.
    pub beside: Option<Isolation>,
    /// The level that must be kept, whichever is probed.
    pub expect: Option<Isolation>,
    /// Transactions at each level.
    pub transactions: u64,
    /// Where the histories go, one file for each level.
    pub history: Option<PathBuf>,
}

/// How transactions of a probe are begun and retried.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    isolation: Option<Isolation>,
    begin: Begin,
    retry: RetryPolicy,
}

/// Probes the isolation levels of a scenario's transactions, or those that were asked for.
///
/// # Errors
/// When the scenario is wrong or the probe couldn't be made. Whatever was made until then has been removed,
/// or is in the ledger for `clean`.
pub async fn probe(
    options: &ProbeOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    let plan = Arc::new(plan_of(options)?.plan);
    watcher.secrets(&plan.secrets);
    let identity = Identity::new(options.run.seed);
    let (seed, run_id) = (identity.seed, identity.run_id.clone());
    let run = RunOptions { seed: Some(seed), ..options.run.clone() };
    let Some(database) = &plan.database else {
        let trouble = Trouble::new("a probe needs a database");
        return Err(trouble.hint("the scenario has only requests").into());
    };
    let mut opened = database::open(&plan, database, &run_id, &run, watcher).await?;
    let file = match &options.database {
        Some(_) => opened.endpoint.describe(),
        None => run.file.display().to_string(),
    };
    let mut results = identity.results(&plan, file, Some(&opened));
    let mut probes = Probes { plan: Arc::clone(&plan), options, run_id: &run_id, seed, stop, schema: None };
    let begun = Instant::now();
    let made = caught(probes.make(&mut opened, watcher)).await;
    results.duration_ms = begun.elapsed().as_secs_f64() * 1e3;
    watcher.stage("cleaning up");
    let made_schemas: Vec<String> = probes.schema.take().into_iter().collect();
    let closed = schemas::close(opened, &made_schemas, run.keep, watcher).await;
    results.probes = made?;
    results.environment.concurrency = workers(&plan);
    results.interrupted = stop.is_stopped();
    closed.note_in(&mut results, run.keep);
    let verdict = verdict::judge_probes(&results);
    Ok(Finished { results, verdict, cleanup: closed.trouble })
}

fn plan_of(options: &ProbeOptions) -> Result<Compiled, RunError> {
    let Some(database) = &options.database else {
        return Ok(load_run(&options.run).map_err(RunError::Scenario)?.0);
    };
    let targets = [("database".to_owned(), database.clone())];
    let environment = |name: &str| std::env::var(name).ok();
    let options = LoadOptions { environment: &environment, vars: &[], targets: &targets, profile: None };
    let wrong = |problems: Problems| {
        // Its places are in a text that the user hasn't written.
        let first = problems.iter().next().map_or("it can't be used", |problem| &problem.message);
        RunError::Scenario(Problems::from(Problem::error(format!("the database that was given: {first}"))))
    };
    let folder = no_migrations()
        .map_err(|error| Trouble::new(format!("can't make a temporary folder for the probe: {error}")))?;
    let loaded = scenario::load_str(&folder.path().join("probe.yaml"), PLAIN, &options).map_err(wrong)?;
    compile(&loaded).map_err(wrong)
}

/// A scenario says where its tables come from. A probe makes its own, and carries no migration out.
fn no_migrations() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for dialect in Dialect::ALL {
        let of_dialect = folder.path().join(dialect.name());
        std::fs::create_dir(&of_dialect)?;
        std::fs::write(of_dialect.join("0001_nothing.sql"), "SELECT 1")?;
    }
    Ok(folder)
}

fn workers(plan: &Plan) -> u32 {
    match plan.load.concurrency {
        0 | 1 => WORKERS,
        some => some.min(MOST_WORKERS),
    }
}

/// How the scenario's transactions begin, each way once, in the order of the file.
fn declared(plan: &Plan) -> Vec<Settings> {
    let mut found: Vec<Settings> = Vec::new();
    for operation in &plan.operations {
        collect(&operation.steps, &mut |transaction| {
            let Transaction { isolation, begin, retry, steps: _ } = transaction;
            let is_new = !found.iter().any(|one| (one.isolation, one.begin) == (*isolation, *begin));
            if is_new {
                found.push(Settings { isolation: *isolation, begin: *begin, retry: retry.clone() });
            }
        });
    }
    if found.is_empty() {
        let (isolation, begin) =
            plan.database.as_ref().map_or_else(Default::default, |one| (one.isolation, one.begin));
        found.push(Settings { isolation, begin, retry: RetryPolicy::default() });
    }
    found
}

fn collect(steps: &[Step], found: &mut impl FnMut(&Transaction)) {
    for step in steps {
        match step {
            Step::Transaction(transaction) => found(transaction),
            Step::If { then, otherwise, .. } => {
                collect(then, found);
                collect(otherwise, found);
            }
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
                collect(steps, found);
            }
            _ => {}
        }
    }
}

/// What is to be probed.
fn chosen(plan: &Plan, options: &ProbeOptions) -> Vec<Settings> {
    let declared = declared(plan);
    let first = declared[0].clone();
    let mut chosen = match options.levels.is_empty() {
        true => declared,
        false => Vec::new(),
    };
    for level in options.levels.iter().copied().chain(options.beside) {
        if !chosen.iter().any(|one| one.isolation == Some(level)) {
            chosen.push(Settings { isolation: Some(level), ..first.clone() });
        }
    }
    chosen
}

/// What the stages of one probe share.
struct Probes<'a> {
    plan: Arc<Plan>,
    options: &'a ProbeOptions,
    run_id: &'a str,
    seed: u64,
    stop: &'a StopSignal,
    /// Of the run's own, once it is made.
    schema: Option<String>,
}

impl Probes<'_> {
    async fn make(
        &mut self,
        opened: &mut Opened,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<ProbeResults>, RunError> {
        self.make_schema(opened).await?;
        let mut results = Vec::new();
        let chosen = chosen(&self.plan, self.options);
        let several = chosen.len() > 1;
        for (number, settings) in chosen.into_iter().enumerate() {
            stop_if_interrupted(self.stop)?;
            let level = settings.isolation.map_or("the server's default", Isolation::name);
            watcher.stage(&format!("probing {level}"));
            let table = format!("deadheat_probe_{}", number + 1);
            let lists = ProbeLists::for_transactions(self.options.transactions);
            self.make_lists(opened, &table, lists).await?;
            let probed = run_probe(self.settings(opened, settings.clone(), table, lists)).await;
            let probed = probed.map_err(|error| Trouble::new(error.to_string()))?;
            if let Some(path) = &self.options.history {
                let path = if several { with_level(path, level) } else { path.clone() };
                write_history(&path, &probed)?;
            }
            results.push(self.results(opened.endpoint.dialect(), &settings, &probed));
        }
        Ok(results)
    }

    /// SQLite has no schemas: a file is the run's own as a whole, or it isn't touched.
    async fn make_schema(&mut self, opened: &mut Opened) -> Result<(), RunError> {
        if opened.endpoint.dialect() == Dialect::Sqlite {
            if opened.works_on_existing_tables() {
                let trouble = Trouble::new(format!("{} was there before", opened.endpoint.describe()));
                let hint = "a probe on SQLite makes a file of its own: `--database sqlite:`, or `--target NAME=sqlite:`";
                return Err(trouble.hint(hint).into());
            }
            return Ok(());
        }
        let schema = format!("deadheat_{}", self.run_id);
        if !opened.endpoint.is_embedded() {
            let url = opened.endpoint.url_without_password();
            opened.record(&Entry::Schema { url, schema: schema.clone() })?;
        }
        self.schema = Some(schema.clone());
        create_schema(&mut opened.session, &schema).await.map_err(|failure| {
            RunError::from(Trouble::failure("can't make a schema for this run", &failure))
        })
    }

    fn qualified(&self, dialect: Dialect, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", dialect.quote(schema), dialect.quote(table)),
            None => dialect.quote(table),
        }
    }

    async fn make_lists(
        &self,
        opened: &mut Opened,
        table: &str,
        lists: ProbeLists,
    ) -> Result<(), RunError> {
        let table = self.qualified(opened.endpoint.dialect(), table);
        let failed =
            |failure| RunError::from(Trouble::failure("can't make the lists of the probe", &failure));
        let create = format!("CREATE TABLE {table} (k INTEGER PRIMARY KEY, v TEXT NOT NULL)");
        opened.session.script(&create).await.map_err(failed)?;
        for first in (0..lists.count).step_by(CHUNK as usize) {
            let rows: Vec<String> =
                (first..lists.count.min(first + CHUNK)).map(|key| format!("({key}, '')")).collect();
            let insert = format!("INSERT INTO {table} (k, v) VALUES {}", rows.join(", "));
            opened.session.script(&insert).await.map_err(failed)?;
        }
        Ok(())
    }

    fn settings(
        &self,
        opened: &Opened,
        settings: Settings,
        table: String,
        lists: ProbeLists,
    ) -> ProbeSettings {
        let Settings { isolation, begin, retry } = settings;
        ProbeSettings {
            endpoint: opened.endpoint.clone(),
            session: crate::target::SessionSettings {
                schema: self.schema.clone(),
                ..opened.settings.clone()
            },
            table: self.qualified(opened.endpoint.dialect(), &table),
            lists,
            isolation,
            begin,
            retry,
            workers: workers(&self.plan),
            transactions: self.options.transactions,
            seed: self.seed,
            quick_deadlocks: opened.endpoint.is_embedded(),
            stop: self.stop.clone(),
        }
    }

    fn results(&self, dialect: Dialect, settings: &Settings, probed: &Probed) -> ProbeResults {
        let judgement = judge(&probed.history, true);
        let count =
            |status| probed.history.transactions.iter().filter(|one| one.status == status).count() as u64;
        let in_force = probed.in_force.keys().min().copied();
        let level = self.options.expect.or(settings.isolation).or(in_force);
        ProbeResults {
            isolation: settings.isolation,
            in_force: probed.in_force.iter().map(|(level, count)| (*level, *count)).collect(),
            promised: Level::promised(dialect, level.unwrap_or(Isolation::ReadUncommitted)),
            consistent_with: judgement.level,
            transactions: probed.history.transactions.len() as u64,
            committed: count(Status::Ok),
            rolled_back: count(Status::Fail),
            unknown: count(Status::Info),
            overlapped: probed.history.overlapped(),
            causes: probed.causes.iter().map(|(cause, count)| (cause.to_string(), *count)).collect(),
            anomalies: judgement
                .found
                .into_iter()
                .map(|found| AnomalyResults {
                    kind: found.anomaly,
                    count: found.count,
                    explanation: found.explanation,
                })
                .collect(),
            locks_held: probed.locks_held.distribution(),
            duration_ms: probed.duration.as_secs_f64() * 1e3,
            interrupted: self.stop.is_stopped(),
        }
    }
}

/// `history.jsonl` becomes `history-serializable.jsonl`.
fn with_level(path: &Path, level: &str) -> PathBuf {
    let level = if level.contains(' ') { "default" } else { level };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(ending) => format!("{stem}-{level}.{}", ending.to_string_lossy()),
        None => format!("{stem}-{level}"),
    };
    path.with_file_name(name)
}

fn write_history(path: &Path, probed: &Probed) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::new(format!("can't write {}: {error}", path.display()));
    let mut file = BufWriter::new(crate::report::create(path).map_err(failed)?);
    write_json_lines(&probed.history, &mut file).and_then(|()| file.flush()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_of_each_level_has_a_name() {
        for (path, level, expected) in [
            ("out/h.jsonl", "serializable", "out/h-serializable.jsonl"),
            ("h", "the server's default", "h-default"),
        ] {
            assert_eq!(with_level(Path::new(path), level), Path::new(expected));
        }
    }
}
