//! What can be measured, by name: `latency`, `latency{operation:payout}`, `latency.p(95)`.
//!
//! Closed types with their units, how they are written, their messages and tests. The conditions
//! on them are in [`super::threshold`]. Absent on purpose: values.

use std::{fmt, ops::Range};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::suggest;
use crate::dialect::Check;

/// What is wrong with a condition or the name of a metric, where in its text, and what to write.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ThresholdError {
    /// A lower-case fragment.
    pub message: String,
    /// Bytes of the text that was read.
    pub at: Range<usize>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ThresholdError {
    pub(super) fn new(message: impl Into<String>, at: Range<usize>) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn moved(mut self, by: usize) -> Self {
        self.at = self.at.start + by..self.at.end + by;
        self
    }
}

/// What a value of a metric is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A share of one, written as a percentage.
    Share,
    /// Events per second.
    PerSecond,
    /// Milliseconds, written as a duration.
    Milliseconds,
    /// A number of things.
    Count,
}

macro_rules! metrics {
    ($($variant:ident $name:literal $unit:ident $trend:literal $doc:literal;)*) => {
        /// What deadheat measures, by the name that thresholds and grades use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(#[doc = $doc] $variant,)*
        }

        impl Metric {
            /// All of them, in the order of the language reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As a scenario spells it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What its values are counted in.
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),* }
            }

            /// True for a distribution, of which a statistic must be named.
            pub fn is_trend(self) -> bool {
                match self { $(Self::$variant => $trend),* }
            }

            /// One sentence for people.
            pub fn describe(self) -> &'static str {
                match self { $(Self::$variant => $doc),* }
            }
        }
    };
}

metrics! {
    SuccessRate "success_rate" Share false "Operations that ended ok, retried or not, of those started.";
    ErrorRate "error_rate" Share false "Operations that didn't end ok, of those started.";
    DeadlockRate "deadlock_rate" Share false "Operations that met a deadlock, recovered or not, of those started.";
    SerializationRate "serialization_rate" Share false "Operations that met a serialization failure, of those started.";
    RetryRate "retry_rate" Share false "Operations that were retried, of those started.";
    RecoveryRate "recovery_rate" Share false "Operations that ended ok, of those that were retried.";
    IsolationCompliance "isolation_compliance" Share false "Transactions that ran at the declared level, of those whose level was read back.";
    Throughput "throughput" PerSecond false "Operations that ended ok, per second.";
    Latency "latency" Milliseconds true "From an operation's start to its end, retries and backoff included.";
    AttemptTime "attempt_time" Milliseconds true "One attempt of a transaction, without backoff.";
    Backoff "backoff" Milliseconds true "The wait before a retry, as measured.";
    LockWaitTime "lock_wait_time" Milliseconds false "Time that workers waited for locks, in all.";
    Retries "retries" Count false "Attempts after the first.";
    Recovered "recovered" Count false "Operations that ended ok after a retry.";
    Exhausted "exhausted" Count false "Operations whose every allowed attempt failed.";
    Deadlocks "deadlocks" Count false "Attempts that the server ended because of a deadlock.";
    Unknown "unknown" Count false "Operations whose commit was never answered.";
    Assertions "assertions" Count false "Operations that ended because an `assert` or `check` didn't hold.";
    DatabaseDeadlocks "database_deadlocks" Count false "Deadlocks that the watched database counted during the run.";
    LockOrderViolations "lock_order_violations" Count false "Transactions that locked tables against the declared order.";
    LockWaits "lock_waits" Count false "Waits for a lock that were seen.";
    DeepestQueue "deepest_queue" Count false "Most workers seen waiting for one another in a row.";
    Operations "operations" Count false "Operations that were started.";
    Overlap "overlap" Share false "Operations that were on a fixture row at the same time as another one, of those that had drawn one.";
    LateStarts "late_starts" Count false "Operations of an open load that started more than 10ms late.";
    DroppedStarts "dropped_starts" Count false "Operations of an open load that were never started.";
    RowsRemaining "rows_remaining" Count false "Rows of the run that were left after cleaning up.";
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What of a distribution is meant.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Statistic {
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The median.
    Med,
    /// The largest.
    Max,
    /// The value below which this many percent lie: more than 0, at most 100.
    Percentile(f64),
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Med => f.write_str("med"),
            Self::Max => f.write_str("max"),
            Self::Percentile(percent) => write!(f, "p({percent})"),
        }
    }
}

/// What a threshold or a grade is about: `latency`, `latency{operation:payout}`, `latency.p(95)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricName {
    /// The metric.
    pub metric: Metric,
    /// The statistic, where the name holds it.
    pub statistic: Option<Statistic>,
    /// One operation only.
    pub operation: Option<String>,
}

impl Metric {
    /// What a database must have for the metric to mean anything; `None`: nothing that any lacks.
    pub fn needs(self) -> Option<Check> {
        match self {
            Self::IsolationCompliance => Some(Check::Isolation),
            Self::LockOrderViolations => Some(Check::LockOrder),
            Self::LockWaits | Self::LockWaitTime | Self::DeepestQueue => Some(Check::LockWaits),
            Self::DeadlockRate | Self::Deadlocks => Some(Check::Deadlocks),
            _ => None,
        }
    }
}

