//! Conditions on what was measured: `p(95) < 2s`, `> 80%`, `lock_order_violations == 0`.
//!
//! k6's grammar, with units: types, grammar, messages and tests of this element of the language.
//! Text comes in, closed types go out, and back. Absent on purpose: values.

use std::{fmt, ops::Range};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limit;
pub use super::limit::Limit;
pub use super::metric::{Metric, MetricName, Statistic, ThresholdError, Unit};
use super::metric::{as_text, decimal, no_statistic, parse_statistic, trimmed};

/// How a measured value is compared with the condition's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// The longer ones first, so that `<=` isn't read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Comparison {
    /// Whether `measured` stands in this relation to `value`. False when one is not a number.
    pub fn holds(self, measured: f64, value: f64) -> bool {
        match self {
            Self::Less => measured < value,
            Self::LessOrEqual => measured <= value,
            Self::Greater => measured > value,
            Self::GreaterOrEqual => measured >= value,
            Self::Equal => measured == value,
            Self::NotEqual => !measured.is_nan() && !value.is_nan() && measured != value,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelled = COMPARISONS.iter().find(|(_, comparison)| comparison == self);
        f.write_str(spelled.expect("every comparison is spelled").0)
    }
}

/// Checks that a condition on a metric names a statistic exactly when the metric is a
/// distribution. `Err` holds the reason and what to write.
pub fn applies_to(metric: Metric, statistic: Option<Statistic>) -> Result<(), ThresholdError> {
    match (metric.is_trend(), statistic) {
        (true, Some(_)) | (false, None) => Ok(()),
        (true, None) => Err(ThresholdError::new(format!("`{metric}` needs a statistic"), 0..0)
            .hint("write `avg`, `min`, `med`, `max` or `p(95)` before the comparison")),
        (false, Some(_)) => Err(no_statistic(metric, 0..0)),
    }
}

/// A comparison with a value: `p(95) < 2s`, `> 80%`, `p(95) < baseline * 1.1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The statistic, where the condition names it.
    pub statistic: Option<Statistic>,
    /// How to compare.
    pub comparison: Comparison,
    /// With what.
    pub limit: Limit,
}

impl Condition {
    /// Reads a condition by itself, taking the unit from how the value is written.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let (sign, comparison) = find_comparison(text)?;
        let before = trimmed(text, 0..sign.start);
        let statistic = match before.is_empty() {
            true => None,
            false => Some(parse_statistic(text, before)?),
        };
        let limit = limit::parse(text, trimmed(text, sign.end..text.len()))?;
        Ok(Self { statistic, comparison, limit })
    }

    /// Reads a condition on a metric: unit and statistic must be the metric's. A statistic that
    /// the metric's name holds counts.
    pub fn parse_for(name: &MetricName, text: &str) -> Result<Self, ThresholdError> {
        let condition = Self::parse(text)?;
        let sign = find_comparison(text)?.0;
        if let Some(statistic) = name.statistic.filter(|_| condition.statistic.is_some()) {
            return Err(ThresholdError::new(
                format!("the name of the metric says `{statistic}` already"),
                trimmed(text, 0..sign.start),
            )
            .hint("leave out one of them"));
        }
        applies_to(name.metric, condition.statistic.or(name.statistic)).map_err(|error| {
            let before = trimmed(text, 0..sign.start);
            ThresholdError { at: if before.is_empty() { sign.clone() } else { before }, ..error }
        })?;
        let at = trimmed(text, sign.end..text.len());
        match condition.limit.unit() {
            Some(unit) if unit != name.metric.unit() => {
                let at = limit::value_place(text, at);
                Err(wrong_unit(name.metric, &text[at.clone()], unit, at))
            }
            _ => Ok(condition),
        }
    }

    /// Refuses a condition on the baseline where there is none to be had: in grades and advice.
    pub fn refuse_baseline(&self, text: &str) -> Result<(), ThresholdError> {
        if !self.limit.is_relative() {
            return Ok(());
        }
        let start = text.rfind(limit::BASELINE).unwrap_or_default();
        Err(ThresholdError::new(
            "only thresholds and requirements may refer to the baseline",
            start..start + limit::BASELINE.len(),
        )
        .hint("write the value itself, or make a threshold of it"))
    }

    /// Whether a measured value, in the metric's unit, meets it; `baseline` is the metric's value in the
    /// baseline, and a condition that refers to it isn't met without one.
    pub fn holds(&self, measured: f64, baseline: Option<f64>) -> bool {
        self.limit.value(baseline).is_some_and(|limit| self.comparison.holds(measured, limit))
    }
}

