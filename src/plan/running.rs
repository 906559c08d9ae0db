//! What a plan is when one of its services is running already: that service has tables of its own.
//!
//! No migration can be run for it, because it wouldn't see the schema. And when the scenario's database is a
//! throw-away server, nobody has said which one the service works on: fixtures still give the requests their
//! values, but what the scenario asks of the database can't be known.

use super::{
    model::{Location, Plan},
    request::ServiceLocation,
};
use crate::scenario::threshold::Metric;

/// Read from the application's sessions, or from its database.
const WATCHED: [Metric; 5] = [
    Metric::IsolationCompliance,
    Metric::LockOrderViolations,
    Metric::LockWaits,
    Metric::LockWaitTime,
    Metric::DeepestQueue,
];

/// Takes out of a plan what doesn't go with a service that is running already.
pub(super) fn adapt(plan: &mut Plan) {
    let running = plan
        .services
        .iter_mut()
        .find(|service| service.watched && matches!(service.location, ServiceLocation::Url(_)));
    let (Some(service), Some(database)) = (running, &mut plan.database) else { return };
    if matches!(database.location, Location::Server { .. }) {
        database.migrations = None;
        plan.notes.push(format!("{} is running already: its own tables are used", service.target));
        return;
    }
    service.watched = false;
    let before = plan.thresholds.len();
    plan.thresholds.retain(|threshold| !WATCHED.contains(&threshold.metric.metric));
    plan.requirements.retain(|requirement| !WATCHED.contains(&requirement.metric.metric));
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    plan.unchecked = Some(format!(
        "the database of {} isn't known, so that {}, {} and {} weren't checked",
        service.target,
        count(plan.invariants.len(), "invariant"),
        count(plan.accounts.len(), "effect"),
        count(before - plan.thresholds.len(), "threshold")
    ));
    plan.notes.push(format!(
        "{} is running already; `--target {}=postgres://…` says what database it works on",
        service.target, database.target
    ));
    plan.invariants.clear();
    plan.accounts.clear();
    plan.operations.iter_mut().for_each(|operation| operation.effects.clear());
}
