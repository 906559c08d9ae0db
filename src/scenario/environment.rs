//! `${NAME}`, `${NAME:-default}` and `$${` (a plain `${`) in the texts of the tree.
//!
//! A value is never parsed as YAML or TOML again. A text that is exactly one `${…}` may become a
//! number or a boolean, by the rule of `--var`. Keys are left alone.

use std::ops::Range;

use super::{
    node::{Node, NodeKind},
    problem::Problem,
    recover::Broken,
    source::Source,
};

/// Longest text that one scalar may become.
const LONGEST: usize = 1024 * 1024;

/// Puts values in. An entry or element with a name that isn't set is reported and taken out.
pub(super) fn substitute(
    tree: &mut Node,
    source: &Source,
    environment: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
    broken: &mut Broken,
) {
    let mut keep = |node: &mut Node| {
        let Some(text) = node.as_text().filter(|text| text.contains("${")) else { return true };
        match expand(text, environment) {
            Ok(kind) => {
                node.kind = kind;
                true
            }
            Err(failure) => {
                problems.push(failure.problem(source, node));
                false
            }
        }
    };
    prune(tree, &mut keep, broken);
}

fn prune(node: &mut Node, keep: &mut dyn FnMut(&mut Node) -> bool, broken: &mut Broken) {
    match &mut node.kind {
        NodeKind::List(items) => items.retain_mut(|item| {
            prune(item, keep, broken);
            keep(item)
        }),
        NodeKind::Map(entries) => entries.retain_mut(|(key, value)| {
            prune(value, keep, broken);
            let kept = keep(value);
            if !kept {
                broken.note(&node.span, &key.value, value);
            }
            kept
        }),
        _ => {}
    }
}

#[derive(Debug, PartialEq)]
enum Failure {
    Unset { name: String, at: Range<usize> },
    Malformed { at: Range<usize> },
    TooLong,
}

impl Failure {
    fn problem(self, source: &Source, node: &Node) -> Problem {
        let place = |at| source.sub_span(&node.span, node.as_text().unwrap_or_default(), at);
        match self {
            Self::Unset { name, at } => {
                Problem::error(format!("the environment variable `{name}` is not set"))
                    .at(place(at))
                    .hint(format!("set it, or give a default: `${{{name}:-value}}`"))
            }
            Self::Malformed { at } => Problem::error("this is not an environment variable")
                .at(place(at))
                .hint("write `${NAME}` or `${NAME:-default}`, or `$${` for a plain `${`"),
            Self::TooLong => {
                Problem::error("the environment makes this text longer than 1 MB").at(node.span.clone())
            }
        }
    }
}

fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<NodeKind, Failure> {
    let mut expanded = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let dollar = at + found;
        if text[at..dollar].ends_with('$') {
            expanded.push_str(&text[at..dollar]);
            expanded.push('{');
            at = dollar + 2;
            continue;
        }
        expanded.push_str(&text[at..dollar]);
        let end = text[dollar..].find('}').map(|end| dollar + end + 1);
        let reference = dollar..end.unwrap_or(text.len());
        let inner = end.map_or("", |end| &text[dollar + 2..end - 1]);
        let (name, default) =
            inner.split_once(":-").map_or((inner, None), |(name, value)| (name, Some(value)));
        if !is_name(name) {
            return Err(Failure::Malformed { at: reference });
        }
        // As in a shell, `:-` takes the default for an empty value too.
        let value = match (environment(name), default) {
            (Some(value), None) => value,
            (Some(value), Some(_)) if !value.is_empty() => value,
            (_, Some(default)) => default.to_owned(),
            (None, None) => return Err(Failure::Unset { name: name.to_owned(), at: reference }),
        };
        if dollar == 0 && reference.end == text.len() {
            return Ok(NodeKind::from_plain(&value));
        }
        if expanded.len() + value.len() > LONGEST {
            return Err(Failure::TooLong);
        }
        expanded.push_str(&value);
        at = reference.end;
    }
    expanded.push_str(&text[at..]);
    Ok(NodeKind::Text(expanded))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<NodeKind, Failure> {
        expand(text, &|name| match name {
            "URL" => Some("postgres://h/db".into()),
            "NUMBER" => Some("12".into()),
            "EMPTY" => Some(String::new()),
            "YAML" => Some("a: [1, 2]\n${URL}".into()),
            _ => None,
        })
    }

    fn text(text: &str) -> Result<NodeKind, Failure> {
        Ok(NodeKind::Text(text.into()))
    }

    #[test]
    fn values_and_defaults_are_put_in_once() {
        assert_eq!(expanded("<${URL}>"), text("<postgres://h/db>"));
        assert_eq!(expanded("${MISSING:-a:-b}"), text("a:-b"));
        assert_eq!(expanded("${EMPTY:-x}${EMPTY}"), text("x"));
        assert_eq!(expanded("${MISSING:-}"), text(""));
        assert_eq!(expanded("${YAML}"), text("a: [1, 2]\n${URL}"));
        assert_eq!(expanded("$${URL} $1 {{ x }}"), text("${URL} $1 {{ x }}"));
    }

    #[test]
    fn a_lone_reference_may_be_a_number() {
        assert_eq!(expanded("${NUMBER}"), Ok(NodeKind::Int(12)));
        assert_eq!(expanded("${MISSING:-true}"), Ok(NodeKind::Bool(true)));
        assert_eq!(expanded("${NUMBER}ms"), text("12ms"));
    }

    #[test]
    fn failures_carry_their_place() {
        assert_eq!(expanded("ab ${MISSING} c"), Err(Failure::Unset { name: "MISSING".into(), at: 3..13 }));
        assert_eq!(expanded("a ${oh no}"), Err(Failure::Malformed { at: 2..10 }));
        assert_eq!(expanded("a ${URL"), Err(Failure::Malformed { at: 2..7 }));
        assert_eq!(expanded("${}"), Err(Failure::Malformed { at: 0..3 }));
    }
}
