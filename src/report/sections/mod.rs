//! The sections of the terminal report, each a function of the document. A section without content is
//! empty.

mod application;
mod checks;
mod deadlocks;
mod demands;
mod effects;
mod meeting;
mod operations;
mod requests;
mod transactions;
mod tuning;
mod variants;

pub(super) use application::application;
pub(super) use checks::{does_not_apply, errors, invariants};
pub(super) use deadlocks::deadlocks;
pub(super) use demands::{fixtures, grades, requirements, thresholds};
pub(super) use effects::{effects, word as effect_word};
pub(super) use meeting::{arrivals, gates, overlap, releases};
pub(super) use operations::{operations, outcomes, retries, times};
pub(super) use requests::{request_sentences, requests};
pub(super) use transactions::{isolation, lock_order, waits};
pub(super) use tuning::tuning;
pub(super) use variants::{bought, compared, control, success};

use super::document::Document;
use crate::measure::OperationResults;

/// Said of a demand that has no meaning on this kind of database.
const DOES_NOT_APPLY: &str = "does not apply";
/// Longest name of an operation in a table with many columns.
const NAME: usize = 26;

/// Each operation, and all together when there are several.
fn rows(document: &Document) -> impl Iterator<Item = (&str, &OperationResults)> {
    let all = (document.operations.len() > 1).then_some(("all", &document.totals));
    document.operations.iter().map(|(name, operation)| (name.as_str(), operation)).chain(all)
}
