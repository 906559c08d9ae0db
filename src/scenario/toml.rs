//! TOML 1.0 into the tree: the only place that knows the TOML parser.
//!
//! Dates become text. The parser keeps tables in the order of their names; the places of the keys
//! bring back the order of the file.

use std::ops::Range;

use ::toml::de::{DeTable, DeValue, Error};

use super::{
    node::{Node, NodeKind},
    problem::Problem,
    reader::{DEEPEST, MOST_NODES},
    spanned::Spanned,
    yaml::{too_deep, too_large, too_many},
};

/// A text with more of these than this isn't a scenario; found before the parser allocates.
const MOST_SEPARATORS: usize = MOST_NODES * 5;

/// Reads a text: a tree where one can be made, and what is wrong.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    if text.bytes().filter(|byte| matches!(byte, b',' | b'=' | b'[')).count() > MOST_SEPARATORS {
        return (None, vec![too_many()]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return (None, errors.iter().map(|error| explain(error, text)).collect());
    }
    let mut reading = Reading { problems: Vec::new(), nodes: 0, beyond: false };
    let span = table.span();
    let node = reading.table(table.into_inner(), span, 1);
    ((!reading.beyond).then_some(node), reading.problems)
}

fn explain(error: &Error, text: &str) -> Problem {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let span = error.span();
    let raw = span.clone().and_then(|span| text.get(span)).unwrap_or_default();
    let problem = match message.strip_prefix("duplicate key") {
        Some(_) if raw.is_empty() => Problem::error("duplicate key"),
        Some(_) => Problem::error(format!("duplicate key `{raw}`")),
        None if message.contains("recur") => too_deep(),
        None => Problem::error(format!("this is not TOML: {message}")),
    };
    match span {
        Some(span) => problem.at(span),
        None => problem,
    }
}

struct Reading {
    problems: Vec<Problem>,
    nodes: usize,
    /// A limit was passed: the tree isn't whole.
    beyond: bool,
}

impl Reading {
    fn table(&mut self, table: DeTable<'_>, span: Range<usize>, depth: usize) -> Node {
        let mut keyed: Vec<_> = table.into_iter().collect();
        keyed.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(keyed.len());
        for (key, value) in keyed {
            let place = key.span();
            let value_place = value.span();
            let node = self.value(value.into_inner(), value_place, depth + 1);
            entries.push((Spanned::new(key.into_inner().into_owned(), place), node));
        }
        Node::new(span, NodeKind::Map(entries))
    }

    fn value(&mut self, value: DeValue<'_>, span: Range<usize>, depth: usize) -> Node {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            if !self.beyond {
                let problem = match depth > DEEPEST {
                    true => too_deep(),
                    false => too_many(),
                };
                self.problems.push(problem.at(span.clone()));
                self.beyond = true;
            }
            return Node::new(span, NodeKind::Null);
        }
        let kind = match value {
            DeValue::String(text) => NodeKind::Text(text.into_owned()),
            DeValue::Boolean(value) => NodeKind::Bool(value),
            DeValue::Datetime(date) => NodeKind::Text(date.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => NodeKind::Int(number),
                Err(_) => {
                    self.problems.push(too_large(span.clone()));
                    NodeKind::Int(0)
                }
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => NodeKind::Float(number),
                _ => {
                    self.problems.push(Problem::error("a number must be finite").at(span.clone()));
                    NodeKind::Float(0.0)
                }
            },
            DeValue::Array(items) => NodeKind::List(
                items
                    .into_iter()
                    .map(|item| {
                        let place = item.span();
                        self.value(item.into_inner(), place, depth + 1)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => return self.table(table, span, depth),
        };
        Node::new(span, kind)
    }
}
