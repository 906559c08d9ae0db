//! Variants of a scenario that are run beside it: a control that must fail, and other retry policies. The doc
//! comments are the language reference.
//!
//! [`controlled`] and [`with_retry`] change the model as the file gave it, so that a variant is compiled like any
//! other scenario, and its problems are at the places of the file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    choice::Quantity,
    model::{Literal, Named, Retry, ScenarioFile},
    node::NodeKind,
    problem::Problem,
    spanned::Spanned,
    step::{SqlText, Step},
    suggest,
};
use crate::units;

/// A second run with a change that must break the scenario. When it doesn't, a green result of the scenario
/// proves nothing, and the verdict is `inconclusive`. It isn't made when the scenario itself failed.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What is changed, in this order.
    pub patch: Vec<Spanned<Patch>>,
    /// `fail`, or what must be broken: the name of an invariant, a metric of the thresholds, or `effects`.
    #[serde(default)]
    pub expect: Option<Spanned<String>>,
    /// Operations of the control; as many as the scenario has when not given.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub iterations: Option<Literal>,
    /// How long the control starts operations, instead of the scenario's `iterations` or `duration`.
    #[serde(default)]
    pub duration: Option<units::Span>,
}

/// One change: `{sql: ALTER TABLE …}` before the run, `{operation, step, sql}` another statement in a step,
/// `{operation, step, remove: true}` a step left out, `{operation, after, sleep}` a pause after a step, or
/// `{target, env}` other environment variables of a service that is started.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Alone: SQL before fixtures are made, in tables of the run's own. With `step`: its statement.
    #[serde(default)]
    pub sql: Option<SqlText>,
    /// The operation that is changed.
    #[serde(default)]
    pub operation: Option<Spanned<String>>,
    /// With `sql` or `remove`: the step's name (`sql 1` where it has none), or its number among the operation's
    /// steps of all depths, from 1.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub step: Option<Literal>,
    /// With `sleep`: the step, likewise.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub after: Option<Literal>,
    /// A pause.
    #[serde(default)]
    pub sleep: Option<units::Span>,
    /// `true`: the step is left out.
    #[serde(default)]
    pub remove: Option<Spanned<bool>>,
    /// The service whose environment is changed.
    #[serde(default)]
    pub target: Option<Spanned<String>>,
    /// Variables that replace those of `start`.
    #[serde(default)]
    pub env: Named<Literal>,
}

/// Runs of the scenario that differ in one thing and are shown beside each other.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// Retry policies: `none`, `default` (as the scenario has it), or policies as `retry` has them, for all
    /// operations.
    pub retry: Vec<Spanned<RetryChoice>>,
}

/// A retry policy to compare.
#[derive(Debug, Clone, PartialEq)]
pub enum RetryChoice {
    /// Nothing is tried again.
    None,
    /// As the scenario has it.
    Default,
    /// One policy for all operations.
    Policy(Box<Retry>),
}

