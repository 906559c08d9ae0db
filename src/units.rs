//! Quantities with their units: durations (`10ms`, `1m30s`), rates (`200/s`), percents (`80%`).
//!
//! Text comes in, typed quantities go out, and back. A bare number where a unit belongs is an
//! error, because tools disagree on what `10` means. Absent on purpose: clocks.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is wrong with a quantity, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// `10` where `10ms` was meant.
    #[error("`{0}` has no unit; write `{0}ms` or `{0}s`")]
    MissingDurationUnit(String),
    /// `10 fortnights`.
    #[error("`{0}` is not a duration; write for example `10ms`, `2s` or `1m30s`")]
    Duration(String),
    /// `200` where `200/s` was meant.
    #[error("`{0}` is not a rate; write for example `200/s` or `30/m`")]
    Rate(String),
    /// `0.8` where `80%` was meant.
    #[error("`{0}` is not a percentage; write for example `80%`")]
    Percent(String),
}

/// A length of time as a scenario writes it: one or several numbers, each with its unit
/// (`us`, `ms`, `s`, `m`, `h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Events per second as a scenario writes them: `200/s`, `30/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

const DURATION_UNITS: [(&str, f64); 6] =
    [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Ten years: longer than any run, short enough never to overflow.
const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

/// Reads `10ms`, `2s`, `1.5s`, `1m30s`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.parse::<f64>().is_ok() {
        return Err(UnitError::MissingDurationUnit(trimmed.to_owned()));
    }
    let wrong = || UnitError::Duration(text.to_owned());
    let mut rest = trimmed;
    let mut seconds = 0.0;
    let mut last_factor = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let factor = DURATION_UNITS
            .iter()
            .find(|(unit, _)| *unit == &rest[..letters])
            .map(|(_, factor)| *factor)
            .filter(|factor| *factor < last_factor)
            .ok_or_else(wrong)?;
        seconds += number * factor;
        last_factor = factor;
        rest = &rest[letters..];
    }
    if last_factor.is_infinite() || seconds > LONGEST_SECONDS {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Writes a duration as a person reads it: `840us`, `12.3ms`, `1.25s`, `2m05s`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds == 0.0 {
        "0ms".to_owned()
    } else if seconds < 0.001 {
        format!("{:.0}us", seconds * 1e6)
    } else if seconds < 0.1 {
        trim_zeros(format!("{:.1}", seconds * 1e3)) + "ms"
    } else if seconds < 1.0 {
        format!("{:.0}ms", seconds * 1e3)
    } else if seconds < 60.0 {
        trim_zeros(format!("{seconds:.2}")) + "s"
    } else {
        let whole = seconds.round() as u64;
        if whole < 3600 {
            format!("{}m{:02}s", whole / 60, whole % 60)
        } else {
            format!("{}h{:02}m", whole / 3600, whole % 3600 / 60)
        }
    }
}

/// Milliseconds as [`format_duration`] writes them.
pub fn format_millis(millis: f64) -> String {
    format_duration(Duration::from_secs_f64((millis / 1e3).max(0.0)))
}

fn trim_zeros(number: String) -> String {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number
    }
}

/// Reads `200/s`, `30/m`, `1000/h` as events per second.
pub fn parse_rate(text: &str) -> Result<f64, UnitError> {
    let wrong = || UnitError::Rate(text.to_owned());
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Ok(number / seconds)
}

/// Reads `80%` as `0.8`.
pub fn parse_percent(text: &str) -> Result<f64, UnitError> {
    text.trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .map(|percent| percent / 100.0)
        .ok_or_else(|| UnitError::Percent(text.to_owned()))
}

/// Writes a share of one as a percentage with at most two decimals: `99.75%`.
pub fn format_percent(share: f64) -> String {
    trim_zeros(format!("{:.2}", share * 100.0)) + "%"
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl de::Visitor<'_> for SpanVisitor {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like `10ms`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                parse_duration(text).map(Span).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
                Err(E::custom(UnitError::MissingDurationUnit(number.to_string())))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Span, E> {
                Err(E::custom(UnitError::MissingDurationUnit(number.to_string())))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Span, E> {
                Err(E::custom(UnitError::MissingDurationUnit(number.to_string())))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateVisitor;
        impl de::Visitor<'_> for RateVisitor {
            type Value = Rate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate with its unit, like `200/s`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                let rate = parse_rate(text).map_err(E::custom)?;
                if rate.is_finite() && rate >= 0.0 {
                    Ok(Rate(rate))
                } else {
                    Err(E::custom(UnitError::Rate(text.to_owned())))
                }
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Rate, E> {
                Err(E::custom(UnitError::Rate(number.to_string())))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Rate, E> {
                Err(E::custom(UnitError::Rate(number.to_string())))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Rate, E> {
                Err(E::custom(UnitError::Rate(number.to_string())))
            }
        }
        deserializer.deserialize_any(RateVisitor)
    }
}

impl schemars::JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Events per second, minute or hour: `200/s`, `30/m`, `1000/h`.",
            "type": "string",
            "pattern": "^[0-9.]+ */ *[smh]$",
            "examples": ["200/s", "30/m", "1000/h"],
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration with its unit: `10ms`, `2s`, `1m30s`.",
            "pattern": r"^\s*([0-9]+(\.[0-9]+)?(us|µs|ms|s|m|h))+\s*$",
            "examples": ["10ms", "2s", "1m30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        for (text, millis) in [
            ("10ms", 10.0),
            ("2s", 2000.0),
            ("1m30s", 90_000.0),
            ("1.5s", 1500.0),
            ("500us", 0.5),
            ("2h", 7_200_000.0),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_secs_f64() * 1e3), Ok(millis), "{text}");
        }
        for text in ["", "10", "ms", "10 fortnights", "1s1m", "-5s", "1e400s", "9999999999999h", "1..5s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("10"), Err(UnitError::MissingDurationUnit("10".into())));
    }

    #[test]
    fn durations_read_well() {
        let written: Vec<String> = [0.0, 0.00084, 0.0123, 0.84, 1.25, 59.999, 125.0, 7260.0]
            .map(|s| format_duration(Duration::from_secs_f64(s)))
            .into();
        assert_eq!(written, ["0ms", "840us", "12.3ms", "840ms", "1.25s", "60s", "2m05s", "2h01m"]);
    }

    #[test]
    fn rates_and_percents_carry_their_unit() {
        assert_eq!(parse_rate("120/m"), Ok(2.0));
        assert_eq!(parse_percent("80%"), Ok(0.8));
        assert!(parse_rate("200").is_err() && parse_percent("0.8").is_err());
        assert_eq!(format_percent(0.997_512), "99.75%");
        assert_eq!(format_percent(1.0), "100%");
    }
}
