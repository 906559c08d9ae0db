//! Chooses advice by what was measured.

use super::metrics::observe;
use crate::{measure::RunResults, plan::Advice};

/// The texts whose condition holds. Without samples a condition doesn't hold.
pub(super) fn chosen(advice: &[Advice], results: &RunResults) -> Vec<String> {
    let applies = |one: &&Advice| match &one.when {
        None => true,
        Some(when) => observe(results, &when.name, when.condition.statistic)
            .is_some_and(|observed| when.condition.holds(observed.value, None)),
    };
    advice.iter().filter(applies).map(|one| one.text.clone()).collect()
}
