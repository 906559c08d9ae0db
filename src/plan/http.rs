//! Compiles requests: their templates, signatures, deliveries, and the changes that they must show.

use std::time::Duration;

use super::{
    answer::{self, Answer},
    body,
    operation::{Around, policy},
    request::{Changes, Delivery, DeliveryOrder, Request, RequestIndex},
    retry::RetryPolicy,
    scope::Scope,
    service::ADD_DATABASE,
    sign, statement,
};
use crate::{
    expression::Names,
    scenario::{self, Retry, Spanned, Target},
    units,
};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_COPIES: u64 = 1_000;

/// Compiles a request and adds it to the plan's; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    line: &Spanned<String>,
    names: &mut Names,
    around: &Around<'_>,
    name: String,
    hold: Option<usize>,
) -> Option<RequestIndex> {
    let (target, service) = service(scope, one, line)?;
    let (method, path) = method_and_path(scope, line, names)?;
    let query: Vec<_> = one
        .query
        .iter()
        .flatten()
        .map(|(name, literal)| Some((name.value.clone(), scope.template(literal, names)?)))
        .collect();
    let headers = headers(scope, &target, one, names);
    let bodies = body::bodies(scope, one, line, names);
    let sign = match &one.sign {
        Some(written) => Some(sign::compile(scope, written, names)?),
        None => None,
    };
    let delivery = delivery(scope, one.deliver.as_ref());
    let retry = resend_policy(scope, one.deliver.as_ref(), around);
    let answer_names = Answer { scope, names, written: one, target: &target };
    let (answer, assertions, causes, service_retries) = answer_names.compile();
    let captures = answer::captures(scope, one.capture.as_ref(), names);
    let changes = match &one.changes {
        Some(changes) => Some(self::changes(scope, changes, names, around, &name)?),
        None => None,
    };
    let timeout = one.timeout.or(target.timeout).map_or(DEFAULT_TIMEOUT, |timeout| timeout.0);
    scope.requests.push(Request {
        name,
        service,
        method,
        path,
        query: query.into_iter().collect::<Option<_>>()?,
        headers: headers?,
        bodies: bodies?,
        sign,
        timeout,
        delivery: delivery?,
        hold,
        answer,
        captures: captures?,
        assertions: assertions?,
        causes: causes?,
        service_retries: service_retries?,
        changes,
        retry: retry?,
    });
    Some(RequestIndex(scope.requests.len() - 1))
}

/// The target that is meant, and its place among the services.
fn service(scope: &mut Scope<'_>, one: &scenario::Step, line: &Spanned<String>) -> Option<(Target, usize)> {
    let file = &scope.loaded.file;
    let mut services = file.targets.iter().filter(|(_, target)| target.http.is_some());
    let (name, span) = match &one.target {
        Some(named) => (named.value.clone(), named.span.clone()),
        None => match (services.next(), services.next()) {
            (Some((name, _)), None) => (name.value.clone(), line.span.clone()),
            (None, _) => {
                scope.error(
                    &line.span,
                    "a request needs a service",
                    Some("add a target like `api: {http: http://127.0.0.1:8000}`".into()),
                );
                return None;
            }
            _ => {
                scope.error(&line.span, "which of the services?", Some("name it: `target: NAME`".into()));
                return None;
            }
        },
    };
    match file.targets.get(name.as_str()) {
        Some(target) if target.http.is_some() => {
            let index = scope.services.iter().position(|service| service.target == name)?;
            Some((target.clone(), index))
        }
        Some(_) => {
            scope.error(&span, format!("target `{name}` is no service"), Some("give it `http:`".into()));
            None
        }
        None => {
            if !scope.is_broken(&name) {
                let known = file.targets.keys().map(|name| name.value.as_str());
                let hint = scenario::did_you_mean(&name, known);
                scope.error(&span, format!("there is no target `{name}`"), hint);
            }
            None
        }
    }
}

