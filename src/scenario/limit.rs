//! What a condition compares with: a value, or the baseline's: `2s`, `baseline * 1.1`, `baseline + 50ms`.
//!
//! The types, the grammar, the messages and the tests of this element of the language.

use std::{fmt, ops::Range};

use super::{
    metric::{ThresholdError, Unit, decimal, trimmed},
    threshold::{format_value, rounded},
};
use crate::units;

/// The word for the run that this one is compared with.
pub(super) const BASELINE: &str = "baseline";

/// The right side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A value of the metric.
    Value(f64, Unit),
    /// So many times what the baseline has.
    Times(f64),
    /// What the baseline has and so much more, or less when it is negative.
    Plus(f64, Unit),
}

impl Limit {
    /// What its value is counted in; `None` where any metric will do.
    pub fn unit(self) -> Option<Unit> {
        match self {
            Self::Value(_, unit) | Self::Plus(_, unit) => Some(unit),
            Self::Times(_) => None,
        }
    }

    /// True when it takes a baseline.
    pub fn is_relative(self) -> bool {
        !matches!(self, Self::Value(..))
    }

    /// The value to compare with; `None` when it takes a baseline and there is none.
    pub fn value(self, baseline: Option<f64>) -> Option<f64> {
        match self {
            Self::Value(value, _) => Some(value),
            Self::Times(factor) => Some(baseline? * factor),
            Self::Plus(more, _) => Some(baseline? + more),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Value(value, unit) => f.write_str(&format_value(value, unit)),
            Self::Times(1.0) => f.write_str(BASELINE),
            Self::Times(factor) => write!(f, "{BASELINE} * {}", rounded(factor)),
            Self::Plus(more, unit) if more < 0.0 => write!(f, "{BASELINE} - {}", format_value(-more, unit)),
            Self::Plus(more, unit) => write!(f, "{BASELINE} + {}", format_value(more, unit)),
        }
    }
}

/// Reads the right side of a condition, which is at `at` in its text.
pub(super) fn parse(text: &str, at: Range<usize>) -> Result<Limit, ThresholdError> {
    let Some(rest) = text[at.clone()].strip_prefix(BASELINE) else {
        return parse_value(text, at).map(|(value, unit)| Limit::Value(value, unit));
    };
    let rest = trimmed(text, at.end - rest.len()..at.end);
    let Some(sign) = text[rest.clone()].chars().next() else { return Ok(Limit::Times(1.0)) };
    let value = trimmed(text, rest.start + sign.len_utf8()..rest.end);
    let more = |place: Range<usize>| parse_value(text, place);
    match sign {
        '*' => match decimal(&text[value.clone()]) {
            Some(factor) => Ok(Limit::Times(factor)),
            None => {
                let at = if value.is_empty() { rest } else { value };
                Err(ThresholdError::new(format!("`{}` is not a factor", &text[at.clone()]), at)
                    .hint("write for example `baseline * 1.1`"))
            }
        },
        '+' => more(value).map(|(more, unit)| Limit::Plus(more, unit)),
        '-' => more(value).map(|(more, unit)| Limit::Plus(-more, unit)),
        _ => Err(ThresholdError::new("not something to do with the baseline", rest)
            .hint("write `baseline`, `baseline * 1.1`, `baseline + 50ms` or `baseline - 5%`")),
    }
}

/// Where in the right side of a condition its value is.
pub(super) fn value_place(text: &str, at: Range<usize>) -> Range<usize> {
    match text[at.clone()].strip_prefix(BASELINE) {
        Some(rest) => {
            let rest = rest.trim_start().trim_start_matches(['+', '-']);
            trimmed(text, at.end - rest.len()..at.end)
        }
        None => at,
    }
}

fn parse_value(text: &str, at: Range<usize>) -> Result<(f64, Unit), ThresholdError> {
    let written = &text[at.clone()];
    if let Some(number) = decimal(written) {
        return Ok((number, Unit::Count));
    }
    if let Some(number) = written.strip_suffix('%').and_then(|number| decimal(number.trim())) {
        return Ok((number / 100.0, Unit::Share));
    }
    if let Some((number, _)) = written.split_once('/')
        && decimal(number.trim()).is_some()
        && let Ok(rate) = units::parse_rate(written)
    {
        return Ok((rate, Unit::PerSecond));
    }
    if let Ok(duration) = units::parse_duration(written) {
        return Ok((duration.as_secs_f64() * 1e3, Unit::Milliseconds));
    }
    let error = match written.is_empty() {
        true => ThresholdError::new("a condition needs a value", trimmed(text, 0..text.len())),
        false => ThresholdError::new(format!("`{written}` is not a value"), at),
    };
    Err(error.hint("write for example `80%`, `100/s`, `500ms` or `0`"))
}

#[cfg(test)]
mod tests {
    use super::super::{
        metric::MetricName,
        threshold::{Condition, MetricCondition},
    };

    #[test]
    fn limits_on_the_baseline_read_and_print_canonically() {
        for (text, canonical, limit) in [
            ("< baseline", "< baseline", 200.0),
            ("p(95) < baseline*1.1", "p(95) < baseline * 1.1", 220.0),
            ("avg <= baseline + 50ms", "avg <= baseline + 50ms", 250.0),
            ("avg <= baseline - 0.05s", "avg <= baseline - 50ms", 150.0),
        ] {
            let condition = Condition::parse(text).expect("a condition");
            assert_eq!(condition.to_string(), canonical);
            assert_eq!(Condition::parse(canonical).expect("a condition"), condition);
            let value = condition.limit.value(Some(200.0)).expect("there is a baseline");
            assert!((value - limit).abs() < 1e-9, "{text}: {value}");
            assert_eq!(condition.limit.value(None), None);
            assert!(!condition.holds(0.0, None), "without a baseline it isn't met");
        }
        assert!(Condition::parse("> baseline - 5%").expect("a condition").holds(0.96, Some(1.0)));
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        for (metric, text, marked, message) in [
            ("latency", "p(95) < baseline * fast", "fast", "`fast` is not a factor"),
            ("latency", "p(95) < baseline *", "*", "`*` is not a factor"),
            ("latency", "p(95) < baseline / 2", "/ 2", "not something to do with the baseline"),
            ("latency", "p(95) < baselines", "s", "not something to do with the baseline"),
            ("latency", "p(95) < baseline + 5%", "5%", "`latency` is a duration, `5%` is not"),
            ("success_rate", "> baseline - 0.05", "0.05", "`success_rate` is a percentage, `0.05` is not"),
            ("latency", "p(95) < baseline +", "p(95) < baseline +", "a condition needs a value"),
        ] {
            let name = MetricName::parse(metric).expect("a metric");
            let error = Condition::parse_for(&name, text).expect_err(text);
            assert_eq!(
                (text[error.at.clone()].trim(), error.message.as_str()),
                (marked, message),
                "{text}"
            );
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn advice_has_no_baseline() {
        let text = "lock_waits > baseline * 2";
        let error = MetricCondition::parse(text).expect_err("refused");
        assert_eq!(&text[error.at], "baseline");
    }
}
