//! The value of a metric in the results of a run.

use crate::{
    measure::{Distribution, OperationResults, RunResults},
    scenario::threshold::{Metric, MetricName, Statistic, Unit, format_value},
};

/// A measured value in its metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    pub value: f64,
    pub unit: Unit,
}

impl Observed {
    /// With its unit, rounded for people.
    pub fn text(self) -> String {
        let digits = match self.unit {
            Unit::Share => 1e4,
            Unit::Count if self.value.fract() == 0.0 => 1.0,
            _ => {
                // Three significant digits are as many as a measurement on a busy machine has.
                let magnitude = self.value.abs().log10().floor();
                if magnitude.is_finite() { 10_f64.powf((2.0 - magnitude).max(0.0)) } else { 1.0 }
            }
        };
        format_value((self.value * digits).round() / digits, self.unit)
    }
}

/// The value; `None` when there are no samples, or when a trend lacks its statistic.
pub fn observe(results: &RunResults, name: &MetricName, statistic: Option<Statistic>) -> Option<Observed> {
    let operation = match &name.operation {
        None => &results.totals,
        Some(operation) => results.operations.get(operation)?,
    };
    let statistic = statistic.or(name.statistic);
    let value = match name.metric {
        Metric::Latency => distribution(&operation.latency_ms, statistic?),
        Metric::AttemptTime => distribution(&operation.attempt_ms, statistic?),
        Metric::Backoff => distribution(&operation.backoff_ms, statistic?),
        metric => scalar(results, operation, name.operation.as_deref(), metric),
    }?;
    Some(Observed { value, unit: name.metric.unit() })
}

/// Why a metric has no meaning on the run's database.
pub(super) fn inapplicable<'a>(results: &'a RunResults, name: &MetricName) -> Option<&'a str> {
    let check = name.metric.needs()?;
    results.does_not_apply.get(check.name()).map(String::as_str)
}

fn distribution(distribution: &Distribution, statistic: Statistic) -> Option<f64> {
    if distribution.count == 0 {
        return None;
    }
    match statistic {
        Statistic::Avg => Some(distribution.mean),
        Statistic::Min => Some(distribution.min),
        Statistic::Med => distribution.percentile(50.0),
        Statistic::Max => Some(distribution.max),
        Statistic::Percentile(percent) => distribution.percentile(percent),
    }
}

fn scalar(results: &RunResults, one: &OperationResults, only: Option<&str>, metric: Metric) -> Option<f64> {
    let count = |count: u64| Some(count as f64);
    let ran = one.started > one.skipped;
    match metric {
        Metric::SuccessRate => one.share(one.committed()),
        Metric::ErrorRate => one.share(one.started - one.skipped - one.committed()),
        Metric::DeadlockRate => one.share(one.met_deadlock),
        Metric::SerializationRate => one.share(one.met_serialization),
        Metric::RetryRate => one.share(one.retried),
        Metric::RecoveryRate => (one.retried > 0).then(|| one.recovered as f64 / one.retried as f64),
        Metric::IsolationCompliance => isolation_compliance(results, only),
        Metric::Throughput => ran.then_some(one.throughput_per_s),
        Metric::LockOrderViolations => lock_order_violations(results, only),
        Metric::LockWaits => waits(results, only, |_, waits| waits as f64),
        Metric::LockWaitTime => waits(results, only, |total, _| total),
        Metric::DeepestQueue => (results.waits.samples > 0).then_some(results.waits.deepest_queue as f64),
        Metric::RowsRemaining => count(results.fixtures.remaining),
        Metric::LateStarts => results.arrivals.as_ref().map(|arrivals| arrivals.late as f64),
        Metric::DatabaseDeadlocks => results.application.as_ref()?.deadlocks.map(|count| count as f64),
        Metric::DroppedStarts => results.arrivals.as_ref().map(|arrivals| arrivals.dropped as f64),
        Metric::Overlap => (one.trials > 0).then(|| one.overlapped as f64 / one.trials as f64),
        _ if !ran => None,
        Metric::Retries => count(one.retries),
        Metric::Recovered => count(one.recovered),
        Metric::Exhausted => count(one.exhausted),
        Metric::Deadlocks => count(one.deadlocks),
        Metric::Unknown => count(one.unknown),
        Metric::Assertions => count(one.assertion),
        Metric::Operations => count(one.started - one.skipped),
        Metric::Latency | Metric::AttemptTime | Metric::Backoff => None,
    }
}

fn isolation_compliance(results: &RunResults, only: Option<&str>) -> Option<f64> {
    let observed =
        results.isolation.observed.iter().filter(|one| only.is_none_or(|name| one.operation == name));
    let (mut all, mut right) = (0, 0);
    for one in observed {
        all += one.transactions;
        right += if one.declared == one.in_force { one.transactions } else { 0 };
    }
    (all > 0).then(|| right as f64 / all as f64)
}

/// Without a declared order, or without a transaction, there is nothing that could be violated.
fn lock_order_violations(results: &RunResults, only: Option<&str>) -> Option<f64> {
    if results.lock_order.transactions == 0 {
        return None;
    }
    let violations =
        results.lock_order.violations.iter().filter(|one| only.is_none_or(|name| one.operation == name));
    Some(violations.map(|one| one.count).sum::<u64>() as f64)
}

fn waits(results: &RunResults, only: Option<&str>, value: impl Fn(f64, u64) -> f64) -> Option<f64> {
    if results.waits.samples == 0 {
        return None;
    }
    let pairs = results.waits.pairs.iter().filter(|pair| only.is_none_or(|name| pair.waiting == name));
    let (total, count) =
        pairs.fold((0.0, 0), |(total, count), pair| (total + pair.total_ms, count + pair.waits));
    Some(value(total, count))
}
