//! The retry policy: from what the scenario wrote to the delay before the n-th retry.

use std::{fmt, time::Duration};

use rand::{Rng, RngExt};

use crate::{
    outcome::Cause,
    scenario::{Backoff, Retry},
    units,
};

/// What is tried again, how often, and after what delay. The default never retries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetryPolicy {
    /// Causes that are tried again.
    pub on: Vec<Retried>,
    /// Delay before the first, second, … retry; as many as there are retries.
    pub delays: Vec<Duration>,
    pub jitter: Jitter,
}

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// Just this cause.
    Cause(Cause),
    /// Every status of this hundred: 4 or 5.
    Statuses(u16),
    /// Whatever isn't an answer of 2xx: what Stripe delivers an event again for.
    NotAcknowledged,
}

impl Retried {
    /// True when `cause` is meant.
    pub fn covers(&self, cause: &Cause) -> bool {
        match (self, cause) {
            (Self::Cause(one), other) => one == other,
            (Self::Statuses(hundred), Cause::Http(status)) => status / 100 == *hundred,
            (Self::Statuses(_), _) => false,
            (Self::NotAcknowledged, cause) => matches!(
                cause,
                Cause::Http(_)
                    | Cause::Timeout
                    | Cause::Connection
                    | Cause::Reset
                    | Cause::Tls
                    | Cause::Protocol
                    | Cause::Redirect
            ),
        }
    }
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(cause) => cause.fmt(f),
            Self::Statuses(hundred) => write!(f, "http_{hundred}xx"),
            Self::NotAcknowledged => f.write_str("not_2xx"),
        }
    }
}

/// How a delay is varied.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Anything from nothing to the delay.
    Full,
    /// This share of the delay either way.
    Share(f64),
}

/// Retries beyond this are a mistake in the file.
pub const MOST_RETRIES: u32 = 1_000;

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    #[error("`{0}` is not a cause")]
    Cause(String),
    #[error("`{0}` is not a jitter")]
    Jitter(String),
    #[error("{0} retries are too many")]
    TooMany(u32),
    #[error("a multiplier of {0} makes no sense")]
    Multiplier(String),
}

impl RetryError {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Cause(_) => "causes are deadlock, serialization, lock_timeout, busy, unique, foreign_key, check, connection, \
                               timeout, reset, tls, http_5xx, http_4xx, not_2xx, `http:503`, a five-character SQLSTATE like `40001`, \
                               or an error number of MySQL like `1213`"
                .into(),
            Self::Jitter(_) => "write `none`, `full` or a share like `20%`".into(),
            Self::TooMany(_) => format!("at most {MOST_RETRIES}"),
            Self::Multiplier(_) => "write a number of at least 1, like 2".into(),
        }
    }
}

/// Reads a cause as a scenario names it.
pub fn parse_cause(text: &str) -> Result<Retried, RetryError> {
    // MySQL's and MariaDB's numbers are shorter than an SQLSTATE.
    if let (Ok(number), ..5) = (text.parse::<u16>(), text.len()) {
        return Ok(Retried::Cause(Cause::from_mysql(number, "")));
    }
    Ok(Retried::Cause(match text {
        "http_4xx" => return Ok(Retried::Statuses(4)),
        "http_5xx" => return Ok(Retried::Statuses(5)),
        "not_2xx" => return Ok(Retried::NotAcknowledged),
        "deadlock" => Cause::Deadlock,
        "serialization" => Cause::Serialization,
        "lock_timeout" => Cause::LockTimeout,
        "busy" => Cause::Busy,
        "unique" => Cause::Unique,
        "foreign_key" => Cause::ForeignKey,
        "check" => Cause::Check,
        "connection" => Cause::Connection,
        "timeout" => Cause::Timeout,
        "reset" => Cause::Reset,
        "tls" => Cause::Tls,
        "protocol" => Cause::Protocol,
        "too_large" => Cause::TooLarge,
        "encoding" => Cause::Encoding,
        "redirect" => Cause::Redirect,
        "payload" => Cause::Payload,
        "value" => Cause::Value,
        "no_effect" => Cause::NoEffect,
        // As a scenario writes it, or as a report does.
        text if text.starts_with("http:") || text.starts_with("http_") => match text[5..].trim().parse() {
            Ok(status @ 400..=599) => Cause::Http(status),
            _ => return Err(RetryError::Cause(text.to_owned())),
        },
        code if code.len() == 5 && code.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) => {
            Cause::from_sqlstate(code)
        }
        other => return Err(RetryError::Cause(other.to_owned())),
    }))
}

/// Puts the more specific policy over the general one, key by key.
pub fn overlay(general: &Retry, specific: &Retry) -> Retry {
    Retry {
        on: if specific.on.is_empty() { general.on.clone() } else { specific.on.clone() },
        max_retries: specific.max_retries.clone().or_else(|| general.max_retries.clone()),
        backoff: specific.backoff.or(general.backoff),
        delay: specific.delay.or(general.delay),
        multiplier: specific.multiplier.clone().or_else(|| general.multiplier.clone()),
        max_delay: specific.max_delay.or(general.max_delay),
        jitter: specific.jitter.clone().or_else(|| general.jitter.clone()),
    }
}