fn method_and_path(
    scope: &mut Scope<'_>,
    line: &Spanned<String>,
    names: &Names,
) -> Option<(String, crate::expression::Template)> {
    let written = line.value.trim();
    let hint = || Some("write for example `POST /webhook/`".to_owned());
    let Some((method, path)) = written.split_once(char::is_whitespace) else {
        scope.error(&line.span, "a request is a method and a path", hint());
        return None;
    };
    if !METHODS.contains(&method) {
        let place = scope.place(&line.span, &line.value, 0..method.len());
        scope.error(&place, format!("`{method}` is no method of HTTP"), hint());
        return None;
    }
    let path = path.trim();
    if !path.starts_with('/') && !path.starts_with("{{") {
        scope.error(&line.span, "a path begins with `/`; the host is the target's", hint());
        return None;
    }
    let start = line.value.len() - line.value.trim_start().len();
    let at = start + written.len() - path.len();
    match crate::expression::Template::compile(path, names) {
        Ok(template) => Some((method.to_owned(), template)),
        Err(error) => {
            // The template is a part of the scalar.
            let shifted = error.range().start + at..error.range().end + at;
            let place = scope.place(&line.span, &line.value, shifted);
            scope.error(&place, error.to_string(), error.hint());
            None
        }
    }
}

/// A token of RFC 9110.
pub(super) fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

/// Those of the service and of the step, by name in lower case.
fn headers(
    scope: &mut Scope<'_>,
    target: &Target,
    one: &scenario::Step,
    names: &Names,
) -> Option<Vec<(String, crate::expression::Template)>> {
    let mut compiled: Vec<(String, crate::expression::Template)> = Vec::new();
    let mut well = true;
    for (name, literal) in target.headers.iter().chain(one.headers.iter().flatten()) {
        let lower = name.value.to_ascii_lowercase();
        if !is_header_name(&lower) {
            scope.error(&name.span, format!("`{name}` can't be the name of a header"), None);
            well = false;
            continue;
        }
        if matches!(lower.as_str(), "content-length" | "transfer-encoding" | "connection") {
            scope.error(&name.span, format!("`{name}` is set by deadheat itself"), None);
            well = false;
            continue;
        }
        match scope.template(literal, names) {
            Some(template) => {
                compiled.retain(|(known, _)| *known != lower);
                compiled.push((lower, template));
            }
            None => well = false,
        }
    }
    well.then_some(compiled)
}

fn delivery(scope: &mut Scope<'_>, written: Option<&Spanned<scenario::Deliver>>) -> Option<Delivery> {
    let Some(written) = written else {
        let order = DeliveryOrder::AsListed;
        return Some(Delivery { copies: 1, order, spread: None, same_event_id: true });
    };
    let deliver = &written.value;
    let copies = match &deliver.copies {
        Some(copies) => scope.whole_number(copies, "`copies`", 1, MOST_COPIES)?,
        None => 1,
    };
    Some(Delivery {
        copies: u32::try_from(copies).ok()?,
        order: deliver.order.unwrap_or(DeliveryOrder::AsListed),
        spread: deliver.spread.map(|spread| spread.0),
        same_event_id: deliver.same_event_id.as_ref().is_none_or(|same| same.value),
    })
}

/// Redelivery, where the step says so; else the operation's policy.
fn resend_policy(
    scope: &mut Scope<'_>,
    written: Option<&Spanned<scenario::Deliver>>,
    around: &Around<'_>,
) -> Option<RetryPolicy> {
    let Some(deliver) = written.map(|deliver| &deliver.value).filter(|one| !one.redeliver_on.is_empty())
    else {
        return policy(scope, &around.retry);
    };
    let redelivery = Retry {
        on: deliver.redeliver_on.iter().cloned().collect(),
        max_retries: Some(deliver.max_redeliveries.clone().unwrap_or_else(|| Spanned::new(3, 0..0))),
        backoff: Some(scenario::Backoff::Exponential),
        delay: Some(deliver.redelivery_delay.unwrap_or(units::Span(Duration::from_millis(100)))),
        ..Retry::default()
    };
    policy(scope, &redelivery)
}

fn changes(
    scope: &mut Scope<'_>,
    written: &Spanned<scenario::Changes>,
    names: &Names,
    around: &Around<'_>,
    step: &str,
) -> Option<Changes> {
    if !scope.has_database {
        scope.error(&written.span, "`changes` is looked for in a database", Some(ADD_DATABASE.into()));
        return None;
    }
    let changes = &written.value;
    let statement = statement::compile(scope, &changes.sql, names, around.operation, step);
    let expect = match &changes.expect {
        None => Some(None),
        Some(text) if text.value.trim() == "rows" => Some(None),
        Some(text) => super::invariant::open_expression(scope, text).map(Some),
    };
    Some(Changes {
        statement: statement?,
        expect: expect?,
        within: changes.within.map_or(Duration::ZERO, |within| within.0),
    })
}
