//! What a scenario can't be meant to be: warnings about plans that would run.
//!
//! A compiled plan and its file come in, warnings at their places go out. Each is about something that
//! makes a run prove less than it seems to. Locks against the declared order are found by
//! [`super::order`].

use std::ops::Range;

use super::{
    locks::{Facts, LockStrength},
    model::{Plan, Step, Work},
    retry::{self, Retried},
    scope::Scope,
};
use crate::{
    dialect::Dialect,
    outcome::{Cause, Isolation},
    scenario::{
        self, NodeKind, Spanned,
        threshold::{Metric, MetricName},
    },
};

/// Connections of deadheat's own beside the workers'.
const OWN_CONNECTIONS: u32 = 4;

/// Warns of everything that is found.
pub(super) fn check(scope: &mut Scope<'_>, plan: &Plan) {
    if plan.operations.is_empty() {
        return;
    }
    contention(scope, plan);
    partial_retries(scope, plan);
    causes(scope, plan);
    connections(scope, plan);
    samples(scope, plan);
    barriers(scope, plan);
    unused_fixtures(scope, plan);
}

/// One worker, or workers that each stay on rows of their own, never meet.
fn contention(scope: &mut Scope<'_>, plan: &Plan) {
    if !plan.requests.is_empty() {
        return;
    }
    if let Some(load) = scope.loaded.file.load.as_ref().filter(|_| plan.load.concurrency == 1) {
        let hint = "raise `concurrency`, or leave the test of a single user to other tools";
        scope.warning(&load.concurrency.span, "a single worker meets nobody", Some(hint.into()));
        return;
    }
    let mut own = None;
    for statement in plan.statements.iter().filter(|statement| !statement.is_gate) {
        let Some(facts) = &statement.facts else { return };
        if !locks_rows(facts) {
            continue;
        }
        let bindings = own_rows(scope, &statement.operation);
        if !is_on_own_rows(&scope.loaded.source.text[statement.span.clone()], &bindings) {
            return;
        }
        own.get_or_insert_with(|| statement.span.clone());
    }
    if let Some(span) = own {
        let hint = "draw rows that others draw too, for example with `pick`";
        scope.warning(&span, "no contention: every worker locks only rows of its own", Some(hint.into()));
    }
}

fn locks_rows(facts: &Facts) -> bool {
    facts.locks.iter().any(|lock| lock.strength != LockStrength::NewRows)
}

/// Names of an operation that stand for a row of the worker's own.
fn own_rows(scope: &Scope<'_>, operation: &str) -> Vec<String> {
    let operations = &scope.loaded.file.operations;
    let Some((_, written)) = operations.iter().find(|(name, _)| name.value == operation) else {
        return Vec::new();
    };
    let own = written
        .bindings
        .iter()
        .filter(|(_, literal)| matches!(&literal.kind, NodeKind::Text(text) if text.contains("[worker]")));
    own.map(|(name, _)| name.value.clone()).collect()
}

/// True when one of the expressions in a statement is about such a row.
fn is_on_own_rows(sql: &str, own: &[String]) -> bool {
    sql.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).any(|expression| {
        let first: String =
            expression.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        expression.contains("[worker]") || own.contains(&first)
    })
}

/// Statements outside a transaction are retried each alone.
fn partial_retries(scope: &mut Scope<'_>, plan: &Plan) {
    for operation in &plan.operations {
        let mut alone = Vec::new();
        statements_alone(&operation.steps, &mut |index, retries| {
            let statement = &plan.statements[index];
            let writes = statement.facts.as_ref().is_some_and(|facts| !facts.locks.is_empty());
            if retries && writes {
                alone.push(index);
            }
        });
        if let [_, second, ..] = alone.as_slice() {
            let statement = &plan.statements[*second];
            let message = format!(
                "operation {}: `{}` is retried alone, and what was written before it stays",
                operation.name, statement.step
            );
            let hint = "put the statements into one `transaction`, which is retried as a whole";
            scope.warning(&statement.span, message, Some(hint.into()));
        }
    }
}

fn statements_alone(steps: &[Step], found: &mut impl FnMut(usize, bool)) {
    for step in steps {
        match step {
            Step::Sql(sql) => found(sql.statement.0, !sql.retry.delays.is_empty()),
            Step::If { then, otherwise, .. } => {
                statements_alone(then, found);
                statements_alone(otherwise, found);
            }
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
                statements_alone(steps, found);
            }
            _ => {}
        }
    }
}

