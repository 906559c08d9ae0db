//! Pass, fail or inconclusive.

use super::{
    Conclusion, ThresholdResult, Verdict,
    against::{self, Against},
    difference::compare,
    effects::{effect_doubt, effect_failure},
    grades::{self, FAILED},
    metrics::{inapplicable, observe},
};
use crate::{
    measure::{ControlOutcome, InvariantResult, RunResults},
    plan::{Grade, Threshold},
    units::format_percent,
};

/// An earlier run that this one is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// What it was called: a name, a run or a file.
    pub name: String,
    pub results: RunResults,
}

/// Judges a run. A failure outranks everything; without one, a run in which nothing overlapped
/// or contended proves nothing and is inconclusive.
pub fn judge(
    thresholds: &[Threshold],
    requirements: &[Threshold],
    grades: &[Grade],
    results: &RunResults,
    baseline: Option<&Baseline>,
) -> Verdict {
    let against = baseline.map(|baseline| Against {
        baseline,
        comparison: compare(&baseline.name, &baseline.results, results),
    });
    let judged = |one| judge_threshold(one, results, against.as_ref());
    let threshold_results: Vec<ThresholdResult> = thresholds.iter().map(judged).collect();
    let requirements: Vec<ThresholdResult> = requirements.iter().map(judged).collect();
    let grade_results: Vec<_> = grades.iter().map(|one| grades::grade(one, results)).collect();
    let failures = failures(results, &threshold_results);
    // However good its numbers are.
    let grade = match !failures.is_empty() && !grades.is_empty() {
        true => Some(FAILED.to_owned()),
        false => grades::worst(&grade_results, grades),
    };
    let mut doubts = doubts(results, &requirements, &threshold_results);
    if failures.is_empty() {
        // Who has found something has met something.
        doubts.extend(nothing_met(results));
    }
    let asked_of_the_database = results.invariants.len() + results.effects.len();
    let demanded = threshold_results.len() + asked_of_the_database;
    let applied = applying(&threshold_results) + asked_of_the_database;
    if applied == 0 && (demanded > 0 || inapplicable_invariants(results) > 0) {
        doubts.push("nothing of what was demanded applies to this database".to_owned());
    }
    let (verdict, reasons) = match (failures.is_empty(), doubts.is_empty()) {
        (false, _) => (Conclusion::Fail, failures.into_iter().chain(doubts).collect()),
        (true, false) => (Conclusion::Inconclusive, doubts),
        (true, true) => (Conclusion::Pass, passes(results, &threshold_results)),
    };
    Verdict {
        verdict,
        reasons,
        grade,
        thresholds: threshold_results,
        requirements,
        grades: grade_results,
        comparison: against.map(|against| against.comparison),
    }
}

fn judge_threshold(
    threshold: &Threshold,
    results: &RunResults,
    against: Option<&Against<'_>>,
) -> ThresholdResult {
    let does_not_apply = inapplicable(results, &threshold.metric).map(str::to_owned);
    let observed = observe(results, &threshold.metric, threshold.condition.statistic)
        .filter(|_| does_not_apply.is_none());
    let limit = against::limit(threshold, against);
    let holds = observed.is_some_and(|observed| threshold.condition.holds(observed.value, limit.baseline));
    let undecided = match (holds, &does_not_apply) {
        (false, None) => limit.undecided,
        _ => None,
    };
    ThresholdResult {
        metric: threshold.name.clone(),
        condition: limit.condition,
        observed: observed.map(super::Observed::text),
        holds,
        does_not_apply,
        undecided,
    }
}

fn failures(results: &RunResults, thresholds: &[ThresholdResult]) -> Vec<String> {
    let mut reasons: Vec<String> =
        results.aborted.iter().map(|why| format!("the run was ended by {why}")).collect();
    reasons.extend(results.invariants.iter().filter_map(invariant_failure));
    reasons.extend(results.effects.iter().filter_map(effect_failure));
    let broken =
        |one: &&ThresholdResult| !one.holds && one.does_not_apply.is_none() && one.undecided.is_none();
    for threshold in thresholds.iter().filter(broken) {
        let ThresholdResult { metric, condition, observed, .. } = threshold;
        reasons.push(match observed {
            Some(observed) => format!("{metric} is {observed}, and should be {condition}"),
            None => format!("{metric} should be {condition}, but there are no samples"),
        });
    }
    if results.fixtures.cleaned && results.fixtures.remaining > 0 {
        reasons.push(format!("{} rows of the run are left in the database", results.fixtures.remaining));
    }
    reasons
}

fn invariant_failure(invariant: &InvariantResult) -> Option<String> {
    let InvariantResult { name, violated, error, message, failing_rows, .. } = invariant;
    match (violated, error, message) {
        (0, None, _) => None,
        (0, Some(error), _) => Some(format!("invariant {name} can't be evaluated: {error}")),
        (_, _, Some(message)) => Some(format!("invariant {name} is broken: {message}")),
        (_, _, None) if *failing_rows == 1 => Some(format!("invariant {name} is broken by 1 row")),
        (_, _, None) => Some(format!("invariant {name} is broken by {failing_rows} rows")),
    }
}

