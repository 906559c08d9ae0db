//! Measures of two runs, from their seconds.

use super::{
    Comparison, ComparisonSide, Difference, Finding, OperationPair,
    alike::{incomparable, notes, unlike},
    interval::{Estimate, FEWEST, Scale, Window, estimate, interval},
};
use crate::{
    measure::{RunResults, TimelineEntry},
    scenario::threshold::Unit,
    verdict::Observed,
};

/// Percentiles of a second are known within this.
const COARSENESS: f64 = 0.07;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    More,
    Less,
}

/// A measure that the seconds of a run tell.
struct Measure {
    name: &'static str,
    unit: Unit,
    wanted: Wanted,
    scale: Scale,
    coarseness: f64,
    /// `None` where a second doesn't tell.
    window: fn(&TimelineEntry) -> Option<Window>,
}

const MEASURES: &[Measure] = &[
    Measure {
        name: "throughput",
        unit: Unit::PerSecond,
        wanted: Wanted::More,
        scale: Scale::Ratio,
        coarseness: 0.0,
        window: |second| Some((second.committed as f64, 1.0)),
    },
    Measure {
        name: "latency.avg",
        unit: Unit::Milliseconds,
        wanted: Wanted::Less,
        scale: Scale::Ratio,
        coarseness: 0.0,
        window: |second| Some((second.latency_mean_ms * second.ended as f64, second.ended as f64)),
    },
    Measure {
        name: "latency.med",
        unit: Unit::Milliseconds,
        wanted: Wanted::Less,
        scale: Scale::Ratio,
        coarseness: COARSENESS,
        window: |second| weighted(second, second.latency_p50_ms),
    },
    Measure {
        name: "latency.p(95)",
        unit: Unit::Milliseconds,
        wanted: Wanted::Less,
        scale: Scale::Ratio,
        coarseness: COARSENESS,
        window: |second| weighted(second, second.latency_p95_ms),
    },
    Measure {
        name: "latency.p(99)",
        unit: Unit::Milliseconds,
        wanted: Wanted::Less,
        scale: Scale::Ratio,
        coarseness: COARSENESS,
        window: |second| weighted(second, second.latency_p99_ms),
    },
    Measure {
        name: "success_rate",
        unit: Unit::Share,
        wanted: Wanted::More,
        scale: Scale::Difference,
        coarseness: 0.0,
        window: |second| Some((second.committed as f64, second.ended as f64)),
    },
    Measure {
        name: "retries per operation",
        unit: Unit::Count,
        wanted: Wanted::Less,
        scale: Scale::Difference,
        coarseness: 0.0,
        window: |second| Some((second.retries as f64, second.ended as f64)),
    },
    Measure {
        name: "deadlocks per operation",
        unit: Unit::Count,
        wanted: Wanted::Less,
        scale: Scale::Difference,
        coarseness: 0.0,
        window: |second| Some((second.deadlocks as f64, second.ended as f64)),
    },
];

fn weighted(second: &TimelineEntry, value: Option<f64>) -> Option<Window> {
    match value {
        Some(value) => Some((value * second.ended as f64, second.ended as f64)),
        None => (second.ended == 0).then_some((0.0, 0.0)),
    }
}

/// Puts `after` beside `before`, which was called `name`.
pub fn compare(name: &str, before: &RunResults, after: &RunResults) -> Comparison {
    let incomparable = incomparable(before, after);
    let mut comparison = Comparison {
        baseline: name.to_owned(),
        baseline_run: compared(before),
        run: compared(after),
        incomparable,
        unlike: unlike(before, after),
        notes: notes(before, after),
        ..Comparison::default()
    };
    if comparison.incomparable.is_empty() {
        let seed = before.seed.rotate_left(32) ^ after.seed;
        comparison.differences = MEASURES.iter().map(|one| difference(one, before, after, seed)).collect();
        comparison.operations = operations(before, after);
    }
    comparison
}

