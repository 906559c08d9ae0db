//! Compiles thresholds and grades: what the verdict will be taken from.

use std::ops::Range;

use super::{
    demands::{Advice, Band, Grade, Threshold},
    scope::Scope,
};
use crate::scenario::{
    self, Named, OneOrMany, Spanned, did_you_mean,
    threshold::{Condition, MetricCondition, MetricName, ThresholdError},
};

/// `thresholds` or `require`.
pub(super) fn thresholds(
    scope: &mut Scope<'_>,
    written: &Named<OneOrMany<Spanned<String>>>,
) -> Vec<Threshold> {
    let mut compiled = Vec::new();
    for (name, conditions) in written {
        let Some(metric) = metric(scope, name) else { continue };
        if conditions.is_empty() {
            scope.error(&name.span, format!("`{name}` has no condition"), None);
        }
        let why = metric.metric.needs().and_then(|check| scope.does_not_apply.get(check.name())).cloned();
        if let Some(why) = why {
            scope.warning(&name.span, format!("`{name}` doesn't apply: {why}"), None);
        }
        for text in conditions.iter() {
            if let Some(condition) = condition(scope, &metric, text) {
                compiled.push(Threshold { name: name.value.clone(), metric: metric.clone(), condition });
            }
        }
    }
    compiled
}

pub(super) fn grades(scope: &mut Scope<'_>) -> Vec<Grade> {
    let file = &scope.loaded.file;
    let mut compiled = Vec::new();
    for (name, written) in &file.grades {
        let Some(metric) = metric(scope, name) else { continue };
        if written.is_empty() {
            scope.error(&name.span, format!("`{name}` has no bands"), None);
        }
        let bands = written.iter().enumerate().filter_map(|(index, one)| {
            let is_last = index + 1 == written.len();
            band(scope, &metric, name, one, is_last)
        });
        let bands = bands.collect();
        compiled.push(Grade { name: name.value.clone(), metric, bands });
    }
    compiled
}

fn band(
    scope: &mut Scope<'_>,
    metric: &MetricName,
    name: &Spanned<String>,
    written: &scenario::Band,
    is_last: bool,
) -> Option<Band> {
    let advice = match &written.advice {
        Some(advice) => advice.iter().filter_map(|one| self::advice(scope, one)).collect(),
        None => Vec::new(),
    };
    match (&written.when, &written.grade, &written.otherwise) {
        (Some(when), Some(grade), None) => {
            let condition = condition(scope, metric, when)?;
            if let Err(error) = condition.refuse_baseline(&when.value) {
                report(scope, &when.span, &when.value, error);
                return None;
            }
            Some(Band { condition: Some(condition), grade: grade.value.clone(), advice })
        }
        (None, None, Some(grade)) => {
            if !is_last {
                scope.error(
                    &grade.span,
                    "`otherwise` isn't the last band",
                    Some("move it to the end".into()),
                );
            }
            Some(Band { condition: None, grade: grade.value.clone(), advice })
        }
        (when, grade, otherwise) => {
            let there = when.as_ref().or(grade.as_ref()).or(otherwise.as_ref());
            let span = there.map_or_else(|| name.span.clone(), |one| one.span.clone());
            scope.error(
                &span,
                "a band is either `{when, grade}` or `{otherwise}`",
                Some("write for example `{when: \"> 90%\", grade: outstanding}` or `{otherwise: needs tuning}`".into()),
            );
            None
        }
    }
}

fn advice(scope: &mut Scope<'_>, written: &scenario::Advice) -> Option<Advice> {
    match written {
        scenario::Advice::Text(text) => Some(Advice { when: None, text: text.value.clone() }),
        scenario::Advice::When { condition, text } => match MetricCondition::parse(&condition.value) {
            Ok(when) => {
                check_operation(scope, &when.name, condition);
                Some(Advice { when: Some(when), text: text.value.clone() })
            }
            Err(error) => {
                report(scope, &condition.span, &condition.value, error);
                None
            }
        },
    }
}

fn metric(scope: &mut Scope<'_>, name: &Spanned<String>) -> Option<MetricName> {
    match MetricName::parse(&name.value) {
        Ok(metric) => {
            check_operation(scope, &metric, name);
            Some(metric)
        }
        Err(error) => {
            report(scope, &name.span, &name.value, error);
            None
        }
    }
}

fn check_operation(scope: &mut Scope<'_>, metric: &MetricName, place: &Spanned<String>) {
    let Some(operation) = &metric.operation else { return };
    let operations = &scope.loaded.file.operations;
    if operations.contains_key(operation.as_str()) || scope.is_broken(operation) || operations.is_empty() {
        return;
    }
    let hint = did_you_mean(operation, operations.keys().map(|name| name.value.as_str()));
    scope.error(&place.span, format!("there is no operation `{operation}`"), hint);
}

fn condition(scope: &mut Scope<'_>, metric: &MetricName, text: &Spanned<String>) -> Option<Condition> {
    match Condition::parse_for(metric, &text.value) {
        Ok(condition) => Some(condition),
        Err(error) => {
            report(scope, &text.span, &text.value, error);
            None
        }
    }
}

fn report(scope: &mut Scope<'_>, scalar: &Range<usize>, value: &str, error: ThresholdError) {
    let place = scope.place(scalar, value, error.at);
    scope.error(&place, error.message, error.hint);
}
