//! Distributions of durations: recorded in HDR histograms, reported as buckets and percentiles.
//!
//! A histogram of two significant digits takes about 30 kB and tells every value within 1 %;
//! minimum, mean and maximum are exact. A [`Distribution`] keeps the buckets, so that any
//! percentile can be asked of a result document written yesterday.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest duration told apart: one hour, in microseconds.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// A histogram that is being recorded, in microseconds.
#[derive(Debug, Clone)]
pub struct Recording {
    histogram: Histogram<u64>,
    min: Duration,
    max: Duration,
    sum: Duration,
}

impl Default for Recording {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 2)
            .expect("the bounds are constants that are valid");
        Self { histogram, min: Duration::MAX, max: Duration::ZERO, sum: Duration::ZERO }
    }
}

impl Recording {
    /// Adds one value; longer than an hour counts as an hour in the percentiles.
    pub fn record(&mut self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(LONGEST_MICROS);
        self.histogram.saturating_record(micros.clamp(1, LONGEST_MICROS));
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
    }

    /// Adds all values of another recording.
    pub fn merge(&mut self, other: &Self) {
        let Self { histogram, min, max, sum } = other;
        self.histogram.add(histogram).expect("all recordings have the same bounds");
        self.min = self.min.min(*min);
        self.max = self.max.max(*max);
        self.sum += *sum;
    }

    /// The distribution of what was recorded.
    pub fn distribution(&self) -> Distribution {
        let count = self.histogram.len();
        if count == 0 {
            return Distribution::default();
        }
        let buckets: Vec<(f64, u64)> = self
            .histogram
            .iter_recorded()
            .map(|step| (step.value_iterated_to() as f64 / 1e3, step.count_at_value()))
            .collect();
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut distribution = Distribution {
            count,
            min: millis(self.min),
            mean: millis(self.sum) / count as f64,
            max: millis(self.max),
            buckets,
            ..Distribution::default()
        };
        let percentile = |p| distribution.percentile(p).unwrap_or_default();
        let (p50, p90, p95, p99) = (percentile(50.0), percentile(90.0), percentile(95.0), percentile(99.0));
        distribution = Distribution { p50, p90, p95, p99, ..distribution };
        distribution
    }
}

/// A distribution of durations in milliseconds; all zero when nothing was recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    pub count: u64,
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
    /// (upper end of the bucket, values in it), ascending, empty buckets left out. In a document
    /// `1.5:3 2:1`: three values up to 1.5 ms, one more up to 2 ms.
    #[serde(with = "buckets")]
    pub buckets: Vec<(f64, u64)>,
}

/// Buckets as one text: as numbers in lists they would be most of a document's lines.
mod buckets {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(buckets: &[(f64, u64)], serializer: S) -> Result<S::Ok, S::Error> {
        let parts: Vec<String> = buckets.iter().map(|(value, count)| format!("{value}:{count}")).collect();
        serializer.serialize_str(&parts.join(" "))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, u64)>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bucket = |part: &str| {
            let (value, count) = part.split_once(':')?;
            Some((value.parse().ok()?, count.parse().ok()?))
        };
        text.split_whitespace()
            .map(|part| bucket(part).ok_or_else(|| de::Error::custom(format!("`{part}` is not a bucket"))))
            .collect()
    }
}

impl Distribution {
    /// The value that `percent` of the values don't exceed; `None` when there are none.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((percent / 100.0 * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (value, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Some(value.clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_recorded_has_no_percentile() {
        let distribution = Recording::default().distribution();
        assert_eq!(distribution, Distribution::default());
        assert_eq!(distribution.percentile(50.0), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(values in prop::collection::vec(1u64..5_000_000, 1..300), p in 1.0f64..100.0) {
            let mut recording = Recording::default();
            values.iter().for_each(|v| recording.record(Duration::from_micros(*v)));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = ((p / 100.0 * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
            let exact = sorted[rank - 1] as f64 / 1e3;
            let found = recording.distribution().percentile(p).expect("there are values");
            prop_assert!((found - exact).abs() <= exact * 0.01 + 0.001, "{found} for {exact}");
        }

        #[test]
        fn merging_equals_recording_together(a in prop::collection::vec(1u64..1_000_000, 0..100), b in prop::collection::vec(1u64..1_000_000, 0..100)) {
            let record = |values: &[u64]| {
                let mut recording = Recording::default();
                values.iter().for_each(|v| recording.record(Duration::from_micros(*v)));
                recording
            };
            let mut merged = record(&a);
            merged.merge(&record(&b));
            prop_assert_eq!(merged.distribution(), record(&[a, b].concat()).distribution());
        }
    }
}
