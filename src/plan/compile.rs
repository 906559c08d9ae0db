//! From the scenario file to the plan: every part compiled, all problems collected.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    criteria, invariant,
    model::{Database, Fixture, Load, Location, Plan, Work, slots},
    operation,
    scope::Scope,
    sql,
};
use crate::{
    expression::{Names, Payloads, Value},
    scenario::{self, Loaded, Problems, Release, Spanned},
};

/// Most workers, fixture rows of one fixture, and operations of one run.
const MOST_WORKERS: u64 = 10_000;
const MOST_ROWS: u64 = 1_000_000;
const MOST_ITERATIONS: u64 = 1_000_000_000;

/// A compiled scenario, and what is worth a warning.
#[derive(Debug)]
pub struct Compiled {
    pub plan: Plan,
    pub warnings: Problems,
}

/// Compiles a scenario. Every problem of the file is returned, those that reading it had found
/// among them.
///
/// # Errors
/// All problems, when one of them is an error.
pub fn compile(loaded: &Loaded) -> Result<Compiled, Problems> {
    let mut scope = Scope {
        loaded,
        problems: loaded.problems.clone(),
        globals: Names::default(),
        payloads: Arc::default(),
        constants: Vec::new(),
        statements: Vec::new(),
        barriers: Vec::new(),
        lock_order: Vec::new(),
        concurrency: 1,
    };
    let plan = compile_parts(&mut scope);
    let problems = scope.problems;
    match plan {
        Some(plan) if !problems.has_errors() => Ok(Compiled { plan, warnings: problems }),
        _ => Err(problems.with_source(loaded.source.clone())),
    }
}

fn compile_parts(scope: &mut Scope<'_>) -> Option<Plan> {
    let file = &scope.loaded.file;
    check_header(scope);
    scope.payloads = Arc::new(payloads(scope)?);
    for name in slots::NAMES {
        scope.globals.declare(name);
    }
    variables(scope);
    let load = load(scope, &file.load);
    let database = database(scope);
    if let Some(database) = &database {
        scope.lock_order.clone_from(&database.lock_order);
    }
    let fixtures = fixtures(scope);
    let isolation = database.as_ref().and_then(|database| database.isolation);
    let operations: Vec<_> = file
        .operations
        .iter()
        .map(|(name, written)| operation::compile(scope, name, written, isolation))
        .collect();
    check_weights(scope);
    let invariants: Vec<_> =
        file.invariants.iter().map(|(name, written)| invariant::compile(scope, name, written)).collect();
    let thresholds = criteria::thresholds(scope);
    let grades = criteria::grades(scope);
    super::order::check(scope, &operations);
    let mut operations: Vec<_> = operations.into_iter().collect::<Option<Vec<_>>>()?;
    operations.retain(|operation| operation.weight > 0.0);
    Some(Plan {
        name: file.name.value.clone(),
        description: file.description.clone(),
        tags: file.tags.clone(),
        file: scope.loaded.source.path.clone(),
        globals: Arc::new(scope.globals.clone()),
        constants: std::mem::take(&mut scope.constants),
        secrets: file.secrets.values().map(|secret| secret.value.clone()).collect(),
        payloads: Arc::clone(&scope.payloads),
        database: database?,
        fixtures: fixtures.into_iter().collect::<Option<_>>()?,
        statements: std::mem::take(&mut scope.statements),
        operations,
        barriers: std::mem::take(&mut scope.barriers),
        load: load?,
        invariants: invariants.into_iter().collect::<Option<_>>()?,
        thresholds,
        grades,
    })
}

fn check_header(scope: &mut Scope<'_>) {
    let name = &scope.loaded.file.name;
    if name.value.trim().is_empty() || name.value.len() > 100 {
        scope.error(&name.span, "a scenario's name has 1 to 100 characters", None);
    }
}

