//! From the scenario file to the plan: every part compiled, all problems collected.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    criteria, data,
    fixture::fixtures,
    invariant,
    model::{Database, Plan, Setup, slots},
    operation, race, running,
    scope::Scope,
    service, statement, variant, work,
};
use indexmap::IndexMap;

use crate::{
    dialect::Dialect,
    expression::{Names, Payloads, Value},
    scenario::{Loaded, Problems},
};

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
        secrets: scope.loaded.secrets.clone(),
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
