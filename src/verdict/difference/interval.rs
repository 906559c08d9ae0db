//! How sure a difference is: from the seconds of two runs, not from two means.
//!
//! A measure is a quotient of two sums over seconds. How much it would vary is found by a block bootstrap
//! (Künsch 1989): seconds are drawn again in stretches, because neighbouring seconds are alike, and as
//! long ones as their correlation asks for (Carlstein 1986). The interval is Student's, with as many
//! degrees of freedom as there are stretches, so that few of them make it wide.

use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// Seconds that each run needs.
pub(super) const FEWEST: usize = 10;
/// More windows than this are put together: they tell nothing new.
const MOST: usize = 600;
const RESAMPLES: usize = 1000;
/// Quantile of the normal distribution for 99 %, both sides: so many lines are looked at that one in twenty
/// would be wrong too often.
const NORMAL: f64 = 2.575_829_303_548_901;
/// Correlation of neighbours beyond which a run is taken for one that drifts.
const MOST_CORRELATED: f64 = 0.9;

/// One second's share of numerator and denominator.
pub(super) type Window = (f64, f64);

/// A measure of one run, with its uncertainty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub value: f64,
    /// Standard error of the value, or of its logarithm.
    error: f64,
    freedom: f64,
}

/// On which scale two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// How many times as much.
    Ratio,
    /// How much more.
    Difference,
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Ratio => value.ln(),
            Self::Difference => value,
        }
    }
}

/// Estimates a measure; `None` when there are too few windows, or nothing to put in relation.
pub(super) fn estimate(windows: &[Window], scale: Scale, seed: u64) -> Option<Estimate> {
    if windows.len() < FEWEST {
        return None;
    }
    let windows = merged(windows);
    let value = quotient(sums(&windows))?;
    if scale == Scale::Ratio && value <= 0.0 {
        return None;
    }
    let length = block_length(&windows, value);
    let blocks = windows.len() as f64 / length as f64;
    let starts = block_sums(&windows, length);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = windows.len().div_ceil(length);
    let resampled: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut sum = (0.0, 0.0);
            for _ in 0..drawn {
                let (x, y) = starts[random.random_range(0..starts.len())];
                sum = (sum.0 + x, sum.1 + y);
            }
            quotient(sum).map(|value| scale.of(value)).filter(|value| value.is_finite())
        })
        .collect();
    // What varies within a stretch is lost: so few stretches vary less than what they were drawn from.
    let error = deviation(&resampled) * (blocks / (blocks - 1.0)).sqrt();
    Some(Estimate { value, error, freedom: blocks - 1.0 })
}

/// The 99 % interval of `after` against `before`: of the quotient less one, or of the difference.
pub(super) fn interval(before: Estimate, after: Estimate, scale: Scale, coarseness: f64) -> (f64, f64) {
    let variances = [before, after].map(|one| (one.error * one.error, one.freedom));
    let sum: f64 = variances.iter().map(|(variance, _)| variance).sum();
    // Welch and Satterthwaite.
    let weights: f64 = variances.iter().map(|(variance, freedom)| variance * variance / freedom).sum();
    let freedom = if weights > 0.0 { sum * sum / weights } else { f64::INFINITY };
    let reach = student(freedom) * sum.sqrt() + coarseness;
    let middle = scale.of(after.value) - scale.of(before.value);
    match scale {
        Scale::Ratio => ((middle - reach).exp() - 1.0, (middle + reach).exp() - 1.0),
        Scale::Difference => (middle - reach, middle + reach),
    }
}

/// Neighbours put together until there are few enough.
fn merged(windows: &[Window]) -> Vec<Window> {
    windows.chunks(windows.len().div_ceil(MOST)).map(sums).collect()
}

