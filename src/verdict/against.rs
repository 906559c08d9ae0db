//! Thresholds that refer to the baseline.

use super::{Comparison, conclude::Baseline, metrics::observe};
use crate::{plan::Threshold, scenario::threshold::Limit, verdict::Observed};

/// A baseline, and what differs from it.
pub(super) struct Against<'a> {
    pub baseline: &'a Baseline,
    pub comparison: Comparison,
}

/// A threshold's limit in figures.
pub(super) struct Figures {
    /// The condition, with the limit that comes of the baseline.
    pub condition: String,
    /// The metric in the baseline, when the condition refers to it and the runs can be compared.
    pub baseline: Option<f64>,
    /// Why a value beyond the limit wouldn't mean that the threshold is broken.
    pub undecided: Option<String>,
}

/// Puts the baseline's value into a threshold.
pub(super) fn limit(threshold: &Threshold, against: Option<&Against<'_>>) -> Figures {
    let condition = &threshold.condition;
    let undecided =
        |why: String| Figures { condition: condition.to_string(), baseline: None, undecided: Some(why) };
    if !condition.limit.is_relative() {
        return Figures { condition: condition.to_string(), baseline: None, undecided: None };
    }
    let Some(Against { baseline, comparison }) = against else {
        return undecided("no baseline was given (`--baseline NAME`)".to_owned());
    };
    let unlike = comparison.incomparable.iter().chain(&comparison.unlike);
    let unlike: Vec<&str> = unlike.map(String::as_str).collect();
    if !unlike.is_empty() {
        return undecided(format!(
            "the baseline {} isn't like this run: {}",
            baseline.name,
            unlike.join("; ")
        ));
    }
    let Some(observed) = observe(&baseline.results, &threshold.metric, condition.statistic) else {
        return undecided(format!("the baseline {} has no samples of it", baseline.name));
    };
    let limit = condition.limit.value(Some(observed.value)).unwrap_or(observed.value);
    let shown = Observed { value: limit, ..observed }.text();
    Figures {
        condition: format!("{condition} ({shown})"),
        baseline: Some(observed.value),
        undecided: within_noise(threshold, comparison),
    }
}

/// A limit that lies inside the interval of the change isn't shown to be broken.
fn within_noise(threshold: &Threshold, comparison: &Comparison) -> Option<String> {
    let Limit::Times(factor) = threshold.condition.limit else { return None };
    if threshold.metric.operation.is_some() {
        return None;
    }
    let statistic = threshold.condition.statistic.or(threshold.metric.statistic);
    let name = match statistic {
        Some(statistic) => format!("{}.{statistic}", threshold.metric.metric),
        None => threshold.metric.metric.to_string(),
    };
    let difference = comparison.differences.iter().find(|one| one.metric == name && one.relative)?;
    let (low, high) = (difference.low?, difference.high?);
    let limit = factor - 1.0;
    (low <= limit && limit <= high).then(|| {
        let percent = |share: f64| format!("{:+.1}%", share * 100.0);
        format!(
            "the change lies between {} and {}, and the limit is {}",
            percent(low),
            percent(high),
            percent(limit)
        )
    })
}
