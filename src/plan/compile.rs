//! From the scenario file to the plan: every part compiled, all problems collected.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    criteria, data, invariant,
    model::{Database, Fixture, Plan, Setup, slots},
    operation, race, running,
    scope::Scope,
    service, sql, statement, variant, work,
};
use indexmap::IndexMap;

use crate::{
    dialect::Dialect,
    expression::{DataRows, Expression, Names, Payloads, Template, Value},
    scenario::{self, Loaded, Named, Problems, Spanned},
};

/// Rows of one fixture.
const MOST_ROWS: u64 = 1_000_000;

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
        requests: Vec::new(),
        services: Vec::new(),
        has_database: false,
        dialect: Dialect::Postgres,
        does_not_apply: IndexMap::new(),
        accounts: Vec::new(),
        barriers: Vec::new(),
        lock_order: Vec::new(),
        concurrency: 1,
        fixture_tables: BTreeMap::new(),
        data: IndexMap::new(),
    };
    let mut plan = compile_parts(&mut scope);
    let mut problems = scope.problems;
    if let Some(plan) = plan.as_mut().filter(|_| !problems.has_errors()) {
        variant::add(loaded, plan, &mut problems);
    }
    match plan {
        Some(plan) if !problems.has_errors() => {
            Ok(Compiled { plan, warnings: problems.with_source(loaded.source.clone()) })
        }
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
    let data = data::compile(scope);
    let mut load = work::compile(scope, file);
    if let Some(load) = &mut load {
        data::limit(scope, load);
    }
    let database = service::targets(scope);
    if let Some(database) = &database {
        scope.lock_order.clone_from(&database.lock_order);
    }
    let before_fixtures = scope.globals.clone();
    let fixtures = fixtures(scope, &file.fixtures);
    let isolation = database.as_ref().and_then(|database| database.isolation);
    let begin = database.as_ref().map(|database| database.begin).unwrap_or_default();
    let operations: Vec<_> = file
        .operations
        .iter()
        .map(|(name, written)| operation::compile(scope, name, written, isolation, begin))
        .collect();
    check_weights(scope);
    let dialect = scope.dialect;
    let invariants: Vec<_> = file
        .invariants
        .iter()
        .filter(|(name, written)| invariant::applies(&mut scope.does_not_apply, dialect, name, written))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(name, written)| invariant::compile(scope, name, written))
        .collect();
    let thresholds = criteria::thresholds(scope, &file.thresholds);
    let requirements = criteria::thresholds(scope, &file.require);
    let grades = criteria::grades(scope);
    super::order::check(scope, &operations);
    let races = race::compile(scope, &before_fixtures, database.as_ref());
    let setup = setup(scope, database.as_ref());
    let mut operations: Vec<_> = operations.into_iter().collect::<Option<Vec<_>>>()?;
    operations.retain(|operation| operation.weight > 0.0);
    let (races, not_driven) = races?;
    let mut plan = Plan {
        name: file.name.value.clone(),
        description: file.description.clone(),
        tags: file.tags.clone(),
        profile: scope.loaded.profile.clone(),
        profiles: file.profiles.keys().map(|name| name.value.clone()).collect(),
        file: scope.loaded.source.path.clone(),
        globals: Arc::new(scope.globals.clone()),
        constants: std::mem::take(&mut scope.constants),
        secrets: file.secrets.values().map(|secret| secret.value.clone()).collect(),
        payloads: Arc::clone(&scope.payloads),
        database,
        services: std::mem::take(&mut scope.services),
        data: data?,
        fixtures: fixtures.into_iter().collect::<Option<_>>()?,
        statements: std::mem::take(&mut scope.statements),
        requests: std::mem::take(&mut scope.requests),
        operations,
        accounts: std::mem::take(&mut scope.accounts),
        barriers: std::mem::take(&mut scope.barriers),
        load: load?,
        invariants: invariants.into_iter().collect::<Option<_>>()?,
        thresholds,
        requirements,
        grades,
        races,
        not_driven,
        setup: setup?,
        control: None,
        compared: Vec::new(),
        does_not_apply: std::mem::take(&mut scope.does_not_apply),
        unchecked: None,
        notes: Vec::new(),
    };
    if let Some(most) = plan.load.most_operations {
        plan.notes
            .push(format!("after {most} operations data that is used once is used up, and the load ends"));
    }
    super::lint::check(scope, &plan);
    running::adapt(&mut plan);
    Some(plan)
}