/// The scenario with a control's changes, and what each says in words; or what is wrong with them.
pub fn controlled(
    file: &ScenarioFile,
    control: &Control,
) -> Result<(ScenarioFile, Vec<String>), Vec<Problem>> {
    let mut file = ScenarioFile { control: None, compare: None, ..file.clone() };
    if let (Some(load), true) = (&mut file.load, control.iterations.is_some() || control.duration.is_some())
    {
        load.iterations.clone_from(&control.iterations);
        load.duration = control.duration;
        load.stop_when = None;
    }
    let (mut words, mut problems) = (Vec::new(), Vec::new());
    for patch in &control.patch {
        match apply(&mut file, patch) {
            Ok(text) => words.push(text),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok((file, words)) } else { Err(problems) }
}

/// The scenario with another policy in the place of all of its own.
pub fn with_retry(file: &ScenarioFile, choice: &RetryChoice) -> ScenarioFile {
    let mut file = ScenarioFile { control: None, compare: None, ..file.clone() };
    let policy = match choice {
        RetryChoice::Default => return file,
        RetryChoice::None => None,
        RetryChoice::Policy(policy) => Some((**policy).clone()),
    };
    file.retry = policy;
    for operation in file.operations.values_mut() {
        operation.retry = None;
        visit(&mut operation.steps, &mut |step| {
            if let Some(transaction) = &mut step.transaction {
                transaction.retry = None;
            }
        });
    }
    file
}

fn visit(steps: &mut [Spanned<Step>], change: &mut dyn FnMut(&mut Step)) {
    for step in steps {
        change(&mut step.value);
        for inner in lists(&mut step.value) {
            visit(inner, change);
        }
    }
}

/// The lists of steps within a step, in the order in which they stand.
fn lists(step: &mut Step) -> impl Iterator<Item = &mut Vec<Spanned<Step>>> {
    let Step { transaction, then, otherwise, steps, .. } = step;
    let within = transaction.as_mut().map(|transaction| &mut transaction.steps);
    within.into_iter().chain(then).chain(otherwise).chain(steps)
}

type Applied = Result<String, Box<Problem>>;

fn apply(file: &mut ScenarioFile, patch: &Spanned<Patch>) -> Applied {
    const FORMS: &str = "write `{sql}`, `{operation, step, sql}`, `{operation, step, remove: true}`, \
                         `{operation, after, sleep}` or `{target, env}`";
    let Patch { sql, operation, step, after, sleep, remove, target, env } = &patch.value;
    match (operation, step, after, sleep, sql, remove, target, env.is_empty()) {
        (None, None, None, None, Some(sql), None, None, true) => {
            file.setup.push(sql.clone());
            Ok(format!("before the run: {}", shown(sql)))
        }
        (Some(operation), Some(step), None, None, Some(sql), None, None, true) => {
            at_step(file, operation, step, |steps, at, name| {
                let changed = &mut steps[at];
                if changed.value.sql.is_none() {
                    return Err(problem("this step isn't a statement", step));
                }
                changed.value.sql = Some(sql.clone());
                Ok(format!("{operation}, {name}: {}", shown(sql)))
            })
        }
        (Some(operation), Some(step), None, None, None, Some(remove), None, true) if remove.value => {
            at_step(file, operation, step, |steps, at, name| {
                steps.remove(at);
                Ok(format!("{operation}: without {name}"))
            })
        }
        (Some(operation), None, Some(after), Some(sleep), None, None, None, true) => {
            at_step(file, operation, after, |steps, at, name| {
                let pause = Step { sleep: Some(*sleep), ..Step::default() };
                steps.insert(at + 1, Spanned::new(pause, patch.span.clone()));
                Ok(format!("{operation}: {} after {name}", units::format_duration(sleep.0)))
            })
        }
        (None, None, None, None, None, None, Some(target), false) => environment(file, target, env),
        _ => {
            let problem = Problem::error("a patch of no known form").at(patch.span.clone()).hint(FORMS);
            Err(Box::new(problem))
        }
    }
}

fn environment(file: &mut ScenarioFile, target: &Spanned<String>, env: &Named<Literal>) -> Applied {
    let Some(start) = file.targets.get_mut(target.value.as_str()).and_then(|one| one.start.as_mut()) else {
        let message = format!("`{target}` is no target with a `start`");
        return Err(Box::new(Problem::error(message).at(target.span.clone())));
    };
    let mut words = Vec::new();
    for (name, value) in env {
        start.env.insert(name.clone(), value.clone());
        words.push(name.value.clone());
    }
    Ok(format!("{target}: another {}", words.join(", ")))
}

/// Finds a step by name or number and changes the list that it stands in.
fn at_step(
    file: &mut ScenarioFile,
    operation: &Spanned<String>,
    wanted: &Literal,
    change: impl FnOnce(&mut Vec<Spanned<Step>>, usize, &str) -> Applied,
) -> Applied {
    let known: Vec<String> = file.operations.keys().map(|name| name.value.clone()).collect();
    let Some(found) = file.operations.get_mut(operation.value.as_str()) else {
        let problem =
            Problem::error(format!("there is no operation `{operation}`")).at(operation.span.clone());
        return Err(Box::new(
            match suggest::did_you_mean(&operation.value, known.iter().map(String::as_str)) {
                Some(hint) => problem.hint(hint),
                None => problem,
            },
        ));
    };
    let mut walk = Walk { wanted, numbers: Numbers::default(), names: Vec::new() };
    let mut change = Some(change);
    match walk.list(&mut found.steps, &mut change) {
        Some(applied) => applied,
        None => {
            let hint = format!("the steps of {operation} are: {}", walk.names.join(", "));
            Err(Box::new(problem("there is no such step", wanted).hint(hint)))
        }
    }
}

fn problem(message: &str, at: &Literal) -> Box<Problem> {
    Box::new(Problem::error(message).at(at.span.clone()))
}

/// Counts steps as they are named where they have no name.
#[derive(Default)]
struct Numbers {
    all: i64,
    sql: u32,
    http: u32,
    gate: u32,
    check: u32,
}

struct Walk<'a> {
    wanted: &'a Literal,
    numbers: Numbers,
    names: Vec<String>,
}

impl Walk<'_> {
    fn list<F>(&mut self, steps: &mut Vec<Spanned<Step>>, change: &mut Option<F>) -> Option<Applied>
    where
        F: FnOnce(&mut Vec<Spanned<Step>>, usize, &str) -> Applied,
    {
        for at in 0..steps.len() {
            let name = self.name(&steps[at].value);
            let is_wanted = match &self.wanted.kind {
                NodeKind::Int(number) => *number == self.numbers.all,
                NodeKind::Text(text) => *text == name,
                _ => false,
            };
            if is_wanted && let Some(change) = change.take() {
                return Some(change(steps, at, &name));
            }
            self.names.push(name);
            for inner in lists(&mut steps[at].value) {
                if let Some(applied) = self.list(inner, change) {
                    return Some(applied);
                }
            }
        }
        None
    }

    /// As reports call it; a step without such a name goes by its kind.
    fn name(&mut self, step: &Step) -> String {
        let numbers = &mut self.numbers;
        numbers.all += 1;
        let mut count = |kind: &str, counter: fn(&mut Numbers) -> &mut u32| {
            let counter = counter(numbers);
            *counter += 1;
            format!("{kind} {counter}")
        };
        let usual = if step.sql.is_some() || step.savepoint.is_some() || step.rollback_to.is_some() {
            count("sql", |numbers| &mut numbers.sql)
        } else if step.http.is_some() {
            count("http", |numbers| &mut numbers.http)
        } else if step.gate.is_some() {
            count("gate", |numbers| &mut numbers.gate)
        } else if step.check.is_some() {
            count("check", |numbers| &mut numbers.check)
        } else {
            format!("step {}", numbers.all)
        };
        step.name.as_ref().map_or(usual, |name| name.value.clone())
    }
}

/// A statement on one line.
fn shown(sql: &SqlText) -> String {
    let text = match sql {
        SqlText::Same(text) => text.value.clone(),
        SqlText::Each(texts) => [&texts.default, &texts.postgres, &texts.mysql, &texts.sqlite]
            .into_iter()
            .flatten()
            .next()
            .map(|text| text.value.clone())
            .unwrap_or_default(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
