//! Grades: for each metric the first band that matches.

use super::{
    GradeResult, advice,
    metrics::{inapplicable, observe},
};
use crate::{
    measure::RunResults,
    plan::{Band, Grade},
};

/// The grade of a metric that has no samples.
const NO_DATA: &str = "no data";
/// The grade of a metric that no band matches.
const UNGRADED: &str = "ungraded";
/// The grade of a metric that has no meaning on this kind of database.
const DOES_NOT_APPLY: &str = "does not apply";
/// The grade of a run that failed.
pub(super) const FAILED: &str = "failed";

/// Grades one metric.
pub(super) fn grade(grade: &Grade, results: &RunResults) -> GradeResult {
    let matches = |band: &Band| match &band.condition {
        None => true,
        Some(condition) => observe(results, &grade.metric, condition.statistic)
            .is_some_and(|observed| condition.holds(observed.value, None)),
    };
    let statistic = grade.bands.iter().find_map(|band| band.condition.as_ref()?.statistic);
    let applies = inapplicable(results, &grade.metric).is_none();
    let observed = observe(results, &grade.metric, statistic).filter(|_| applies);
    let found = observed.and_then(|_| grade.bands.iter().position(matches));
    let (name, band) = match (observed, found) {
        _ if !applies => (DOES_NOT_APPLY, grade.bands.len()),
        (None, _) => (NO_DATA, grade.bands.len()),
        (Some(_), None) => (UNGRADED, grade.bands.len()),
        (Some(_), Some(band)) => (grade.bands[band].grade.as_str(), band),
    };
    GradeResult {
        metric: grade.name.clone(),
        observed: observed.map(super::Observed::text),
        grade: name.to_owned(),
        band,
        advice: found.map(|band| advice::chosen(&grade.bands[band].advice, results)).unwrap_or_default(),
    }
}

/// The worst grade: the one furthest from the best of its metric's bands, as a share of their
/// number, so that the last band of any metric is worse than a middle one of another.
pub(super) fn worst(results: &[GradeResult], grades: &[Grade]) -> Option<String> {
    let distance = |index: usize| {
        let steps = grades[index].bands.len().saturating_sub(1).max(1);
        results[index].band as f64 / steps as f64
    };
    (0..results.len())
        .filter(|index| results[*index].grade != DOES_NOT_APPLY)
        .max_by(|a, b| distance(*a).total_cmp(&distance(*b)).then(b.cmp(a)))
        .map(|index| results[index].grade.clone())
}