impl MetricName {
    /// Reads a name: `METRIC`, `METRIC{operation:NAME}`, each with `.STATISTIC` or without.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let end = text.find(['{', '.']).unwrap_or(text.len());
        let metric = parse_metric(text, 0..end)?;
        let mut at = end;
        let mut operation = None;
        if text[at..].starts_with('{') {
            let wrong = || {
                ThresholdError::new("not a selector", at..text.len())
                    .hint(format!("write `{metric}{{operation:NAME}}`"))
            };
            let close = text[at..].find('}').map(|close| at + close).ok_or_else(wrong)?;
            let (key, name) = text[at + 1..close].split_once(':').ok_or_else(wrong)?;
            if key.trim() != "operation" || name.trim().is_empty() {
                return Err(wrong());
            }
            operation = Some(name.trim().to_owned());
            at = close + 1;
        }
        let rest = &text[at..];
        let statistic = match rest.strip_prefix('.') {
            Some(_) => Some(parse_statistic(text, at + 1..text.len())?),
            None if rest.trim().is_empty() => None,
            None => {
                return Err(ThresholdError::new("unexpected text after the metric", at..text.len()));
            }
        };
        if statistic.is_some() && !metric.is_trend() {
            return Err(no_statistic(metric, at..text.len()));
        }
        Ok(Self { metric, statistic, operation })
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.metric)?;
        if let Some(operation) = &self.operation {
            write!(f, "{{operation:{operation}}}")?;
        }
        match self.statistic {
            Some(statistic) => write!(f, ".{statistic}"),
            None => Ok(()),
        }
    }
}

pub(super) fn no_statistic(metric: Metric, at: Range<usize>) -> ThresholdError {
    ThresholdError::new(format!("`{metric}` is one value, it has no statistics"), at)
        .hint("leave out the statistic")
}

fn parse_metric(text: &str, range: Range<usize>) -> Result<Metric, ThresholdError> {
    let at = trimmed(text, range);
    let name = &text[at.clone()];
    Metric::ALL.iter().copied().find(|metric| metric.name() == name).ok_or_else(|| {
        let error = ThresholdError::new(format!("unknown metric `{name}`"), at);
        match suggest::did_you_mean(name, Metric::ALL.iter().map(|metric| metric.name())) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

pub(super) fn parse_statistic(text: &str, range: Range<usize>) -> Result<Statistic, ThresholdError> {
    let at = trimmed(text, range);
    let name = &text[at.clone()];
    match name {
        "avg" => return Ok(Statistic::Avg),
        "min" => return Ok(Statistic::Min),
        "med" => return Ok(Statistic::Med),
        "max" => return Ok(Statistic::Max),
        _ => {}
    }
    let percent = name.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(percent) = percent.and_then(|percent| decimal(percent.trim()))
        && percent > 0.0
        && percent <= 100.0
    {
        return Ok(Statistic::Percentile(percent));
    }
    let error = ThresholdError::new(format!("unknown statistic `{name}`"), at);
    let percent = name.trim_start_matches(['p', 'P', '(']).trim_end_matches(')');
    Err(match (name, decimal(percent)) {
        ("mean" | "average", _) => error.hint("write `avg`"),
        ("median" | "p50", _) => error.hint("write `med`"),
        (_, Some(percent)) if percent > 0.0 && percent <= 100.0 => {
            error.hint(format!("write `p({percent})`"))
        }
        _ => error.hint("known: `avg`, `min`, `med`, `max`, `p(95)`"),
    })
}

/// Digits with at most one point: no sign, no exponent, no `inf`.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|number| digits && number.is_finite())
}

pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    )*};
}

pub(super) use as_text;

as_text!(MetricName);

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MetricName {
        MetricName::parse(text).unwrap()
    }

    #[test]
    fn names_read_and_print_alike() {
        for text in
            ["latency", "latency{operation:payout_update}", "latency.p(95)", "latency{operation:a}.p(99.9)"]
        {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("latency.avg").statistic, Some(Statistic::Avg));
        for metric in Metric::ALL {
            assert_eq!(name(metric.name()).metric, *metric);
        }
    }

    #[test]
    fn wrong_names_say_what_to_write() {
        let hint = |text: &str| {
            let error = MetricName::parse(text).unwrap_err();
            (text[error.at].to_owned(), error.hint.unwrap_or_default())
        };
        assert_eq!(hint("sucess_rate"), ("sucess_rate".into(), "did you mean `success_rate`?".into()));
        assert_eq!(hint("latency{op:x}"), ("{op:x}".into(), "write `latency{operation:NAME}`".into()));
        assert_eq!(
            hint("latency{operation:x"),
            ("{operation:x".into(), "write `latency{operation:NAME}`".into())
        );
        assert_eq!(hint("latency.p95"), ("p95".into(), "write `p(95)`".into()));
        assert_eq!(hint("latency.mean"), ("mean".into(), "write `avg`".into()));
        assert_eq!(hint("throughput.avg"), (".avg".into(), "leave out the statistic".into()));
        assert!(MetricName::parse("latency}x").is_err() && MetricName::parse("").is_err());
    }
}