/// SQL of a control changes tables for good: they must be the run's own.
fn setup(scope: &mut Scope<'_>, database: Option<&Database>) -> Option<Vec<Setup>> {
    let mut compiled = Vec::new();
    for sql in &scope.loaded.file.setup {
        if database.is_none_or(|database| database.migrations.is_none()) {
            scope.error(
                &sql.span(),
                "SQL of a control needs tables of the run's own",
                Some("give the database target `migrations`, or patch a step instead".into()),
            );
            return None;
        }
        let text = statement::text_for_target(scope, sql)?;
        compiled.push(Setup { text: text.value.clone(), span: text.span.clone() });
    }
    Some(compiled)
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

/// Compiles fixtures, and puts their names in scope.
pub(super) fn fixtures(scope: &mut Scope<'_>, written: &Named<scenario::Fixture>) -> Vec<Option<Fixture>> {
    let mut compiled: Vec<Option<Fixture>> = Vec::new();
    if let Some(name) = written.keys().next()
        && !scope.has_database
    {
        scope.error(&name.span, "fixtures need a database", Some(service::ADD_DATABASE.into()));
    }
    for (name, one) in written {
        let earlier: Vec<String> =
            written.keys().take(compiled.len()).map(|name| name.value.clone()).collect();
        compiled.push(fixture(scope, name, one, &earlier));
        scope.fixture_tables.insert(name.value.clone(), one.table.value.clone());
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
    let data = match &written.data {
        Some(data) => Some(rows_of_data(scope, written, data)),
        None => None,
    };
    let rows = match (&written.rows, &data) {
        (Some(rows), _) => scope.whole_number(rows, "`rows`", 1, MOST_ROWS),
        (None, Some(data)) => data.as_ref().map(|data| data.len() as u64),
        (None, None) => Some(1),
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
    if let Some(Some(data)) = &data {
        names.declare_row("row", Arc::clone(data.columns()));
    }
    let columns: Vec<_> = match &data {
        // Said already.
        Some(None) => Vec::new(),
        Some(Some(data)) if written.values.is_empty() => columns_of(data, &names),
        _ => written
            .values
            .iter()
            .map(|(column, literal)| Some((column.value.clone(), scope.template(literal, &names)?)))
            .collect(),
    };
    let table = sql::quote_table(&written.table.value, scope.dialect);
    if table.is_none() {
        scope.error(&written.table.span, format!("`{}` is not the name of a table", written.table), None);
    }
    if (written.per.is_some() && per.is_none()) || matches!(data, Some(None)) {
        scope.globals.declare(&name.value);
        return None;
    }
    Some(Fixture {
        name: name.value.clone(),
        slot: scope.globals.declare(&name.value),
        table: table?,
        rows: rows?,
        per,
        data: data.flatten(),
        columns: columns.into_iter().collect::<Option<_>>()?,
        names: Arc::new(names),
    })
}

/// The rows that a fixture is made of; `None` after a problem.
fn rows_of_data(
    scope: &mut Scope<'_>,
    written: &scenario::Fixture,
    named: &Spanned<String>,
) -> Option<Arc<DataRows>> {
    let file = &scope.loaded.file;
    let Some(data) = scope.data.get(&named.value).cloned() else {
        if !file.data.contains_key(named.value.as_str()) && !scope.is_broken(&named.value) {
            let hint =
                scenario::did_you_mean(&named.value, file.data.keys().map(|name| name.value.as_str()))
                    .unwrap_or_else(|| "data files stand under `data`, each under its name".to_owned());
            scope.error(&named.span, format!("there is no data file `{named}`"), Some(hint));
        }
        return None;
    };
    if written.per.is_some() {
        let hint = "leave one of them out: `parent` or `next` may be of use in `values`";
        scope.error(&named.span, "a fixture has `data` or `per`, not both", Some(hint.into()));
        return None;
    }
    if let Some(rows) = &written.rows {
        let wanted = scope.whole_number(rows, "`rows`", 1, MOST_ROWS)?;
        if wanted > data.len() as u64 {
            let message = format!("`rows` is {wanted}, but `{named}` has {} rows", data.len());
            scope.error(&rows.span, message, Some("leave `rows` out to use all of them".into()));
            return None;
        }
    }
    Some(data)
}

/// Every column of a data file as it is.
fn columns_of(data: &DataRows, names: &Names) -> Vec<Option<(String, Template)>> {
    let of = |column: &str| {
        let quoted = column.replace('\\', "\\\\").replace('"', "\\\"");
        let value = Expression::compile(&format!("row[\"{quoted}\"]"), names).ok()?;
        Some((column.to_owned(), Template::Single(value)))
    };
    data.columns().iter().map(|column| of(column)).collect()
}

fn check_weights(scope: &mut Scope<'_>) {
    let file = &scope.loaded.file;
    let total: f64 =
        file.operations.values().map(|op| op.weight.as_ref().map_or(1.0, |weight| weight.value)).sum();
    if file.operations.is_empty() {
        let span = file.name.span.clone();
        if file.races.is_empty() && scope.loaded.broken.is_empty() {
            scope.error(
                &span,
                "the scenario has neither operations nor races",
                Some("add `operations` with a `load`, or `races`".into()),
            );
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