fn sums(windows: &[Window]) -> Window {
    windows.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn quotient((numerator, denominator): Window) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

/// Long enough for what neighbours have in common, and short enough that five are left.
fn block_length(windows: &[Window], value: f64) -> usize {
    let count = windows.len() as f64;
    let residuals: Vec<f64> = windows.iter().map(|(x, y)| x - value * y).collect();
    let power: f64 = residuals.iter().map(|one| one * one).sum();
    let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let correlation = if power > 0.0 { (neighbours / power).clamp(0.0, MOST_CORRELATED) } else { 0.0 };
    let asked = (6f64.sqrt() * correlation / (1.0 - correlation * correlation)).powf(2.0 / 3.0);
    let length = (asked.max(1.0) * count.cbrt()).ceil() as usize;
    length.clamp(1, windows.len() / 5)
}

/// The sums of all stretches of a length, around the end too, so that every window is in as many.
fn block_sums(windows: &[Window], length: usize) -> Vec<Window> {
    let mut around = windows.iter().chain(windows).copied();
    let mut sum = sums(&around.by_ref().take(length).collect::<Vec<_>>());
    let mut all = Vec::with_capacity(windows.len());
    for (leaves, enters) in windows.iter().zip(around) {
        all.push(sum);
        sum = (sum.0 + enters.0 - leaves.0, sum.1 + enters.1 - leaves.1);
    }
    all
}

fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::INFINITY;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Quantile of Student's distribution for 99 %, both sides, by its expansion around the normal one
/// (Abramowitz and Stegun 26.7.5): within 1 % from three degrees of freedom on.
fn student(freedom: f64) -> f64 {
    let freedom = freedom.max(3.0);
    let z = NORMAL;
    let power = |exponent: i32| z.powi(exponent);
    z + (power(3) + z) / (4.0 * freedom)
        + (5.0 * power(5) + 16.0 * power(3) + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * z) / (384.0 * freedom.powi(3))
        + (79.0 * power(9) + 776.0 * power(7) + 1482.0 * power(5) - 1920.0 * power(3) - 945.0 * z)
            / (92_160.0 * freedom.powi(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a run whose neighbours are alike: a mean, a spread and their correlation.
    fn run(
        random: &mut ChaCha8Rng,
        seconds: usize,
        mean: f64,
        spread: f64,
        correlation: f64,
    ) -> Vec<Window> {
        let mut state = 0.0;
        let mut noise = || (0..12).map(|_| random.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        (0..seconds)
            .map(|_| {
                state = correlation * state + (1.0 - correlation * correlation).sqrt() * noise();
                ((mean + spread * state).max(1.0), 1.0)
            })
            .collect()
    }

    /// How many of 120 pairs are told apart.
    fn told_apart(seconds: usize, times: f64, correlation: f64) -> usize {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let pairs = (0..120).filter(|pair| {
            let before = run(&mut random, seconds, 1000.0, 100.0, correlation);
            let after = run(&mut random, seconds, 1000.0 * times, 100.0, correlation);
            let [before, after] =
                [before, after].map(|one| estimate(&one, Scale::Ratio, *pair).expect("enough seconds"));
            let (low, high) = interval(before, after, Scale::Ratio, 0.0);
            low > 0.0 || high < 0.0
        });
        pairs.count()
    }

    #[test]
    fn equal_runs_are_seldom_told_apart() {
        for (seconds, correlation, most) in [(12, 0.0, 4), (60, 0.5, 5), (200, 0.7, 5)] {
            let found = told_apart(seconds, 1.0, correlation);
            assert!(found <= most, "{found} of 120 with {seconds} s, correlation {correlation}");
        }
    }

    #[test]
    fn runs_that_differ_are_told_apart() {
        assert!(told_apart(30, 1.15, 0.0) > 110);
        assert!(told_apart(300, 1.10, 0.5) > 110);
    }

    #[test]
    fn too_little_is_no_estimate() {
        assert!(estimate(&[(1.0, 1.0); FEWEST - 1], Scale::Ratio, 1).is_none());
        assert!(estimate(&[(0.0, 0.0); 30], Scale::Difference, 1).is_none());
        assert!(estimate(&[(0.0, 1.0); 30], Scale::Ratio, 1).is_none());
        assert!(estimate(&[(0.0, 1.0); 30], Scale::Difference, 1).is_some());
    }

    #[test]
    fn long_runs_are_as_good_as_short_ones() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let windows = run(&mut random, 100_000, 1000.0, 100.0, 0.0);
        let estimate = estimate(&windows, Scale::Ratio, 1).expect("enough");
        assert!((estimate.value - 1000.0).abs() < 5.0, "{}", estimate.value);
        assert!(estimate.error < 0.001, "{}", estimate.error);
    }

    #[test]
    fn the_quantile_is_students() {
        for (freedom, known) in [(3.0, 5.841), (5.0, 4.032), (10.0, 3.169), (30.0, 2.750), (1e9, 2.576)] {
            assert!((student(freedom) / known - 1.0).abs() < 0.01, "{freedom}: {}", student(freedom));
        }
    }
}
