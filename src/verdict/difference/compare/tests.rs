use indexmap::IndexMap;

use super::*;
use crate::measure::{Environment, OperationResults, TargetInfo};

/// A run of this many seconds, with so many operations in each and times around a mean.
fn run(seconds: u32, per_second: u64, mean: f64) -> RunResults {
    let timeline = (0..seconds)
        .map(|second| {
            // A beginning and an end that would spoil every mean.
            let edge = second == 0 || second + 1 == seconds;
            let wave = f64::from(second % 4) * 0.02 + 0.97;
            let ended = if edge { 7 } else { (per_second as f64 * wave) as u64 };
            TimelineEntry {
                second,
                ended,
                committed: ended - u64::from(second % 5 == 0),
                latency_mean_ms: if edge { 5000.0 } else { mean / wave },
                latency_p50_ms: Some(mean),
                latency_p95_ms: Some(mean * 3.0),
                latency_p99_ms: Some(mean * 4.0),
                ..TimelineEntry::default()
            }
        })
        .collect();
    let target = TargetInfo {
        kind: "PostgreSQL".to_owned(),
        version: "15.18".to_owned(),
        location: "embedded".to_owned(),
        schema: None,
    };
    let totals = OperationResults { started: 1000, ok: 1000, ..OperationResults::default() };
    RunResults {
        scenario: "payments".to_owned(),
        seed: 7,
        timeline,
        operations: IndexMap::from([("pay".to_owned(), totals.clone())]),
        totals,
        environment: Environment {
            targets: IndexMap::from([("db".to_owned(), target)]),
            concurrency: 10,
            ..Environment::default()
        },
        ..RunResults::default()
    }
}

fn findings(comparison: &Comparison) -> Vec<(&str, Finding)> {
    comparison.differences.iter().map(|one| (one.metric.as_str(), one.finding)).collect()
}

#[test]
fn a_slower_run_is_told_and_the_same_one_is_not() {
    let comparison = compare("main", &run(40, 1000, 10.0), &run(40, 700, 14.0));
    assert_eq!(
        findings(&comparison)[..2],
        [("throughput", Finding::Worse), ("latency.avg", Finding::Worse)]
    );
    let throughput = &comparison.differences[0];
    let change = throughput.change.expect("a change");
    assert!((change + 0.3).abs() < 0.01, "the first and the last second don't count: {change}");
    assert!(throughput.low.expect("low") < change && change < throughput.high.expect("high"));
    assert_eq!((comparison.baseline_run.seconds, comparison.operations.len()), (38, 1));
    let back = compare("main", &run(40, 700, 14.0), &run(40, 1000, 10.0));
    assert_eq!(findings(&back)[0], ("throughput", Finding::Better));
    assert_eq!(findings(&back)[3], ("latency.p(95)", Finding::Better));
    let same = compare("main", &run(40, 1000, 10.0), &RunResults { seed: 8, ..run(40, 1000, 10.0) });
    for (metric, finding) in findings(&same) {
        assert_eq!(finding, Finding::NotShown, "{metric}");
    }
    assert!(same.unlike.is_empty(), "another seed is fine: {:?}", same.unlike);
}

#[test]
fn percentiles_are_no_finer_than_they_are_kept() {
    let comparison = compare("main", &run(40, 1000, 10.0), &run(40, 1000, 10.5));
    assert_eq!(findings(&comparison)[1], ("latency.avg", Finding::Worse));
    assert_eq!(findings(&comparison)[3], ("latency.p(95)", Finding::NotShown));
}

#[test]
fn short_and_older_runs_say_what_they_lack() {
    let short = compare("main", &run(40, 1000, 10.0), &run(8, 1000, 10.0));
    let why = short.differences[0].why.as_deref();
    assert_eq!(why, Some("the second run has 6 whole seconds, and 10 are needed"));
    assert_eq!(short.differences[0].finding, Finding::Unknown);
    assert_eq!(short.differences[0].before.as_deref(), Some("1000/s"), "both are shown all the same");
    let mut older = run(40, 1000, 10.0);
    older.timeline.iter_mut().for_each(|second| second.latency_p95_ms = None);
    let comparison = compare("main", &older, &run(40, 1000, 10.0));
    let why = comparison.differences[3].why.as_deref();
    assert_eq!(why, Some("the first document doesn't hold it by second"));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let before = run(40, 1000, 10.0);
    let other = RunResults { scenario: "webhooks".to_owned(), ..run(40, 1000, 10.0) };
    let comparison = compare("main", &before, &other);
    assert_eq!(comparison.incomparable, ["they are of two scenarios: payments and webhooks"]);
    assert!(comparison.differences.is_empty());
    let mut mysql = run(40, 1000, 10.0);
    mysql.environment.targets["db"].kind = "MariaDB".to_owned();
    let comparison = compare("main", &before, &mysql);
    assert_eq!(comparison.incomparable, ["db is PostgreSQL in one and MariaDB in the other"]);
    let nothing =
        compare("main", &before, &RunResults { scenario: "payments".to_owned(), ..RunResults::default() });
    assert_eq!(nothing.incomparable, ["nothing was measured in the second"]);
}

#[test]
fn what_else_differs_is_said() {
    let before = run(40, 1000, 10.0);
    let mut after = run(40, 1000, 10.0);
    after.environment.targets["db"].version = "18.4".to_owned();
    after.environment.concurrency = 250;
    after.vars.insert("multiplier".to_owned(), "50".to_owned());
    after.interrupted = true;
    let comparison = compare("main", &before, &after);
    assert_eq!(
        comparison.unlike,
        [
            "variable multiplier: as written, 50",
            "workers: 10, 250",
            "version of db: 15.18, 18.4",
            "the second was interrupted"
        ]
    );
    assert_eq!(comparison.differences.len(), MEASURES.len(), "the numbers are shown all the same");
}
