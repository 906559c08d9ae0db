//! Compiles steps: what each is, what stands within it, and the keys that go with its kind.

use std::ops::Range;

use super::{
    http, meeting,
    model::{Step, Transaction},
    operation::{Around, Numbers, bindings, declare, policy},
    retry,
    scope::Scope,
    service::{self, ADD_DATABASE},
    sql_step::{savepoint, sql_step},
};
use crate::{
    expression::Names,
    scenario::{self, Repeat, Spanned},
};

/// Steps within steps within steps end here.
const DEEPEST: usize = 20;

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
    if !has_one_kind(scope, one, span) {
        return None;
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

/// Exactly one of its keys says what a step is.
fn has_one_kind(scope: &mut Scope<'_>, one: &scenario::Step, span: &Range<usize>) -> bool {
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
        1 => true,
        0 => {
            scope.error(span, "a step without a kind", Some(format!("give it one of {KINDS}")));
            false
        }
        _ => {
            scope.error(span, "a step of more than one kind", Some("make several steps of it".into()));
            false
        }
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
