//! What retries brought and what they didn't, in sentences.

use super::{cells::grouped, document::Document};
use crate::{
    measure::{RetryAttempt, UntriedFailure},
    units::{format_millis, format_percent},
};

/// Measured delays that are longer than declared by less than this aren't worth a word.
const LEAST_DEVIATION: f64 = 0.05;

/// Failures that a policy should have retried: a finding each. A policy that never fired although its
/// occasion came is the worst of them, because everybody believes that it works.
pub(super) fn findings(document: &Document) -> Vec<String> {
    let finding = |untried: &UntriedFailure| {
        let UntriedFailure { operation, cause, failed, policy, fired } = untried;
        let fired = if *fired { "Without a retry" } else { "The policy never fired" };
        format!(
            "{fired}: {operation} failed of {cause} {}, and its policy doesn't name that: {policy}.",
            if *failed == 1 { "once".to_owned() } else { format!("{} times", grouped(*failed)) }
        )
    };
    document.retries.untried.iter().map(finding).collect()
}

/// How many retries transactions needed, and how exactly delays were kept.
pub(super) fn sentences(document: &Document) -> Vec<String> {
    let attempts = &document.retries.attempts;
    let mut sentences = Vec::new();
    let histogram: Vec<String> = attempts
        .iter()
        .enumerate()
        .filter_map(|(index, attempt)| {
            let next = attempts.get(index + 1).map_or(0, |next| next.count);
            let stopped = attempt.count.saturating_sub(next);
            (stopped > 0).then(|| format!("{} needed {}", grouped(stopped), attempt.retry))
        })
        .collect();
    if !histogram.is_empty() {
        sentences.push(format!("Retries by transaction: {}.", histogram.join(", ")));
    }
    let given_up: Vec<String> = attempts
        .iter()
        .filter(|attempt| attempt.exhausted > 0)
        .map(|attempt| format!("{} after retry {}", grouped(attempt.exhausted), attempt.retry))
        .collect();
    if !given_up.is_empty() {
        sentences.push(format!("Given up: {}.", given_up.join(", ")));
    }
    let late: Vec<String> = attempts.iter().filter_map(deviation).collect();
    if !late.is_empty() {
        sentences.push(format!("Delays were kept but for: {}.", late.join(", ")));
    }
    sentences
}

/// How far the mean delay was from the declared one.
pub(super) fn deviation(attempt: &RetryAttempt) -> Option<String> {
    let off = attempt.measured_ms.mean - attempt.declared_ms;
    let is_known = attempt.declared_ms > 0.0 && attempt.measured_ms.count > 0;
    (is_known && off.abs() >= LEAST_DEVIATION * attempt.declared_ms).then(|| {
        let word = if off > 0.0 { "longer" } else { "shorter" };
        format!(
            "retry {} {} {word} ({})",
            attempt.retry,
            format_millis(off.abs()),
            format_percent(off.abs() / attempt.declared_ms)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Distribution, RetryResults};

    fn document() -> Document {
        let text = include_str!("../../tests/data/yesterday.json");
        let mut document: Document = serde_json::from_str(text).expect("a document");
        document.retries = RetryResults {
            policy: Some("serialization: at most 3 retries".to_owned()),
            ..RetryResults::default()
        };
        document
    }

    fn attempt(retry: u32, count: u64, measured: f64) -> RetryAttempt {
        RetryAttempt {
            retry,
            count,
            declared_ms: 10.0,
            measured_ms: Distribution { count, mean: measured, ..Distribution::default() },
            ..RetryAttempt::default()
        }
    }

    #[test]
    fn a_policy_that_never_fired_is_a_finding() {
        let mut document = document();
        assert_eq!(findings(&document), [""; 0]);
        let untried = |failed, fired| UntriedFailure {
            operation: "pay".to_owned(),
            cause: "deadlock".to_owned(),
            failed,
            policy: "serialization: at most 3 retries".to_owned(),
            fired,
        };
        document.retries.untried = vec![untried(7, false), untried(1, true)];
        assert_eq!(
            findings(&document),
            [
                "The policy never fired: pay failed of deadlock 7 times, and its policy doesn't name that: serialization: at most \
                 3 retries.",
                "Without a retry: pay failed of deadlock once, and its policy doesn't name that: serialization: at most 3 \
                 retries.",
            ]
        );
    }

    #[test]
    fn retries_are_told_by_transaction_and_delays_with_their_deviation() {
        let mut document = document();
        document.retries.attempts = vec![attempt(1, 12, 10.2), attempt(2, 2, 13.0)];
        document.retries.attempts[1].exhausted = 1;
        assert_eq!(
            sentences(&document),
            [
                "Retries by transaction: 10 needed 1, 2 needed 2.",
                "Given up: 1 after retry 2.",
                "Delays were kept but for: retry 2 3ms longer (30%).",
            ]
        );
    }
}
