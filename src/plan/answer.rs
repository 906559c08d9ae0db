//! Compiles what is made of a request's answer: assertions, causes, captures.

use serde_json_path::JsonPath;

use super::{
    operation::declare,
    request::{AnswerSlots, Captured},
    retry::{self, Retried},
    scope::Scope,
};
use crate::{
    expression::{Expression, Names},
    outcome::Cause,
    scenario::{self, Capture, Spanned, Target},
};

/// The names of an answer's parts.
const ANSWER: [&str; 5] = ["status", "headers", "body", "json", "answers"];

/// Compiles everything that looks at an answer.
pub(super) struct Answer<'a, 'b> {
    pub scope: &'a mut Scope<'b>,
    pub names: &'a mut Names,
    pub written: &'a scenario::Step,
    pub target: &'a Target,
}

/// Slots for its parts, assertions, causes, and the retries that the service tells.
type CompiledAnswer =
    (AnswerSlots, Option<Vec<Expression>>, Option<Vec<(Cause, Expression)>>, Option<Option<Expression>>);

impl Answer<'_, '_> {
    pub(super) fn compile(self) -> CompiledAnswer {
        let Self { scope, names, written, target } = self;
        let slots = ANSWER.map(|name| names.declare(name));
        let assertions: Option<Vec<Expression>> = written
            .assert
            .iter()
            .flat_map(|assertions| assertions.iter())
            .map(|text| scope.expression(text, names))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let causes: Option<Vec<(Cause, Expression)>> = target
            .causes
            .iter()
            .map(|(name, text)| {
                let cause = match retry::parse_cause(&name.value) {
                    Ok(Retried::Cause(cause)) => Some(cause),
                    Ok(Retried::Statuses(_) | Retried::NotAcknowledged) | Err(_) => {
                        scope.error(
                            &name.span,
                            format!("`{name}` is not a cause that an answer can show"),
                            Some(
                                "for example `deadlock`, `serialization`, `lock_timeout`, `unique`".into(),
                            ),
                        );
                        None
                    }
                };
                let expression = scope.expression(text, names);
                Some((cause?, expression?))
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let retries = match &target.retries {
            Some(text) => scope.expression(text, names).map(Some),
            None => Some(None),
        };
        // What is in scope after the step may be looked at by any later one, so that only what is
        // costly is left out: the JSON of an answer that nobody takes apart.
        let texts = written.assert.iter().flat_map(|assertions| assertions.iter()).map(|text| &text.value);
        let texts = texts.chain(target.causes.values().map(|text| &text.value));
        let texts: Vec<&String> = texts.chain(target.retries.iter().map(|text| &text.value)).collect();
        let later = names_used_elsewhere(scope.loaded);
        let needed = |name: &str| texts.iter().any(|text| word(text, name)) || later(name);
        let slot = |index: usize| needed(ANSWER[index]).then_some(slots[index]);
        let answer = AnswerSlots {
            status: slot(0),
            headers: slot(1),
            body: slot(2),
            json: slot(3),
            answers: slot(4),
        };
        (answer, assertions, causes, retries)
    }
}

fn word(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name)
}

/// True for a name that may be used outside of assertions. The whole file is searched for the word: a
/// value kept for nothing does no harm.
fn names_used_elsewhere(loaded: &scenario::Loaded) -> impl Fn(&str) -> bool {
    let text = &loaded.source.text;
    move |name| {
        let count = text
            .split("{{")
            .skip(1)
            .filter_map(|part| part.split("}}").next())
            .chain(conditions(text))
            .filter(|part| word(part, name))
            .count();
        count > 0
    }
}

/// Lines that hold an expression without braces.
fn conditions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        line.starts_with("if:")
            || line.starts_with("check:")
            || line.starts_with("if =")
            || line.starts_with("check =")
    })
}

/// Compiles what is kept of an answer.
pub(super) fn captures(
    scope: &mut Scope<'_>,
    written: Option<&Spanned<Capture>>,
    names: &mut Names,
) -> Option<Vec<(usize, Captured)>> {
    let Some(written) = written else { return Some(Vec::new()) };
    match &written.value {
        Capture::First(name) => {
            let name = Spanned::new(name.clone(), written.span.clone());
            Some(vec![(declare(scope, &name, names), Captured::Answer)])
        }
        Capture::Each(each) => {
            let compiled: Vec<_> = each
                .iter()
                .map(|(name, what)| {
                    let slot = declare(scope, name, names);
                    Some((slot, captured(scope, what)?))
                })
                .collect();
            compiled.into_iter().collect()
        }
    }
}

fn captured(scope: &mut Scope<'_>, what: &Spanned<String>) -> Option<Captured> {
    let text = what.value.trim();
    Some(match text {
        "answer" => Captured::Answer,
        "status" => Captured::Status,
        "headers" => Captured::Headers,
        "body" => Captured::Body,
        "json" => Captured::Json,
        _ if text.starts_with('$') => match JsonPath::parse(text) {
            Ok(path) => Captured::JsonPath(path),
            Err(error) => {
                scope.error(&what.span, format!("this JSONPath can't be read: {error}"), None);
                return None;
            }
        },
        _ => match text.strip_prefix("header ") {
            Some(name) => Captured::Header(name.trim().to_ascii_lowercase()),
            None => {
                scope.error(
                    &what.span,
                    format!("`{text}` is no part of an answer"),
                    Some(
                        "known: status, headers, body, json, a JSONPath like `$.id`, `header ETag`".into(),
                    ),
                );
                return None;
            }
        },
    })
}