/// A policy none of whose causes can occur never fires.
fn causes(scope: &mut Scope<'_>, plan: &Plan) {
    if !plan.requests.is_empty() {
        return;
    }
    let file = &scope.loaded.file;
    let mut policies: Vec<&scenario::Retry> = file.retry.iter().collect();
    for operation in file.operations.values() {
        policies.extend(&operation.retry);
        walk(&operation.steps, &mut |step| {
            policies.extend(step.transaction.iter().filter_map(|transaction| transaction.retry.as_ref()));
        });
    }
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    for policy in policies {
        let whys: Option<Vec<&str>> =
            policy.on.iter().map(|cause| impossible(&cause.value, plan)).collect();
        if let (Some(first), Some(why)) = (policy.on.first(), whys.as_ref().and_then(|whys| whys.first())) {
            found.push((first.span.clone(), format!("this is never retried: {why}")));
        }
    }
    for (span, message) in found {
        let hint = "name a cause that can occur here: `deadheat explain` shows the policies";
        scope.warning(&span, message, Some(hint.into()));
    }
}

/// Why a cause can't occur; `None`: it can.
fn impossible(cause: &str, plan: &Plan) -> Option<&'static str> {
    let dialect = plan.database.as_ref()?.location.dialect();
    let Ok(Retried::Cause(cause)) = retry::parse_cause(cause) else { return None };
    match (cause, dialect) {
        (Cause::Busy, Dialect::Postgres | Dialect::MySql) => Some("only SQLite is ever `busy`"),
        (Cause::Deadlock, Dialect::Sqlite) => Some("SQLite answers `busy` where others deadlock"),
        (Cause::LockTimeout, Dialect::Sqlite) => Some("SQLite answers `busy` where others wait"),
        (Cause::Serialization, Dialect::Postgres) if is_read_committed(plan) => {
            Some("at READ COMMITTED there are no serialization failures")
        }
        (Cause::Http(_), _) => Some("there are no requests"),
        _ => None,
    }
}

/// True when every transaction declares a level at which nothing has to be serialized.
fn is_read_committed(plan: &Plan) -> bool {
    let mut levels = Vec::new();
    for operation in &plan.operations {
        transactions(&operation.steps, &mut levels);
    }
    !levels.is_empty()
        && levels.iter().all(|level| *level < Some(Isolation::RepeatableRead) && level.is_some())
}

fn transactions(steps: &[Step], levels: &mut Vec<Option<Isolation>>) {
    for step in steps {
        match step {
            Step::Transaction(transaction) => levels.push(transaction.isolation),
            Step::If { then, otherwise, .. } => {
                transactions(then, levels);
                transactions(otherwise, levels);
            }
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
                transactions(steps, levels);
            }
            _ => {}
        }
    }
}

/// A server or a service with fewer connections than workers is measured instead of the transactions.
fn connections(scope: &mut Scope<'_>, plan: &Plan) {
    let workers = plan.load.concurrency;
    let needed = workers + OWN_CONNECTIONS;
    let mut found: Vec<(Range<usize>, String, String)> = Vec::new();
    for target in scope.loaded.file.targets.values() {
        for (name, value) in &target.settings {
            let most = value.value.trim().parse::<u32>().ok();
            if let Some(most) =
                most.filter(|most| name.value.ends_with("max_connections") && *most < needed)
            {
                let message =
                    format!("{workers} workers need {needed} connections, and the server gets {most}");
                found.push((
                    value.span.clone(),
                    message,
                    "leave it out: the server gets enough".to_owned(),
                ));
            }
        }
        for (name, value) in target.start.iter().flat_map(|start| &start.env) {
            let size = match &value.kind {
                NodeKind::Int(number) => u32::try_from(*number).ok(),
                NodeKind::Text(text) => text.trim().parse().ok(),
                _ => None,
            };
            if let Some(size) = size.filter(|size| is_pool(&name.value) && *size < workers) {
                let message = format!("a pool of {size} is smaller than its {workers} workers");
                let hint =
                    "they wait for connections instead of locks: raise it, or lower `load.concurrency`";
                found.push((value.span.clone(), message, hint.to_owned()));
            }
        }
    }
    for (span, message, hint) in found {
        scope.warning(&span, message, Some(hint));
    }
}

fn is_pool(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("pool") || name.contains("max_connections")
}

