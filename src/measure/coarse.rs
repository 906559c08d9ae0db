//! A histogram so small that a recorder can keep one for each second of a run.

use std::time::Duration;

/// Buckets for each doubling of the duration.
const PER_DOUBLING: u64 = 8;
/// Longest duration told apart: one hour, in microseconds.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Buckets that there are.
pub(super) const BUCKETS: usize = 256;

/// Durations in buckets of a twelfth to an eighth of their value: percentiles are within 7 %.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CoarseRecording {
    /// By bucket, as far as the longest duration.
    counts: Vec<u32>,
}

impl CoarseRecording {
    /// Adds one value.
    pub fn record(&mut self, value: Duration) {
        let bucket = bucket_of(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }

    /// Counts by bucket that were kept elsewhere.
    pub(super) fn of(counts: Vec<u32>) -> Self {
        Self { counts }
    }

    /// What came after an earlier state of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().chain(std::iter::repeat(&0));
        Self {
            counts: self.counts.iter().zip(before).map(|(now, then)| now.saturating_sub(*then)).collect(),
        }
    }

    /// Adds all values of another recording.
    pub fn merge(&mut self, other: &Self) {
        let Self { counts } = other;
        if self.counts.len() < counts.len() {
            self.counts.resize(counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(counts) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// How many values are below each power of two, from 128 µs to 67 s: exact, because buckets end there.
    pub fn below_powers(&self) -> Vec<(Duration, u64)> {
        let below = |micros: u64| {
            let buckets = self.counts.iter().take(bucket(micros));
            buckets.map(|count| u64::from(*count)).sum()
        };
        (7..=26).map(|power| (Duration::from_micros(1 << power), below(1 << power))).collect()
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// What they make together, in seconds, each counted as the middle of its bucket.
    pub fn sum(&self) -> f64 {
        let each = self.counts.iter().enumerate();
        each.map(|(bucket, count)| middle(bucket).as_secs_f64() * f64::from(*count)).sum()
    }

    /// The middle of the bucket that `percent` of the values don't exceed; `None` when there are
    /// none.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let all: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let rank = ((percent / 100.0 * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map(middle)
    }
}

/// The bucket that a duration is counted in.
pub(super) fn bucket_of(value: Duration) -> usize {
    let micros = u64::try_from(value.as_micros()).unwrap_or(LONGEST_MICROS);
    bucket(micros.min(LONGEST_MICROS))
}

/// The first bucket for each power of two holds the power itself.
fn bucket(micros: u64) -> usize {
    if micros < PER_DOUBLING {
        return micros as usize;
    }
    let doublings = u64::from(micros.ilog2()) - u64::from(PER_DOUBLING.ilog2());
    (doublings * PER_DOUBLING + (micros >> doublings)) as usize
}

fn middle(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    if bucket < PER_DOUBLING {
        return Duration::from_micros(bucket);
    }
    let doublings = bucket / PER_DOUBLING - 1;
    let lowest = (bucket % PER_DOUBLING + PER_DOUBLING) << doublings;
    Duration::from_micros(lowest) + Duration::from_micros(1 << doublings) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_one_another() {
        let buckets: Vec<usize> = [0, 1, 7, 8, 9, 15, 16, 17, 18, 31, 32].map(bucket).into();
        assert_eq!(buckets, [0, 1, 7, 8, 9, 15, 16, 16, 17, 23, 24]);
        assert!(bucket(LONGEST_MICROS) < BUCKETS);
    }

    #[test]
    fn values_below_powers_of_two_are_counted_exactly() {
        let mut recording = CoarseRecording::default();
        for micros in [1, 127, 128, 255, 256, 1_000_000] {
            recording.record(Duration::from_micros(micros));
        }
        let below = recording.below_powers();
        assert_eq!(below[..3].iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!((below.len(), below.last()), (20, Some(&(Duration::from_micros(1 << 26), 6))));
        assert_eq!(recording.count(), 6);
        assert!((recording.sum() - 1.000_767).abs() < 0.07, "{}", recording.sum());
    }

    #[test]
    fn nothing_recorded_has_no_percentile() {
        assert_eq!(CoarseRecording::default().percentile(50.0), None);
    }

    #[test]
    fn what_came_later_is_told_apart() {
        let mut early = CoarseRecording::default();
        early.record(Duration::from_millis(1));
        let mut late = early.clone();
        late.record(Duration::from_secs(1));
        let found = late.since(&early).percentile(1.0).expect("one value");
        assert!(found > Duration::from_millis(900), "{found:?}");
        assert_eq!(late.since(&late).percentile(50.0), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_seven_percent(values in prop::collection::vec(1u64..500_000_000, 1..200), p in 1.0f64..100.0) {
            let mut halves = [CoarseRecording::default(), CoarseRecording::default()];
            for (index, value) in values.iter().enumerate() {
                halves[index % 2].record(Duration::from_micros(*value));
            }
            let [mut all, other] = halves;
            all.merge(&other);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = ((p / 100.0 * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
            let exact = sorted[rank - 1] as f64;
            let found = all.percentile(p).expect("there are values").as_secs_f64() * 1e6;
            prop_assert!((found - exact).abs() <= exact * 0.07 + 0.5, "{found} for {exact}");
        }
    }
}