/// The shipped payload templates and those in `templates` beside the scenario or its folder.
fn payloads(scope: &mut Scope<'_>) -> Option<Payloads> {
    let folder = scope.loaded.source.path.parent().unwrap_or(Path::new("")).to_owned();
    let loaded = Payloads::shipped().and_then(|mut payloads| {
        payloads.add_folder(&folder.join("../templates"))?;
        payloads.add_folder(&folder.join("templates"))?;
        Ok(payloads)
    });
    match loaded {
        Ok(payloads) => Some(payloads),
        Err(error) => {
            let span = scope.loaded.file.name.span.clone();
            scope.error(&span, error.to_string(), None);
            None
        }
    }
}

fn variables(scope: &mut Scope<'_>) {
    let file = &scope.loaded.file;
    for (name, literal) in &file.vars {
        if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
            scope.error(&name.span, format!("`{name}` already stands for something else"), None);
            continue;
        }
        let value = scope.evaluate(literal).unwrap_or_default();
        operation::constant(scope, &name.value, value);
    }
    let secrets =
        file.secrets.iter().map(|(name, secret)| (name.value.clone(), Value::from(secret.value.as_str())));
    let secrets = Value::from_pairs(secrets.collect::<Vec<_>>());
    operation::constant(scope, "secrets", secrets);
}

fn load(scope: &mut Scope<'_>, written: &scenario::Load) -> Option<Load> {
    let concurrency = scope.whole_number(&written.concurrency, "`concurrency`", 1, MOST_WORKERS);
    scope.concurrency = u32::try_from(concurrency.unwrap_or(1)).ok()?;
    let workers = scope.concurrency;
    operation::constant(scope, "concurrency", Value::from(workers));
    let work = match (&written.iterations, written.duration) {
        (Some(iterations), None) => {
            scope.whole_number(iterations, "`iterations`", 1, MOST_ITERATIONS).map(Work::Iterations)
        }
        (None, Some(duration)) => Some(Work::Duration(duration.0)),
        (Some(iterations), Some(_)) => {
            scope.error(
                &iterations.span,
                "`iterations` and `duration` together",
                Some("leave one of them out".into()),
            );
            None
        }
        (None, None) => {
            scope.error(
                &written.concurrency.span,
                "the load has no end",
                Some("give `load` either `iterations: 5000` or `duration: 30s`".into()),
            );
            None
        }
    };
    Some(Load {
        concurrency: workers,
        work: work?,
        warmup: written.warmup.map_or(Duration::ZERO, |warmup| warmup.0),
        release_together: written.release == Some(Release::Together),
    })
}

fn database(scope: &mut Scope<'_>) -> Option<Database> {
    let file = &scope.loaded.file;
    let mut targets = file.targets.iter();
    let Some((name, target)) = targets.next() else {
        let span = file.name.span.clone();
        scope.error(
            &span,
            "the scenario has no target",
            Some("add `targets: {db: {database: embedded}}`".into()),
        );
        return None;
    };
    if let Some((second, _)) = targets.next() {
        scope.error(&second.span, "a second database", Some("a scenario works on one database".into()));
    }
    Some(Database {
        target: name.value.clone(),
        location: location(scope, target)?,
        migrations: migrations(scope, target),
        isolation: target.isolation,
        lock_order: lock_order(scope, &target.lock_order),
        statement_timeout: target.statement_timeout.map(|timeout| timeout.0),
        lock_timeout: target.lock_timeout.map(|timeout| timeout.0),
    })
}

fn location(scope: &mut Scope<'_>, target: &scenario::Target) -> Option<Location> {
    let (text, span) = (target.database.value.trim(), &target.database.span);
    if matches!(text, "embedded" | "embedded:postgres") {
        let settings =
            target.settings.iter().map(|(name, value)| (name.value.clone(), value.value.clone()));
        return Some(Location::Embedded { settings: settings.collect() });
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Some(Location::Postgres { url: text.to_owned() });
    }
    // NB: the text may hold a password, so that it isn't repeated.
    scope.error(
        span,
        "this isn't a database that deadheat knows",
        Some("write `embedded`, or a URL like `postgres://user@127.0.0.1:5432/name`".into()),
    );
    None
}

