//! What is told of a load while it runs: the one list that both formats are made of.
//!
//! Names are without `deadheat` and without the endings that a format gives to units and kinds. Absent on
//! purpose: what isn't counted while the load runs, like percentiles.

use crate::measure::{CoarseRecording, LiveSnapshot, OutcomeCounts};

/// One metric.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub name: &'static str,
    /// As OpenTelemetry writes it: `s`, or what is counted in braces.
    pub unit: &'static str,
    pub help: &'static str,
    pub data: Data<'a>,
}

/// Its kind, and what was counted.
#[derive(Debug)]
pub(super) enum Data<'a> {
    /// Only grows.
    Counter(Vec<Point<'a>>),
    /// As of now.
    Gauge(Vec<Point<'a>>),
    /// Seconds.
    Histogram(&'a CoarseRecording),
}

/// One value.
#[derive(Debug)]
pub(super) struct Point<'a> {
    /// Beside the scenario, which every value has.
    pub labels: Vec<(&'static str, &'a str)>,
    pub value: u64,
}

/// Everything that is told of a load of these operations.
pub(super) fn metrics<'a>(operations: &'a [String], snapshot: &'a LiveSnapshot) -> Vec<Metric<'a>> {
    let one = |value| vec![Point { labels: Vec::new(), value }];
    let totals = &snapshot.totals;
    vec![
        Metric {
            name: "operations",
            unit: "{operation}",
            help: "Operations that ended, by outcome.",
            data: Data::Counter(outcomes(operations, &snapshot.operations)),
        },
        Metric {
            name: "operation_duration",
            unit: "s",
            help: "Latency of operations, retries and backoff included; the sum is within 7 %.",
            data: Data::Histogram(&snapshot.latency),
        },
        Metric {
            name: "operations_started",
            unit: "{operation}",
            help: "Operations that were started.",
            data: Data::Counter(one(totals.started)),
        },
        Metric {
            name: "retries",
            unit: "{retry}",
            help: "Retries of operations that ended.",
            data: Data::Counter(one(totals.retries)),
        },
        Metric {
            name: "deadlocks",
            unit: "{deadlock}",
            help: "Deadlocks that operations met.",
            data: Data::Counter(one(totals.deadlocks)),
        },
        Metric {
            name: "operations_in_flight",
            unit: "{operation}",
            help: "Operations under way.",
            data: Data::Gauge(one(totals.in_flight.into())),
        },
        Metric {
            name: "waiting_sessions",
            unit: "{session}",
            help: "Sessions that waited for a lock when they were last sampled.",
            data: Data::Gauge(one(totals.waiting.into())),
        },
    ]
}

fn outcomes<'a>(operations: &'a [String], counts: &[OutcomeCounts]) -> Vec<Point<'a>> {
    let of_one = |(operation, counts): (&'a String, &OutcomeCounts)| {
        let OutcomeCounts { ok, recovered, failed } = *counts;
        [("ok", ok), ("recovered", recovered), ("failed", failed)].map(|(outcome, value)| Point {
            labels: vec![("operation", operation.as_str()), ("outcome", outcome)],
            value,
        })
    };
    operations.iter().zip(counts).flat_map(of_one).collect()
}