/// A value with its unit, as a condition writes it.
pub fn format_value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format!("{}%", rounded(value * 100.0)),
        Unit::PerSecond => format!("{}/s", rounded(value)),
        Unit::Count => rounded(value),
        Unit::Milliseconds if value >= 1000.0 => format!("{}s", rounded(value / 1000.0)),
        Unit::Milliseconds if value < 1.0 && value > 0.0 => format!("{}us", rounded(value * 1000.0)),
        Unit::Milliseconds => format!("{}ms", rounded(value)),
    }
}

/// Without the noise of binary fractions, exact enough to be read back as the same value.
pub(super) fn rounded(value: f64) -> String {
    let short = (value * 1e9).round() / 1e9;
    format!("{short}")
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(statistic) = self.statistic {
            write!(f, "{statistic} ")?;
        }
        write!(f, "{} {}", self.comparison, self.limit)
    }
}

/// A metric with its condition in one text, as advice has it: `lock_order_violations > 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCondition {
    /// What is measured.
    pub name: MetricName,
    /// What it is compared with.
    pub condition: Condition,
}

impl MetricCondition {
    /// Reads `METRIC COMPARISON VALUE`.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let (sign, _) = find_comparison(text)?;
        let before = trimmed(text, 0..sign.start);
        let name = MetricName::parse(&text[before.clone()]).map_err(|error| error.moved(before.start))?;
        let condition =
            Condition::parse_for(&name, &text[sign.start..]).map_err(|error| error.moved(sign.start))?;
        condition.refuse_baseline(text)?;
        Ok(Self { name, condition })
    }
}

impl fmt::Display for MetricCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.condition)
    }
}

fn find_comparison(text: &str) -> Result<(Range<usize>, Comparison), ThresholdError> {
    let start = text.find(['<', '>', '=', '!']);
    let found = start.and_then(|start| {
        let (sign, comparison) = COMPARISONS.iter().find(|(sign, _)| text[start..].starts_with(sign))?;
        Some((start..start + sign.len(), *comparison))
    });
    found.ok_or_else(|| match start {
        Some(start) => ThresholdError::new("not a comparison", start..start + 1)
            .hint("write one of `<`, `<=`, `>`, `>=`, `==`, `!=`"),
        None => ThresholdError::new("a condition needs a comparison", 0..text.len())
            .hint("write for example `> 80%` or `p(95) < 2s`"),
    })
}

fn wrong_unit(metric: Metric, written: &str, found: Unit, at: Range<usize>) -> ThresholdError {
    let needs = match metric.unit() {
        Unit::Share => "a percentage",
        Unit::PerSecond => "a rate",
        Unit::Milliseconds => "a duration",
        Unit::Count => "a plain number",
    };
    let number = decimal(written).filter(|_| found == Unit::Count);
    let hint = match (metric.unit(), number) {
        (Unit::Share, Some(share)) if share <= 1.0 => format!("write `{}%`", rounded(share * 100.0)),
        (Unit::Share, Some(percent)) => format!("write `{percent}%`"),
        (Unit::PerSecond, Some(rate)) => format!("write `{rate}/s`"),
        (Unit::Milliseconds, Some(time)) => format!("write `{time}ms` or `{time}s`"),
        (Unit::Share, None) => "write for example `80%`".to_owned(),
        (Unit::PerSecond, None) => "write for example `100/s`".to_owned(),
        (Unit::Milliseconds, None) => "write for example `500ms` or `2s`".to_owned(),
        (Unit::Count, _) => "write for example `0`".to_owned(),
    };
    ThresholdError::new(format!("`{metric}` is {needs}, `{written}` is not"), at).hint(hint)
}

