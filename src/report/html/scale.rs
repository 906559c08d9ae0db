//! From a value to a place on an axis, with the ticks that a person would choose.

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    pub ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to a round number at or above `max`, with about `most` ticks.
    pub(super) fn linear(max: f64, most: usize) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = round_step(max / most as f64);
        let steps = (max / step).ceil();
        let ticks = (0..=steps as usize).map(|n| n as f64 * step).collect();
        Self { low: 0.0, high: steps * step, is_log: false, ticks }
    }

    /// Without values.
    pub(super) fn bare() -> Self {
        Self { low: 0.0, high: 1.0, is_log: false, ticks: Vec::new() }
    }

    /// From 0 to `seconds` exactly.
    pub(super) fn time(seconds: f64, most: usize) -> Self {
        const STEPS: [f64; 14] =
            [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
        let seconds = if seconds > 0.0 { seconds } else { 1.0 };
        let wanted = seconds / most as f64;
        let step = match STEPS.iter().find(|step| **step >= wanted) {
            Some(step) if wanted > 0.5 => *step,
            _ => round_step(wanted),
        };
        let ticks = (0..=(seconds / step + 1e-9) as usize).map(|n| n as f64 * step).collect();
        Self { low: 0.0, high: seconds, is_log: false, ticks }
    }

    /// Logarithmic, from below `min` to above `max`, with at most `most` ticks.
    pub(super) fn log(min: f64, max: f64, most: usize) -> Self {
        let low = min.max(1e-3);
        let high = max.max(low * 1.5);
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let all: Vec<f64> = decades
            .clone()
            .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)))
            .collect();
        let below = all.iter().copied().filter(|tick| *tick <= low * 1.000_001).fold(all[0], f64::max);
        let above =
            all.iter().copied().filter(|tick| *tick >= high * 0.999_999).fold(f64::INFINITY, f64::min);
        let above = if above.is_finite() { above } else { high };
        let within = |tick: &f64| (below * 0.999..=above * 1.001).contains(tick);
        let fine: Vec<f64> = all.into_iter().filter(within).collect();
        let coarse: Vec<f64> = decades.map(|decade| 10_f64.powi(decade)).filter(within).collect();
        let ticks = if fine.len() <= most || coarse.is_empty() {
            fine
        } else {
            let every = coarse.len().div_ceil(most);
            coarse.into_iter().step_by(every).collect()
        };
        Self { low: below, high: above, is_log: true, ticks }
    }

    /// 0 at the low end, 1 at the high end; values beyond stay at the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, at or above `least`.
fn round_step(least: f64) -> f64 {
    let magnitude = 10_f64.powf(least.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    digits.iter().map(|digit| digit * magnitude).find(|step| *step >= least * 0.999_999).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::linear(0.0, 4).ticks, [0.0, 0.5, 1.0]);
        assert_eq!(Scale::linear(1840.0, 4).ticks, [0.0, 500.0, 1000.0, 1500.0, 2000.0]);
        assert_eq!(Scale::time(17.1, 6).ticks, [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(Scale::time(3600.0, 8).ticks.len(), 7);
        assert_eq!(Scale::time(0.7, 4).ticks, [0.0, 0.2, 0.4, 0.6000000000000001]);
        assert_eq!(Scale::log(0.3, 90.0, 4).ticks, [1.0, 10.0, 100.0]);
        assert_eq!(Scale::log(12.0, 80.0, 6).ticks, [10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn values_have_their_place() {
        assert_eq!(Scale::linear(100.0, 4).at(50.0), 0.5);
        assert_eq!(Scale::linear(100.0, 4).at(500.0), 1.0);
        let log = Scale::log(1.0, 100.0, 4);
        assert!((log.at(10.0) - 0.5).abs() < 1e-9 && log.at(0.0) == 0.0);
        let same = Scale::log(5.0, 5.0, 4);
        assert!(same.at(5.0).is_finite());
    }
}