fn compared(run: &RunResults) -> ComparisonSide {
    ComparisonSide {
        run_id: run.run_id.clone(),
        started_at: run.started_at.clone(),
        seed: run.seed,
        seconds: whole_seconds(run).len() as u64,
    }
}

/// Without the first second, in which caches and plans are cold, and the last, which isn't whole.
fn whole_seconds(run: &RunResults) -> &[TimelineEntry] {
    match run.timeline.as_slice() {
        [_, whole @ .., _] => whole,
        _ => &[],
    }
}

fn difference(measure: &Measure, before: &RunResults, after: &RunResults, seed: u64) -> Difference {
    let windows = |run| whole_seconds(run).iter().map(measure.window).collect::<Option<Vec<_>>>();
    let all = [windows(before), windows(after)];
    let mean = |windows: &Option<Vec<Window>>| {
        let sums = windows.as_ref()?.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (sums.1 > 0.0).then(|| sums.0 / sums.1)
    };
    let means = [mean(&all[0]), mean(&all[1])];
    let text = |value: Option<f64>| value.map(|value| Observed { value, unit: measure.unit }.text());
    let mut difference = Difference {
        metric: measure.name.to_owned(),
        before: text(means[0]),
        after: text(means[1]),
        change: means[0].zip(means[1]).and_then(|(one, other)| change(measure.scale, one, other)),
        low: None,
        high: None,
        relative: measure.scale == Scale::Ratio,
        finding: Finding::Unknown,
        why: None,
    };
    match estimates(measure, &all, seed) {
        Ok([one, other]) => {
            let (low, high) = interval(one, other, measure.scale, measure.coarseness);
            difference.low = Some(low);
            difference.high = Some(high);
            difference.finding = finding(measure.wanted, low, high);
        }
        Err(why) => difference.why = Some(why),
    }
    difference
}

fn change(scale: Scale, before: f64, after: f64) -> Option<f64> {
    match scale {
        Scale::Ratio => (before > 0.0).then(|| after / before - 1.0),
        Scale::Difference => Some(after - before),
    }
}

fn estimates(
    measure: &Measure,
    all: &[Option<Vec<Window>>; 2],
    seed: u64,
) -> Result<[Estimate; 2], String> {
    let mut estimates = Vec::new();
    for (which, windows) in ["first", "second"].into_iter().zip(all) {
        let Some(windows) = windows else {
            return Err(format!("the {which} document doesn't hold it by second"));
        };
        if windows.len() < FEWEST {
            return Err(format!(
                "the {which} run has {} whole seconds, and {FEWEST} are needed",
                windows.len()
            ));
        }
        // Both sides draw alike, whichever of them is called first.
        let found = estimate(windows, measure.scale, seed);
        estimates.push(found.ok_or_else(|| format!("it is 0 or has no samples in the {which} run"))?);
    }
    <[Estimate; 2]>::try_from(estimates).map_err(|_| "there aren't two runs".to_owned())
}

fn finding(wanted: Wanted, low: f64, high: f64) -> Finding {
    match (low > 0.0, high < 0.0, wanted) {
        (true, _, Wanted::More) | (_, true, Wanted::Less) => Finding::Better,
        (true, _, Wanted::Less) | (_, true, Wanted::More) => Finding::Worse,
        _ => Finding::NotShown,
    }
}

fn operations(before: &RunResults, after: &RunResults) -> Vec<OperationPair> {
    let pairs =
        before.operations.iter().filter_map(|(name, one)| Some((name, one, after.operations.get(name)?)));
    pairs
        .map(|(name, one, other)| OperationPair {
            operation: name.clone(),
            throughput_before: one.throughput_per_s,
            throughput_after: other.throughput_per_s,
            latency_mean_before_ms: one.latency_ms.mean,
            latency_mean_after_ms: other.latency_ms.mean,
            latency_p95_before_ms: one.latency_ms.percentile(95.0),
            latency_p95_after_ms: other.latency_ms.percentile(95.0),
        })
        .collect()
}

#[cfg(test)]
mod tests;
