//! The timeline in as many pieces as a chart has room for.

use serde::Serialize;

use crate::{measure::TimelineEntry, report::document::Document};

/// A second, or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bin {
    /// Seconds from the start of the load.
    pub from: f64,
    pub to: f64,
    pub ended: u64,
    pub committed: u64,
    pub retries: u64,
    pub deadlocks: u64,
    /// Of several seconds the mean of their means, weighted.
    pub mean_ms: f64,
    /// Of several seconds the highest.
    pub max_ms: f64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Of several seconds the most.
    pub waiting: u64,
    pub lock_wait_ms: f64,
}

impl Bin {
    /// `count` as a rate.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / (self.to - self.from).max(1e-3)
    }

    fn of(entry: &TimelineEntry) -> Self {
        Self {
            from: f64::from(entry.second),
            to: f64::from(entry.second) + 1.0,
            ended: entry.ended,
            committed: entry.committed,
            retries: entry.retries,
            deadlocks: entry.deadlocks,
            mean_ms: entry.latency_mean_ms,
            max_ms: entry.latency_max_ms,
            p50_ms: entry.latency_p50_ms,
            p95_ms: entry.latency_p95_ms,
            p99_ms: entry.latency_p99_ms,
            waiting: entry.waiting.unwrap_or_default(),
            lock_wait_ms: entry.lock_wait_ms.unwrap_or_default(),
        }
    }

    fn add(&mut self, later: &Self) {
        let ended = self.ended + later.ended;
        if ended > 0 {
            let sum = self.mean_ms * self.ended as f64 + later.mean_ms * later.ended as f64;
            self.mean_ms = sum / ended as f64;
        }
        self.to = later.to;
        self.ended = ended;
        self.committed += later.committed;
        self.retries += later.retries;
        self.deadlocks += later.deadlocks;
        self.max_ms = self.max_ms.max(later.max_ms);
        self.p50_ms = highest(self.p50_ms, later.p50_ms);
        self.p95_ms = highest(self.p95_ms, later.p95_ms);
        self.p99_ms = highest(self.p99_ms, later.p99_ms);
        self.waiting = self.waiting.max(later.waiting);
        self.lock_wait_ms += later.lock_wait_ms;
    }
}

fn highest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

/// At most `most` pieces, of the same number of seconds each, but for the last. A last second
/// that the run ended soon after is part of the one before: a rate over so little means nothing.
pub(super) fn bins(document: &Document, most: usize) -> Vec<Bin> {
    let seconds = document.timeline.len().div_ceil(most.max(1)).max(1);
    let mut bins: Vec<Bin> = document
        .timeline
        .chunks(seconds)
        .map(|chunk| {
            let mut bin = Bin::of(&chunk[0]);
            chunk[1..].iter().for_each(|entry| bin.add(&Bin::of(entry)));
            bin
        })
        .collect();
    let end = document.duration_ms / 1e3;
    if let Some(last) = bins.last_mut() {
        last.to = end.clamp(last.from, last.to);
    }
    if bins.len() > 1
        && let Some(last) = bins.pop_if(|last| last.to - last.from < 0.3)
        && let Some(before) = bins.last_mut()
    {
        before.add(&last);
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(duration_ms: f64, seconds: u32) -> Document {
        let text = include_str!("../../../tests/data/yesterday.json");
        let mut document: Document = serde_json::from_str(text).expect("a document");
        document.duration_ms = duration_ms;
        document.timeline = (0..seconds)
            .map(|second| TimelineEntry {
                second,
                ended: 10,
                committed: 9,
                latency_mean_ms: f64::from(second),
                latency_p95_ms: Some(f64::from(second)),
                ..TimelineEntry::default()
            })
            .collect();
        document
    }

    #[test]
    fn an_hour_fits_and_nothing_is_lost() {
        let bins = bins(&document(3_600_000.0, 3600), 180);
        assert_eq!(bins.len(), 180);
        assert_eq!(bins.iter().map(|bin| bin.ended).sum::<u64>(), 36_000);
        assert_eq!((bins[1].from, bins[1].to, bins[1].p95_ms), (20.0, 40.0, Some(39.0)));
        assert!((bins[1].mean_ms - 29.5).abs() < 1e-9);
    }

    #[test]
    fn a_last_second_is_as_long_as_it_was() {
        let two = bins(&document(1_500.0, 2), 180);
        assert_eq!((two[1].from, two[1].to), (1.0, 1.5));
        let one = bins(&document(1_100.0, 2), 180);
        assert_eq!((one.len(), one[0].to, one[0].ended), (1, 1.1, 20));
        assert!(bins(&document(0.0, 0), 180).is_empty());
    }
}