/// Compiles what the scenario wrote. Without `on`, deadlocks and serialization failures are
/// tried again; without `max_retries`, three times.
pub fn compile(retry: &Retry) -> Result<RetryPolicy, (RetryError, std::ops::Range<usize>)> {
    let mut on = Vec::new();
    for cause in &retry.on {
        on.push(parse_cause(&cause.value).map_err(|error| (error, cause.span.clone()))?);
    }
    if on.is_empty() {
        on = vec![Retried::Cause(Cause::Deadlock), Retried::Cause(Cause::Serialization)];
    }
    let retries = match &retry.max_retries {
        Some(given) if given.value > MOST_RETRIES => {
            return Err((RetryError::TooMany(given.value), given.span.clone()));
        }
        given => given.as_ref().map_or(3, |given| given.value),
    };
    let multiplier = match &retry.multiplier {
        Some(given) if !(1.0..=1000.0).contains(&given.value) => {
            return Err((RetryError::Multiplier(given.value.to_string()), given.span.clone()));
        }
        given => given.as_ref().map_or(2.0, |given| given.value),
    };
    let jitter = match &retry.jitter {
        None => Jitter::None,
        Some(given) => parse_jitter(&given.value).map_err(|error| (error, given.span.clone()))?,
    };
    let backoff = retry.backoff.unwrap_or(Backoff::Exponential);
    let first = retry.delay.map_or(Duration::from_millis(10), |delay| delay.0);
    let longest = retry.max_delay.map_or(Duration::from_secs(3600), |delay| delay.0);
    let delays = (0..retries)
        .map(|n| match backoff {
            Backoff::None => Duration::ZERO,
            Backoff::Fixed => first.min(longest),
            Backoff::Exponential => {
                let seconds = first.as_secs_f64() * multiplier.powi(n.cast_signed());
                Duration::from_secs_f64(seconds.min(longest.as_secs_f64()))
            }
        })
        .collect();
    Ok(RetryPolicy { on, delays, jitter })
}

fn parse_jitter(text: &str) -> Result<Jitter, RetryError> {
    match text {
        "none" => Ok(Jitter::None),
        "full" => Ok(Jitter::Full),
        share => units::parse_percent(share)
            .ok()
            .filter(|share| (0.0..=1.0).contains(share))
            .map(Jitter::Share)
            .ok_or_else(|| RetryError::Jitter(share.to_owned())),
    }
}

impl RetryPolicy {
    /// The declared delay before retry `n` (1 for the first), when `cause` is tried again and
    /// `n` is allowed.
    pub fn declared_delay(&self, n: u32, cause: &Cause) -> Option<Duration> {
        let index = usize::try_from(n).ok()?.checked_sub(1)?;
        if self.retries(cause) { self.delays.get(index).copied() } else { None }
    }

    /// True when `cause` is tried again at all.
    pub fn retries(&self, cause: &Cause) -> bool {
        !self.delays.is_empty() && self.on.iter().any(|one| one.covers(cause))
    }

    /// A declared delay with jitter.
    pub fn vary(&self, delay: Duration, random: &mut impl Rng) -> Duration {
        match self.jitter {
            Jitter::None => delay,
            Jitter::Full => delay.mul_f64(random.random_range(0.0..=1.0)),
            Jitter::Share(share) => delay.mul_f64(1.0 + random.random_range(-share..=share)),
        }
    }
}

impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.delays.is_empty() {
            return f.write_str("never");
        }
        let causes: Vec<String> = self.on.iter().map(Retried::to_string).collect();
        let mut delays: Vec<String> =
            self.delays.iter().take(6).map(|d| units::format_duration(*d)).collect();
        if self.delays.len() > delays.len() {
            delays.push("…".to_owned());
        }
        let times = self.delays.len();
        let word = if times == 1 { "retry" } else { "retries" };
        write!(f, "{}: at most {times} {word} after {}", causes.join(", "), delays.join(", "))?;
        match self.jitter {
            Jitter::None => Ok(()),
            Jitter::Full => f.write_str(", each cut at random"),
            Jitter::Share(share) => write!(f, ", varied by {}", units::format_percent(share)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(policy: &RetryPolicy) -> Vec<u128> {
        policy.delays.iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn the_default_is_ten_twenty_forty() {
        let policy = compile(&Retry::default()).expect("valid");
        assert_eq!(millis(&policy), [10, 20, 40]);
        assert_eq!(policy.to_string(), "deadlock, serialization: at most 3 retries after 10ms, 20ms, 40ms");
        assert_eq!(policy.declared_delay(3, &Cause::Deadlock), Some(Duration::from_millis(40)));
        assert_eq!(policy.declared_delay(4, &Cause::Deadlock), None);
        assert_eq!(policy.declared_delay(1, &Cause::Unique), None);
    }

    #[test]
    fn delays_stop_growing_at_the_longest() {
        let policy =
            compile(&Retry { max_delay: Some(units::Span(Duration::from_millis(25))), ..Retry::default() });
        assert_eq!(millis(&policy.expect("valid")), [10, 20, 25]);
    }

    #[test]
    fn causes_are_names_or_sqlstates() {
        assert_eq!(parse_cause("40P01"), Ok(Retried::Cause(Cause::Deadlock)));
        assert_eq!(parse_cause("1213"), Ok(Retried::Cause(Cause::Deadlock)));
        assert_eq!(parse_cause("1290"), Ok(Retried::Cause(Cause::Other("1290".into()))));
        for written in ["http:503", "http_503"] {
            assert_eq!(parse_cause(written), Ok(Retried::Cause(Cause::Http(503))));
        }
        let not_acknowledged = parse_cause("not_2xx").expect("known");
        assert!(
            [Cause::Http(302), Cause::Http(500), Cause::Timeout]
                .iter()
                .all(|one| not_acknowledged.covers(one))
        );
        assert!(!not_acknowledged.covers(&Cause::Deadlock));
        let server_errors = parse_cause("http_5xx").expect("known");
        assert!(server_errors.covers(&Cause::Http(500)) && !server_errors.covers(&Cause::Http(404)));
        assert!(parse_cause("http:200").is_err());
        assert_eq!(parse_cause("deadlocks"), Err(RetryError::Cause("deadlocks".into())));
    }
}
