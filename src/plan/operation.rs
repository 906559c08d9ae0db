//! Compiles operations and their steps.

use std::{ops::Range, sync::Arc};

use super::{
    http, meeting,
    model::{CaptureKind, Operation, ResultSlots, SqlStep, Step, Transaction},
    retry::{self, RetryPolicy},
    scope::Scope,
    service::{self, ADD_DATABASE},
    sql, statement,
};
use crate::{
    dialect::Begin,
    expression::{Names, Template, Value},
    outcome::Isolation,
    scenario::{self, Capture, Named, Repeat, Retry, Spanned, SqlText},
};

/// Steps within steps within steps end here.
const DEEPEST: usize = 20;

/// What surrounds a step.
#[derive(Clone)]
pub(super) struct Around<'a> {
    pub operation: &'a str,
    pub retry: Retry,
    pub in_transaction: bool,
    /// In a race, where the schedule says who waits for whom.
    pub in_race: bool,
    isolation: Option<Isolation>,
    begin: Begin,
    depth: usize,
}

impl<'a> Around<'a> {
    /// Of a race's steps: without retries, and with transactions that are steps themselves.
    pub fn race(session: &'a str) -> Self {
        Self {
            operation: session,
            retry: never(),
            in_transaction: true,
            in_race: true,
            isolation: None,
            begin: Begin::Deferred,
            depth: 0,
        }
    }
}

/// Compiles one operation; `None` when it is disabled or after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Operation,
    isolation: Option<Isolation>,
    begin: Begin,
) -> Option<Operation> {
    let weight = written.weight.as_ref().map_or(1.0, |weight| weight.value);
    if !(weight.is_finite() && weight >= 0.0) {
        let span = written.weight.as_ref().map_or(&name.span, |weight| &weight.span);
        scope.error(
            span,
            format!("a weight of {weight} makes no sense"),
            Some("write a number of at least 0".into()),
        );
    }
    let mut names = scope.globals.clone();
    let bindings = bindings(scope, &written.bindings, &mut names);
    let general = scope.loaded.file.retry.clone().unwrap_or_else(never);
    let retry = match &written.retry {
        Some(specific) => retry::overlay(&general, specific),
        None => general,
    };
    if written.steps.is_empty() {
        scope.error(&name.span, format!("operation `{name}` has no steps"), None);
    }
    let around = Around {
        operation: &name.value,
        retry,
        in_transaction: false,
        in_race: false,
        isolation,
        begin,
        depth: 0,
    };
    let mut numbers = Numbers::default();
    let steps = steps(scope, &written.steps, &mut names, &around, &mut numbers);
    Some(Operation {
        name: name.value.clone(),
        description: written.description.clone(),
        weight,
        names: Arc::new(names),
        bindings: bindings?,
        steps: steps?,
    })
}

/// Without a `retry` in the scenario nothing is tried again.
fn never() -> Retry {
    Retry { max_retries: Some(Spanned { value: 0, span: 0..0 }), ..Retry::default() }
}

/// Counts steps of a kind, to name those without a name.
#[derive(Default)]
pub(super) struct Numbers {
    sql: u32,
    http: u32,
    gate: u32,
    check: u32,
}

pub(super) fn bindings(
    scope: &mut Scope<'_>,
    written: &Named<scenario::Literal>,
    names: &mut Names,
) -> Option<Vec<(usize, Template)>> {
    let mut compiled = Some(Vec::new());
    for (name, literal) in written {
        let template = scope.template(literal, names);
        let slot = declare(scope, name, names);
        match (compiled.as_mut(), template) {
            (Some(list), Some(template)) => list.push((slot, template)),
            _ => compiled = None,
        }
    }
    compiled
}

/// Declares a name of the scenario; one that hides a global or a function is a mistake.
pub(super) fn declare(scope: &mut Scope<'_>, name: &Spanned<String>, names: &mut Names) -> usize {
    if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
        scope.error(
            &name.span,
            format!("`{name}` already stands for something else"),
            Some("choose a name that is no variable, fixture or function".into()),
        );
    }
    names.declare(&name.value)
}