fn doubts(
    results: &RunResults,
    requirements: &[ThresholdResult],
    thresholds: &[ThresholdResult],
) -> Vec<String> {
    let undecided = |one: &ThresholdResult| {
        let why = one.undecided.as_ref()?;
        Some(format!("{} should be {}, which can't be told: {why}", one.metric, one.condition))
    };
    let mut reasons: Vec<String> = thresholds.iter().filter_map(undecided).collect();
    for requirement in requirements.iter().filter(|requirement| !requirement.holds) {
        let ThresholdResult { metric, condition, observed, does_not_apply, .. } = requirement;
        if let Some(why) = &requirement.undecided {
            reasons.push(format!("{metric} should be {condition}, which can't be told: {why}"));
            continue;
        }
        if let Some(why) = does_not_apply {
            reasons.push(format!("{metric} should be {condition}, which doesn't apply: {why}"));
            continue;
        }
        let observed = observed.as_deref().unwrap_or("not known");
        reasons
            .push(format!("{metric} is {observed}, and the run proves nothing unless it is {condition}"));
    }
    if let Some(control) = results.control.as_ref().filter(|one| one.outcome != ControlOutcome::Failed) {
        let why = match (control.outcome, control.reasons.first()) {
            (ControlOutcome::Passed, _) | (_, None) => String::new(),
            (_, Some(reason)) => format!(" ({reason})"),
        };
        reasons.push(format!(
            "the control {}{why}, and should break {}: the test had no power to find it",
            control.outcome.words(),
            if control.expected == "fail" { "the scenario" } else { &control.expected }
        ));
    }
    if let (Some(wanted), bound) = (results.overlap.wanted_bound, results.overlap.upper_bound())
        && bound.is_none_or(|bound| bound > wanted)
    {
        let bound = bound.map_or_else(|| "not known".to_owned(), format_percent);
        reasons.push(format!(
            "the upper bound of violations is {bound} after {} overlapped trials, and should come down to {}",
            results.overlap.overlapped,
            format_percent(wanted)
        ));
    }
    if results.interrupted {
        reasons.push("the run was interrupted".to_owned());
    }
    reasons.extend(results.unchecked.clone());
    reasons.extend(results.effects.iter().filter_map(effect_doubt));
    let unchecked = results.invariants.iter().filter(|invariant| invariant.checked == 0);
    reasons.extend(unchecked.map(|invariant| format!("invariant {} was never checked", invariant.name)));
    reasons
}

/// Why nothing can have been found, when that is so.
fn nothing_met(results: &RunResults) -> Option<String> {
    let overlap = &results.overlap;
    let reason = if results.totals.started == results.totals.skipped {
        "no operation was measured"
    } else if results.gates.iter().any(|gate| gate.opened > 0) {
        // Sessions were seen waiting for one another: that was the gate's condition.
        return None;
    } else if overlap.most_in_flight < 2 {
        "no two operations were ever under way at once"
    } else if overlap.shared_rows == 0 && overlap.conflicts == 0 && results.waits.waits == 0 {
        "operations overlapped, but no two of them met: no shared fixture row, no lock wait, no conflict"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// How many thresholds have a meaning here.
fn applying(thresholds: &[ThresholdResult]) -> usize {
    thresholds.iter().filter(|threshold| threshold.does_not_apply.is_none()).count()
}

fn inapplicable_invariants(results: &RunResults) -> usize {
    results.does_not_apply.keys().filter(|what| what.starts_with("invariant ")).count()
}

fn passes(results: &RunResults, thresholds: &[ThresholdResult]) -> Vec<String> {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let held: Vec<String> = [
        (results.invariants.len(), "invariant"),
        (results.effects.len(), "effect"),
        (applying(thresholds), "threshold"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| count(number, what))
    .collect();
    let mut reasons = vec![match held.split_last() {
        None => "nothing was demanded".to_owned(),
        Some((only, [])) => format!("{only} held"),
        Some((last, others)) => format!("{} and {last} held", others.join(", ")),
    }];
    let asked = results.invariants.len() + results.effects.len() > 0;
    if let Some(bound) = results.overlap.upper_bound().filter(|_| asked) {
        reasons.push(format!(
            "0 violations in {} overlapped trials: fewer than {} at 95 %",
            results.overlap.overlapped,
            format_percent(bound)
        ));
    }
    if let Some(control) = &results.control {
        let why = control.reasons.first().map(String::as_str).unwrap_or_default();
        reasons.push(format!("the control failed, as it must: {why}"));
    }
    let unjudged = thresholds.len() - applying(thresholds) + inapplicable_invariants(results);
    if unjudged > 0 {
        reasons.push(format!(
            "{} didn't apply to this database and weren't judged",
            count(unjudged, "demand")
        ));
    }
    reasons
}
