//! What a run is held against: invariants, thresholds, grades.

use std::time::Duration;

use crate::{
    expression::{Expression, Template},
    scenario::threshold::{Condition, MetricCondition, MetricName},
};

/// SQL that must hold.
#[derive(Debug)]
pub struct Invariant {
    pub name: String,
    pub description: Option<String>,
    /// With placeholders.
    pub text: String,
    /// Over the globals.
    pub parameters: Vec<Expression>,
    /// Where each placeholder stands in `text`.
    pub placeholders: Vec<usize>,
    pub expect: Expect,
    pub before: bool,
    pub after: bool,
    /// Pause between checks while the load runs.
    pub every: Option<Duration>,
    /// It may take this long after the load to hold.
    pub eventually: Option<Duration>,
    pub message: Option<Template>,
    pub span: std::ops::Range<usize>,
}

/// What an invariant expects.
#[derive(Debug)]
pub enum Expect {
    NoRows,
    /// Over the first row's columns, `before`, `operations` and `row_count`.
    Holds(Expression),
}

impl Invariant {
    /// When it is checked, in words.
    pub fn when(&self) -> String {
        let mut words = Vec::new();
        if self.before {
            words.push("before".to_owned());
        }
        if let Some(every) = self.every {
            words.push(format!("every {}", crate::units::format_duration(every)));
        }
        if self.after {
            words.push("after".to_owned());
        }
        if let Some(timeout) = self.eventually {
            words.push(format!("eventually, within {}", crate::units::format_duration(timeout)));
        }
        words.join(", ")
    }
}

/// A condition on a metric.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// As the scenario names the metric.
    pub name: String,
    pub metric: MetricName,
    pub condition: Condition,
}

/// The bands of a metric.
#[derive(Debug, Clone)]
pub struct Grade {
    pub name: String,
    pub metric: MetricName,
    /// From best to worst.
    pub bands: Vec<Band>,
}

/// One band.
#[derive(Debug, Clone)]
pub struct Band {
    /// `None`: whatever no band before it matched.
    pub condition: Option<Condition>,
    pub grade: String,
    pub advice: Vec<Advice>,
}

/// A piece of advice, given when its condition holds.
#[derive(Debug, Clone)]
pub struct Advice {
    pub when: Option<MetricCondition>,
    pub text: String,
}
