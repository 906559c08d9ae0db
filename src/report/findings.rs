//! What didn't hold in a run, one by one: what Markdown, HTML and annotations begin with.

use super::document::Document;
use crate::{
    measure::InvariantResult,
    verdict::{Conclusion, ThresholdResult},
};

/// The part of a scenario that a demand stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    Invariants,
    Thresholds,
    Require,
}

/// A demand that didn't hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Where it is demanded: section, name, and its place among the conditions of that name.
    /// `None` for what no key of the scenario demands.
    pub demand: Option<(Section, String, usize)>,
    /// False for what makes a run worthless without making it fail.
    pub fails: bool,
    /// A lower-case sentence.
    pub sentence: String,
    /// The first failing row.
    pub row: Option<String>,
}

/// All that didn't hold, most important first; nothing of a run that passed.
pub(super) fn findings(document: &Document) -> Vec<Finding> {
    let mut found: Vec<Finding> = document.invariants.iter().filter_map(invariant).collect();
    found.extend(conditions(&document.thresholds, Section::Thresholds));
    found.extend(conditions(&document.requirements, Section::Require));
    let told: Vec<&str> = found.iter().map(|finding| finding.sentence.as_str()).collect();
    // Whatever else the verdict was taken from: rows left behind, no overlap, an interruption.
    let others = document.reasons.iter().filter(|reason| !told.contains(&reason.as_str()));
    let others: Vec<Finding> = others
        .map(|reason| Finding {
            demand: None,
            fails: document.verdict == Conclusion::Fail,
            sentence: reason.clone(),
            row: None,
        })
        .collect();
    match document.verdict {
        Conclusion::Pass => Vec::new(),
        Conclusion::Fail | Conclusion::Inconclusive => found.into_iter().chain(others).collect(),
    }
}

fn invariant(invariant: &InvariantResult) -> Option<Finding> {
    let InvariantResult { name, violated, error, message, failing_rows, checked, .. } = invariant;
    let sentence = match (violated, error, message) {
        (0, None, _) if *checked == 0 => format!("invariant {name} was never checked"),
        (0, None, _) => return None,
        (0, Some(error), _) => format!("invariant {name} can't be evaluated: {error}"),
        (_, _, Some(message)) => format!("invariant {name} is broken: {message}"),
        (_, _, None) if *failing_rows == 1 => format!("invariant {name} is broken by 1 row"),
        (_, _, None) => format!("invariant {name} is broken by {failing_rows} rows"),
    };
    Some(Finding {
        demand: Some((Section::Invariants, name.clone(), 0)),
        fails: *violated > 0 || error.is_some(),
        sentence,
        row: invariant.rows.first().map(|row| {
            let pairs = invariant.columns.iter().zip(row);
            pairs.map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ")
        }),
    })
}

fn conditions(results: &[ThresholdResult], section: Section) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, result) in results.iter().enumerate().filter(|(_, result)| !result.holds) {
        let ThresholdResult { metric, condition, observed, does_not_apply, .. } = result;
        let sentence = match (section, does_not_apply, observed.as_deref()) {
            (Section::Require, Some(why), _) => {
                format!("{metric} should be {condition}, which doesn't apply: {why}")
            }
            _ if result.undecided.is_some() => {
                let why = result.undecided.as_deref().unwrap_or_default();
                format!("{metric} should be {condition}, which can't be told: {why}")
            }
            // A threshold without a meaning is neither held nor broken.
            (_, Some(_), _) => continue,
            (Section::Require, None, observed) => {
                let observed = observed.unwrap_or("not known");
                format!("{metric} is {observed}, and the run proves nothing unless it is {condition}")
            }
            (_, None, Some(observed)) => format!("{metric} is {observed}, and should be {condition}"),
            (_, None, None) => format!("{metric} should be {condition}, but there are no samples"),
        };
        let earlier = results[..index].iter().filter(|other| other.metric == *metric).count();
        found.push(Finding {
            demand: Some((section, metric.clone(), earlier)),
            fails: section != Section::Require && result.undecided.is_none(),
            sentence,
            row: None,
        });
    }
    found
}