as_text!(Condition, MetricCondition);

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MetricName {
        MetricName::parse(text).unwrap()
    }

    #[test]
    fn conditions_read_and_print_canonically() {
        for (text, canonical, value, unit) in [
            ("p(95)<2s", "p(95) < 2s", 2000.0, Unit::Milliseconds),
            ("avg < 500ms", "avg < 500ms", 500.0, Unit::Milliseconds),
            ("med <= 1m30s", "med <= 90s", 90_000.0, Unit::Milliseconds),
            ("> 80%", "> 80%", 0.8, Unit::Share),
            ("== 100%", "== 100%", 1.0, Unit::Share),
            (" >=99.95 % ", ">= 99.95%", 0.9995, Unit::Share),
            ("> 100/s", "> 100/s", 100.0, Unit::PerSecond),
            ("> 120/m", "> 2/s", 2.0, Unit::PerSecond),
            ("== 0", "== 0", 0.0, Unit::Count),
            ("!= 3", "!= 3", 3.0, Unit::Count),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(
                (condition.to_string().as_str(), condition.limit.unit()),
                (canonical, Some(unit)),
                "{text}"
            );
            let limit = condition.limit.value(None).expect("a value");
            assert!((limit - value).abs() < 1e-9, "{text}: {limit}");
            assert_eq!(Condition::parse(canonical).unwrap(), condition);
        }
    }

    #[test]
    fn units_and_statistics_belong_to_the_metric() {
        let error = |metric: &str, text: &str| {
            let error = Condition::parse_for(&name(metric), text).unwrap_err();
            (error.to_string(), text[error.at].to_owned(), error.hint.unwrap_or_default())
        };
        let is = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            error("success_rate", "> 0.8"),
            is("`success_rate` is a percentage, `0.8` is not", "0.8", "write `80%`")
        );
        assert_eq!(
            error("latency", "p(95) < 2"),
            is("`latency` is a duration, `2` is not", "2", "write `2ms` or `2s`")
        );
        assert_eq!(
            error("throughput", "> 10%"),
            is("`throughput` is a rate, `10%` is not", "10%", "write for example `100/s`")
        );
        assert_eq!(
            error("deadlocks", "== 0%"),
            is("`deadlocks` is a plain number, `0%` is not", "0%", "write for example `0`")
        );
        assert_eq!(error("latency", "< 2s").1, "<");
        assert_eq!(error("throughput", "avg > 1/s").1, "avg");
        assert_eq!(error("latency.avg", "max < 1s").1, "max");
        assert!(Condition::parse_for(&name("latency.p(95)"), "< 2s").is_ok());
    }

    #[test]
    fn wrong_conditions_point_at_the_mistake() {
        for (text, marked) in [
            ("80%", "80%"),
            ("=> 80%", "="),
            ("> ", ">"),
            ("> -1", "-1"),
            ("> 1e3", "1e3"),
            ("> 2 parsecs", "2 parsecs"),
            ("p95 < 2s", "p95"),
            ("p(101) < 2s", "p(101)"),
            ("p(0) < 2s", "p(0)"),
            ("> 5/s/s", "5/s/s"),
            ("> -5/s", "-5/s"),
            ("> inf", "inf"),
            ("> 5% < 6%", "5% < 6%"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert_eq!(text[error.at.clone()].trim(), marked, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn a_metric_and_its_condition_stand_in_one_text() {
        let both = MetricCondition::parse("lock_order_violations > 0").unwrap();
        assert_eq!(both.name.metric, Metric::LockOrderViolations);
        assert!(
            both.condition.holds(1.0, None)
                && !both.condition.holds(0.0, None)
                && !both.condition.holds(f64::NAN, None)
        );
        assert_eq!(MetricCondition::parse("latency.p(95)>2s").unwrap().to_string(), "latency.p(95) > 2s");
        let text = "  lock_waitz > 0";
        let error = MetricCondition::parse(text).unwrap_err();
        assert_eq!(&text[error.at], "lock_waitz");
        let text = "success_rate > 0.5";
        assert_eq!(&text[MetricCondition::parse(text).unwrap_err().at], "0.5");
    }

    #[test]
    fn they_travel_as_text() {
        let json =
            serde_json::to_string(&(name("latency{operation:a}"), Condition::parse("> 80%").unwrap()));
        assert_eq!(json.unwrap(), r#"["latency{operation:a}","> 80%"]"#);
        let back: Condition = serde_json::from_str(r#""p(99) < 3s""#).unwrap();
        assert_eq!(back.statistic, Some(Statistic::Percentile(99.0)));
        assert!(serde_json::from_str::<Condition>(r#""nonsense""#).is_err());
    }
}