pub(super) fn steps(
    scope: &mut Scope<'_>,
    written: &[Spanned<scenario::Step>],
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Vec<Step>> {
    let mut compiled = Some(Vec::with_capacity(written.len()));
    for one in written {
        let step = step(scope, one, names, around, numbers);
        match (compiled.as_mut(), step) {
            (Some(list), Some(step)) => list.push(step),
            _ => compiled = None,
        }
    }
    compiled
}

const KINDS: &str = "sql, http, transaction, gate, sleep, think_time, let, if, repeat, check, barrier, rollback, savepoint or rollback_to";

pub(super) fn step(
    scope: &mut Scope<'_>,
    written: &Spanned<scenario::Step>,
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    let (one, span) = (&written.value, &written.span);
    if around.depth > DEEPEST {
        scope.error(span, "steps are nested too deeply", None);
        return None;
    }
    let kinds = [
        one.sql.is_some(),
        one.transaction.is_some(),
        one.sleep.is_some(),
        one.think_time.is_some(),
        one.bindings.is_some(),
        one.condition.is_some(),
        one.repeat.is_some(),
        one.check.is_some(),
        // With `http` it says where the last byte waits.
        one.barrier.is_some() && one.http.is_none(),
        one.gate.is_some(),
        one.http.is_some(),
        one.rollback.is_some(),
        one.savepoint.is_some(),
        one.rollback_to.is_some(),
    ];
    match kinds.iter().filter(|is| **is).count() {
        1 => {}
        0 => {
            scope.error(span, "a step without a kind", Some(format!("give it one of {KINDS}")));
            return None;
        }
        _ => {
            scope.error(span, "a step of more than one kind", Some("make several steps of it".into()));
            return None;
        }
    }
    if around.in_race && (one.transaction.is_some() || one.gate.is_some() || one.barrier.is_some()) {
        scope.error(
            span,
            "a race has no step of this kind",
            Some("write `begin` and `commit` as steps; the schedule says who waits for whom".into()),
        );
        return None;
    }
    misplaced_keys(scope, one, span);
    let inner = Around { depth: around.depth + 1, ..around.clone() };
    if let Some(text) = &one.sql {
        sql_step(scope, one, text, names, around, numbers)
    } else if let Some(line) = &one.http {
        http_step(scope, one, line, names, around, numbers)
    } else if let Some(gate) = &one.gate {
        numbers.gate += 1;
        let name =
            one.name.as_ref().map_or_else(|| format!("gate {}", numbers.gate), |name| name.value.clone());
        let gate = meeting::gate(scope, gate, names, around, name);
        let steps = steps(scope, one.steps.as_deref().unwrap_or_default(), names, &inner, numbers);
        Some(Step::Gate { gate: gate?, steps: steps? })
    } else if let Some(transaction) = &one.transaction {
        self::transaction(scope, transaction, span, names, &inner, numbers)
    } else if let Some(time) = one.sleep {
        Some(Step::Sleep(time.0))
    } else if let Some(time) = one.think_time {
        if around.in_transaction {
            scope.error(
                span,
                "`think_time` inside a transaction",
                Some("use `sleep`: the transaction stays open".into()),
            );
            return None;
        }
        Some(Step::Think(time.0))
    } else if let Some(written) = &one.bindings {
        bindings(scope, written, names).map(Step::Let)
    } else if let Some(condition) = &one.condition {
        let condition = scope.expression(condition, names);
        let then = steps(scope, one.then.as_deref().unwrap_or_default(), names, &inner, numbers);
        let otherwise = steps(scope, one.otherwise.as_deref().unwrap_or_default(), names, &inner, numbers);
        Some(Step::If { condition: condition?, then: then?, otherwise: otherwise? })
    } else if let Some(repeat) = &one.repeat {
        self::repeat(scope, repeat, one.steps.as_deref().unwrap_or_default(), names, &inner, numbers)
    } else if let Some(condition) = &one.check {
        numbers.check += 1;
        let name =
            one.name.as_ref().map_or_else(|| format!("check {}", numbers.check), |name| name.value.clone());
        scope.expression(condition, names).map(|condition| Step::Check { name, condition })
    } else if let Some(barrier) = &one.barrier {
        meeting::barrier(scope, &barrier.value).map(Step::Barrier)
    } else if let Some(rollback) = &one.rollback {
        if !around.in_transaction {
            scope.error(&rollback.span, "`rollback` outside a transaction", None);
        }
        if !rollback.value {
            scope.error(
                &rollback.span,
                "`rollback: false` does nothing",
                Some("leave the step out".into()),
            );
        }
        Some(Step::Rollback)
    } else if let Some(name) = &one.savepoint {
        savepoint(scope, one, "SAVEPOINT", name, around, numbers)
    } else if let Some(name) = &one.rollback_to {
        savepoint(scope, one, "ROLLBACK TO SAVEPOINT", name, around, numbers)
    } else {
        unreachable!("exactly one kind is there")
    }
}

/// Keys that belong to another kind of step.
fn misplaced_keys(scope: &mut Scope<'_>, one: &scenario::Step, span: &Range<usize>) {
    let rules = [
        (one.capture.is_some(), one.sql.is_some() || one.http.is_some(), "capture", "sql` or `http"),
        (one.assert.is_some(), one.sql.is_some() || one.http.is_some(), "assert", "sql` or `http"),
        (one.target.is_some(), one.http.is_some(), "target", "http"),
        (one.query.is_some(), one.http.is_some(), "query", "http"),
        (one.headers.is_some(), one.http.is_some(), "headers", "http"),
        (one.body.is_some(), one.http.is_some(), "body", "http"),
        (one.bodies.is_some(), one.http.is_some(), "bodies", "http"),
        (one.sign.is_some(), one.http.is_some(), "sign", "http"),
        (one.timeout.is_some(), one.http.is_some(), "timeout", "http"),
        (one.deliver.is_some(), one.http.is_some(), "deliver", "http"),
        (one.changes.is_some(), one.http.is_some(), "changes", "http"),
        (one.then.is_some(), one.condition.is_some(), "then", "if"),
        (one.otherwise.is_some(), one.condition.is_some(), "else", "if"),
        (one.steps.is_some(), one.repeat.is_some() || one.gate.is_some(), "steps", "repeat` or `gate"),
    ];
    for (there, allowed, key, with) in rules {
        if there && !allowed {
            let hint = (key == "assert").then(|| "use a `check` step".to_owned());
            scope.error(span, format!("`{key}` goes with `{with}`"), hint);
        }
    }
    if one.condition.is_some() && one.then.is_none() {
        scope.error(span, "`if` without `then`", None);
    }
    if one.repeat.is_some() && one.steps.is_none() {
        scope.error(span, "`repeat` without `steps`", None);
    }
}

/// A statement about a savepoint.
fn savepoint(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    verb: &str,
    name: &Spanned<String>,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    if !around.in_transaction {
        scope.error(&name.span, "a savepoint outside a transaction", None);
        return None;
    }
    let Some(quoted) =
        sql::quote_identifier(&name.value, scope.dialect).filter(|quoted| !quoted.contains('.'))
    else {
        scope.error(&name.span, format!("`{name}` is not the name of a savepoint"), None);
        return None;
    };
    let text = SqlText::Same(Spanned::new(format!("{verb} {quoted}"), name.span.clone()));
    sql_step(scope, one, &text, &mut Names::default(), around, numbers)
}

fn sql_step(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    text: &SqlText,
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    numbers.sql += 1;
    if !scope.has_database {
        scope.error(&text.span(), "a statement needs a database", Some(ADD_DATABASE.into()));
        return None;
    }
    let name = one.name.as_ref().map_or_else(|| format!("sql {}", numbers.sql), |name| name.value.clone());
    let statement = if around.in_race {
        statement::compile_script(scope, text, names, around.operation, &name)
    } else {
        statement::compile(scope, text, names, around.operation, &name)
    };
    let captures = match &one.capture {
        Some(capture) => captures(scope, capture, names),
        None => Vec::new(),
    };
    let written: Vec<Spanned<String>> =
        one.assert.iter().flat_map(|assertions| assertions.iter().cloned()).collect();
    let result = (!written.is_empty()).then(|| ResultSlots {
        rows_affected: names.declare("rows_affected"),
        row_count: names.declare("row_count"),
        row: names.declare("row"),
    });
    let assertions: Vec<_> = written.iter().map(|text| scope.expression(text, names)).collect();
    let retry = if around.in_transaction { RetryPolicy::default() } else { policy(scope, &around.retry)? };
    Some(Step::Sql(SqlStep {
        name,
        statement: statement?,
        captures,
        assertions: assertions.into_iter().collect::<Option<_>>()?,
        result,
        retry,
    }))
}

fn http_step(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    line: &Spanned<String>,
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    numbers.http += 1;
    let name =
        one.name.as_ref().map_or_else(|| format!("http {}", numbers.http), |name| name.value.clone());
    let hold = match &one.barrier {
        Some(barrier) => Some(meeting::barrier(scope, &barrier.value)?),
        None => None,
    };
    http::compile(scope, one, line, names, around, name, hold).map(Step::Http)
}

fn captures(
    scope: &mut Scope<'_>,
    capture: &Spanned<Capture>,
    names: &mut Names,
) -> Vec<(usize, CaptureKind)> {
    match &capture.value {
        Capture::First(name) => {
            let name = Spanned { value: name.clone(), span: capture.span.clone() };
            vec![(declare(scope, &name, names), CaptureKind::First)]
        }
        Capture::Each(each) => {
            let mut captures = Vec::new();
            for (name, kind) in each {
                let slot = declare(scope, name, names);
                captures.extend(capture_kind(scope, kind).map(|kind| (slot, kind)));
            }
            captures
        }
    }
}

fn capture_kind(scope: &mut Scope<'_>, kind: &Spanned<String>) -> Option<CaptureKind> {
    match kind.value.as_str() {
        "first" => Some(CaptureKind::First),
        "all" => Some(CaptureKind::All),
        "value" => Some(CaptureKind::Value),
        other => {
            let hint = scenario::did_you_mean(other, ["first", "all", "value"]);
            let known = "write `first`, `all` or `value`".to_owned();
            scope.error(
                &kind.span,
                format!("`{other}` is no part of a statement's result"),
                Some(hint.unwrap_or(known)),
            );
            None
        }
    }
}

pub(super) fn policy(scope: &mut Scope<'_>, written: &Retry) -> Option<RetryPolicy> {
    match retry::compile(written) {
        Ok(policy) => Some(policy),
        Err((error, span)) => {
            scope.error(&span, error.to_string(), Some(error.hint()));
            None
        }
    }
}

fn transaction(
    scope: &mut Scope<'_>,
    written: &scenario::Transaction,
    span: &Range<usize>,
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    if around.in_transaction {
        scope.error(
            span,
            "a transaction inside a transaction",
            Some("use savepoints in `sql` steps".into()),
        );
        return None;
    }
    if written.steps.is_empty() {
        scope.error(span, "a transaction without steps", None);
    }
    if !scope.has_database {
        scope.error(span, "a transaction needs a database", Some(ADD_DATABASE.into()));
        return None;
    }
    let retry = match &written.retry {
        Some(specific) => retry::overlay(&around.retry, specific),
        None => around.retry.clone(),
    };
    let retry = policy(scope, &retry);
    let own = written.isolation.as_ref().and_then(|level| service::isolation(scope, level));
    let isolation = own.or(around.isolation);
    let begin = written.begin.unwrap_or(around.begin);
    let inside = Around { in_transaction: true, isolation, ..around.clone() };
    let steps = steps(scope, &written.steps, names, &inside, numbers);
    Some(Step::Transaction(Transaction { isolation, begin, retry: retry?, steps: steps? }))
}

fn repeat(
    scope: &mut Scope<'_>,
    written: &Spanned<Repeat>,
    body: &[Spanned<scenario::Step>],
    names: &mut Names,
    around: &Around<'_>,
    numbers: &mut Numbers,
) -> Option<Step> {
    match &written.value {
        Repeat::Times(times) => {
            let times = scope.template(times, names);
            let slot = names.declare("i");
            let steps = steps(scope, body, names, around, numbers);
            Some(Step::Repeat { times: times?, slot, steps: steps? })
        }
        Repeat::Each { variable, list } => {
            let list = scope.template(list, names);
            let slot = declare(scope, variable, names);
            let steps = steps(scope, body, names, around, numbers);
            Some(Step::ForEach { list: list?, slot, steps: steps? })
        }
    }
}

/// The slot values that a frame starts with.
pub(super) fn constant(scope: &mut Scope<'_>, name: &str, value: Value) -> usize {
    let slot = scope.globals.declare(name);
    scope.constants.push((slot, value));
    slot
}
