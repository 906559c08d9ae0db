//! The names of a specification: what `isolationtester` checks before it connects, and no more.

use std::collections::{BTreeMap, BTreeSet};

use super::specification::{Permutation, Specification, place};
use crate::scenario::{Problem, Spanned, nearest};

/// A hint costs a comparison with every name; no more problems than this are shown anyway.
const HINTS_AT_MOST: usize = 100;
/// Names that are compared for a hint.
const NAMES_COMPARED: usize = 1000;

/// Finds names that are taken twice or stand for nothing.
pub(super) fn check(specification: &Specification, problems: &mut Vec<Problem>) {
    let mut sessions: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, step) in specification.steps() {
        if sessions.insert(&step.name, index).is_some() {
            problems.push(
                Problem::error(format!("a second step `{}`", step.name))
                    .at(place(&step.name))
                    .hint("a step's name is its own in the whole file"),
            );
        }
    }
    for permutation in &specification.permutations {
        for step in permutation.steps.iter().filter(|step| !sessions.contains_key(step.name.as_str())) {
            unknown(&step.name, &sessions, problems);
        }
        check_markers(permutation, &sessions, problems);
    }
    if !specification.permutations.is_empty() {
        warn_of_unused(specification, problems);
    }
}

fn unknown(name: &Spanned<String>, known: &BTreeMap<&str, usize>, problems: &mut Vec<Problem>) {
    let problem = Problem::error(format!("there is no step `{name}`")).at(place(name));
    let near = match problems.len() < HINTS_AT_MOST {
        true => nearest(name, known.keys().take(NAMES_COMPARED).copied()),
        false => None,
    };
    problems.push(match near {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    });
}

/// A marker names a step of the same permutation, and of another session.
fn check_markers(permutation: &Permutation, sessions: &BTreeMap<&str, usize>, problems: &mut Vec<Problem>) {
    let here: BTreeSet<&str> = permutation.steps.iter().map(|step| step.name.as_str()).collect();
    for step in &permutation.steps {
        for name in step.markers.iter().filter_map(|marker| marker.step()) {
            let session = sessions.get(name.as_str());
            if session.is_none() {
                unknown(name, sessions, problems);
            } else if !here.contains(name.as_str()) {
                problems.push(
                    Problem::error(format!("step `{name}` is not in this permutation"))
                        .at(place(name))
                        .hint("a marker names a step of the same permutation"),
                );
            } else if session == sessions.get(step.name.as_str()) {
                problems.push(
                    Problem::error(format!("step `{}` can't wait for its own session", step.name))
                        .at(place(name)),
                );
            }
        }
    }
}

fn warn_of_unused(specification: &Specification, problems: &mut Vec<Problem>) {
    let used: BTreeSet<&str> = specification
        .permutations
        .iter()
        .flat_map(|permutation| &permutation.steps)
        .map(|step| step.name.as_str())
        .collect();
    for (_, step) in specification.steps().filter(|(_, step)| !used.contains(step.name.as_str())) {
        let problem = Problem::warning(format!("no permutation has step `{}`", step.name));
        problems.push(problem.at(place(&step.name)));
    }
}