fn migrations(scope: &mut Scope<'_>, target: &scenario::Target) -> Option<std::path::PathBuf> {
    let written = target.migrations.as_ref()?;
    let folder = scope.loaded.source.path.parent().unwrap_or(Path::new("")).join(&written.value);
    let postgres = folder.join("postgres");
    let files = std::fs::read_dir(&postgres).map(|entries| {
        entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "sql"))
            .count()
    });
    match files {
        Ok(0) => {
            scope.error(&written.span, format!("there is no `.sql` file in {}", postgres.display()), None);
            None
        }
        Ok(_) => Some(postgres),
        Err(error) => {
            scope.error(
                &written.span,
                format!("can't read the migrations in {}: {error}", postgres.display()),
                Some(
                    "migrations are `.sql` files in a sub-folder `postgres`, relative to the scenario file"
                        .into(),
                ),
            );
            None
        }
    }
}

fn lock_order(scope: &mut Scope<'_>, written: &[Spanned<String>]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for table in written {
        let folded = table.value.rsplit('.').next().unwrap_or_default().to_lowercase();
        if order.contains(&folded) {
            scope.error(&table.span, format!("`{table}` stands twice in the lock order"), None);
        }
        order.push(folded);
    }
    order
}

fn fixtures(scope: &mut Scope<'_>) -> Vec<Option<Fixture>> {
    let file = &scope.loaded.file;
    let mut compiled: Vec<Option<Fixture>> = Vec::new();
    for (name, written) in &file.fixtures {
        let earlier: Vec<String> =
            file.fixtures.keys().take(compiled.len()).map(|name| name.value.clone()).collect();
        compiled.push(fixture(scope, name, written, &earlier));
    }
    compiled
}

fn fixture(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Fixture,
    earlier: &[String],
) -> Option<Fixture> {
    if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
        scope.error(&name.span, format!("`{name}` already stands for something else"), None);
        return None;
    }
    let rows = match &written.rows {
        Some(rows) => scope.whole_number(rows, "`rows`", 1, MOST_ROWS),
        None => Some(1),
    };
    let per = match &written.per {
        None => None,
        Some(parent) => match earlier.iter().position(|known| *known == parent.value) {
            Some(index) => Some(index),
            None => {
                scope.error(
                    &parent.span,
                    format!("there is no earlier fixture `{parent}`"),
                    Some("fixtures are made in the order in which they stand".into()),
                );
                None
            }
        },
    };
    let mut names = scope.globals.clone();
    names.declare("n");
    if written.per.is_some() {
        names.declare("parent");
    }
    let columns: Vec<_> = written
        .values
        .iter()
        .map(|(column, literal)| Some((column.value.clone(), scope.template(literal, &names)?)))
        .collect();
    let table = sql::quote_table(&written.table.value);
    if table.is_none() {
        scope.error(&written.table.span, format!("`{}` is not the name of a table", written.table), None);
    }
    if written.per.is_some() && per.is_none() {
        scope.globals.declare(&name.value);
        return None;
    }
    Some(Fixture {
        name: name.value.clone(),
        slot: scope.globals.declare(&name.value),
        table: table?,
        rows: rows?,
        per,
        columns: columns.into_iter().collect::<Option<_>>()?,
        names: Arc::new(names),
    })
}

fn check_weights(scope: &mut Scope<'_>) {
    let file = &scope.loaded.file;
    let total: f64 =
        file.operations.values().map(|op| op.weight.as_ref().map_or(1.0, |weight| weight.value)).sum();
    if file.operations.is_empty() {
        let span = file.name.span.clone();
        if !scope.is_broken("operations") && scope.loaded.broken.is_empty() {
            scope.error(&span, "the scenario has no operations", None);
        }
    } else if total <= 0.0 {
        let span = file.operations.keys().next().map_or(0..0, |name| name.span.clone());
        scope.error(
            &span,
            "every operation has weight 0",
            Some("give at least one a weight above 0".into()),
        );
    }
}
