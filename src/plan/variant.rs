//! Compiles what runs beside a scenario: its control, and the same with other retry policies.
//!
//! Each is a plan of its own, compiled from the file's model with the change made in it.

use std::{fmt, sync::Arc};

use super::{compile::compile, model::Plan, retry};
use crate::scenario::{self, Loaded, Problem, Problems, RetryChoice, Spanned, controlled, with_retry};

/// A run that must fail.
#[derive(Debug)]
pub struct Control {
    pub plan: Arc<Plan>,
    /// What is changed, in words.
    pub patches: Vec<String>,
    pub expect: Expected,
}

/// What a control must break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Anything that makes it fail.
    Fail,
    Invariant(String),
    /// One of the comparisons of effects.
    Effects,
    /// By the name of its metric.
    Threshold(String),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("fail"),
            Self::Invariant(name) => write!(f, "invariant {name}"),
            Self::Effects => f.write_str("effects"),
            Self::Threshold(name) => write!(f, "threshold {name}"),
        }
    }
}

/// A run with another retry policy.
#[derive(Debug)]
pub struct Compared {
    pub name: String,
    /// `None`: the run of the scenario itself.
    pub plan: Option<Arc<Plan>>,
}

/// Compiles what runs beside a plan that has no problems of its own.
pub(super) fn add(loaded: &Loaded, plan: &mut Plan, problems: &mut Problems) {
    if let Some(written) = &loaded.file.control {
        plan.control = control(loaded, plan, written, problems);
    }
    if let Some(written) = &loaded.file.compare {
        compared(loaded, plan, written, problems);
    }
}

fn control(
    loaded: &Loaded,
    plan: &Plan,
    written: &Spanned<scenario::Control>,
    problems: &mut Problems,
) -> Option<Control> {
    let expect = match &written.expect {
        None => Some(Expected::Fail),
        Some(text) => expected(plan, text, problems),
    };
    if written.patch.is_empty() {
        let problem = Problem::error("a control without a change").at(written.span.clone());
        problems.push(problem.hint("say in `patch` what must break the scenario"));
        return None;
    }
    let (file, patches) = match controlled(&loaded.file, written) {
        Ok(changed) => changed,
        Err(found) => {
            found.into_iter().for_each(|problem| problems.push(problem));
            return None;
        }
    };
    Some(Control { plan: variant(loaded, file, problems)?, patches, expect: expect? })
}

fn expected(plan: &Plan, text: &Spanned<String>, problems: &mut Problems) -> Option<Expected> {
    let name = text.value.trim();
    if name == "fail" {
        return Some(Expected::Fail);
    }
    if name == "effects" && !plan.accounts.is_empty() {
        return Some(Expected::Effects);
    }
    if plan.invariants.iter().any(|invariant| invariant.name == name) {
        return Some(Expected::Invariant(name.to_owned()));
    }
    if plan.thresholds.iter().any(|threshold| threshold.name == name) {
        return Some(Expected::Threshold(name.to_owned()));
    }
    let known = plan.invariants.iter().map(|one| one.name.as_str());
    let known = known.chain(plan.thresholds.iter().map(|one| one.name.as_str())).chain(["fail", "effects"]);
    let usual = "write `fail`, `effects`, or the name of an invariant or a threshold".to_owned();
    let hint = scenario::did_you_mean(name, known).unwrap_or(usual);
    problems.push(
        Problem::error(format!("`{name}` can't be broken by a control")).at(text.span.clone()).hint(hint),
    );
    None
}

fn compared(
    loaded: &Loaded,
    plan: &mut Plan,
    written: &Spanned<scenario::Compare>,
    problems: &mut Problems,
) {
    if written.retry.len() < 2 {
        let problem = Problem::error("one policy can't be compared").at(written.span.clone());
        problems.push(problem.hint("write for example `retry: [none, default]`"));
        return;
    }
    for choice in &written.retry {
        let name = match &choice.value {
            RetryChoice::None => "none".to_owned(),
            RetryChoice::Default => "default".to_owned(),
            RetryChoice::Policy(policy) => match retry::compile(policy) {
                Ok(policy) => policy.to_string(),
                Err((error, span)) => {
                    problems.push(Problem::error(error.to_string()).at(span).hint(error.hint()));
                    continue;
                }
            },
        };
        let plan_of_its_own = match &choice.value {
            RetryChoice::Default => None,
            other => match variant(loaded, with_retry(&loaded.file, other), problems) {
                Some(plan) => Some(plan),
                None => continue,
            },
        };
        plan.compared.push(Compared { name, plan: plan_of_its_own });
    }
}

/// Compiles a changed model. Its warnings are those of the scenario itself.
fn variant(loaded: &Loaded, file: scenario::ScenarioFile, problems: &mut Problems) -> Option<Arc<Plan>> {
    let changed = Loaded {
        source: loaded.source.clone(),
        file,
        profile: loaded.profile.clone(),
        problems: Problems::new(),
        broken: loaded.broken.clone(),
        secrets: loaded.secrets.clone(),
    };
    match compile(&changed) {
        Ok(compiled) => Some(Arc::new(compiled.plan)),
        Err(found) => {
            found.iter().for_each(|problem| problems.push(problem.clone()));
            None
        }
    }
}