/// A condition on something that can't be measured never holds.
fn samples(scope: &mut Scope<'_>, plan: &Plan) {
    let file = &scope.loaded.file;
    let conditions = file.thresholds.keys().chain(file.require.keys()).chain(file.grades.keys());
    let thresholds = plan.thresholds.iter().chain(&plan.requirements);
    let metrics: Vec<(&str, &MetricName)> = thresholds
        .map(|one| (one.name.as_str(), &one.metric))
        .chain(plan.grades.iter().map(|one| (one.name.as_str(), &one.metric)))
        .collect();
    let found: Vec<(Range<usize>, String)> = conditions
        .filter_map(|name: &Spanned<String>| {
            let (_, metric) = metrics.iter().find(|(known, _)| *known == name.value)?;
            let why = no_samples(metric, plan)?;
            Some((name.span.clone(), format!("`{name}` can't have samples: {why}")))
        })
        .collect();
    for (span, message) in found {
        scope.warning(&span, message, Some("leave it out, or let the scenario do what it is about".into()));
    }
}

fn no_samples(metric: &MetricName, plan: &Plan) -> Option<String> {
    let is_meant = |name: &str| metric.operation.as_ref().is_none_or(|operation| operation == name);
    if let Some(operation) = &metric.operation
        && !plan.operations.iter().any(|one| one.name == *operation)
    {
        return Some(format!("operation `{operation}` has weight 0"));
    }
    let policies = plan.retry_policies();
    let retries = policies.iter().any(|(name, policy)| is_meant(name) && !policy.delays.is_empty());
    let why = match metric.metric {
        Metric::RecoveryRate | Metric::Backoff if !retries => "nothing is retried",
        Metric::Overlap if plan.fixtures.is_empty() => "there is no fixture whose rows could be drawn",
        Metric::LateStarts | Metric::DroppedStarts if !matches!(plan.load.work, Work::Arrivals(_)) => {
            "the load has no `rate` and no `stages`"
        }
        Metric::DatabaseDeadlocks if !plan.services.iter().any(|service| service.watched) => {
            "no application's database is watched"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// A barrier that more workers must reach than there are operations.
fn barriers(scope: &mut Scope<'_>, plan: &Plan) {
    let Work::Iterations(iterations) = plan.load.work else { return };
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    for operation in scope.loaded.file.operations.values() {
        walk(&operation.steps, &mut |step| {
            let Some(written) = &step.barrier else { return };
            let barrier = plan.barriers.iter().find(|barrier| barrier.name == written.value.name.value);
            if let Some(barrier) = barrier.filter(|barrier| u64::from(barrier.parties) > iterations) {
                let message = format!(
                    "barrier `{}` waits for {} workers, and there are only {iterations} operations",
                    barrier.name, barrier.parties
                );
                found.push((written.value.name.span.clone(), message));
            }
        });
    }
    for (span, message) in found {
        scope.warning(&span, message, Some("lower `parties`, or raise `load.iterations`".into()));
    }
}

/// A fixture whose name and whose table are mentioned nowhere else. What a service does with it isn't
/// known.
fn unused_fixtures(scope: &mut Scope<'_>, plan: &Plan) {
    if !plan.requests.is_empty() {
        return;
    }
    let file = &scope.loaded.file;
    let text = &scope.loaded.source.text;
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    for (name, fixture) in &file.fixtures {
        let declared = [&name.span, &fixture.table.span];
        let is_used = |word: &str| {
            mentions(text, word).any(|place| !declared.iter().any(|span| span.contains(&place)))
        };
        if !is_used(&name.value) && !is_used(&fixture.table.value) {
            found.push((name.span.clone(), format!("fixture `{name}` is used nowhere")));
        }
    }
    for (span, message) in found {
        scope.warning(&span, message, Some("draw its rows in an operation, or leave it out".into()));
    }
}

/// Where a word stands in a text.
fn mentions<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(place, _)| place).filter(move |place| {
        !word.is_empty()
            && !text[..*place].ends_with(is_part)
            && !text[place + word.len()..].starts_with(is_part)
    })
}

fn walk<'a>(steps: &'a [Spanned<scenario::Step>], visit: &mut impl FnMut(&'a scenario::Step)) {
    for step in steps {
        visit(&step.value);
        let transaction = step.value.transaction.as_ref().map(|transaction| &transaction.steps);
        let parts = [
            transaction,
            step.value.then.as_ref(),
            step.value.otherwise.as_ref(),
            step.value.steps.as_ref(),
        ];
        for part in parts.into_iter().flatten() {
            walk(part, visit);
        }
    }
}
