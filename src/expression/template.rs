//! Texts with `{{ expressions }}` in them.

use std::ops::Range;

use minijinja::Value;

use super::{EvaluationError, Expression, ExpressionError, Frame, Names, row::to_text};

/// A piece of a text, with its byte range in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Literal text.
    Text(Range<usize>),
    /// What stands between `{{` and `}}`, trimmed.
    Expression(Range<usize>),
}

/// What is wrong with a template; the range is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{{{{` without its `}}}}`")]
    Unclosed(Range<usize>),
    #[error("an empty expression")]
    Empty(Range<usize>),
    #[error("`{{%` blocks aren't part of the language")]
    Block(Range<usize>),
    #[error("{error}")]
    Expression { error: ExpressionError, range: Range<usize> },
}

impl TemplateError {
    /// Where in the text.
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Unclosed(range) | Self::Empty(range) | Self::Block(range) => range.clone(),
            Self::Expression { range, .. } => range.clone(),
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Block(_) => {
                Some("use the steps `if` and `repeat`, or an inline `{{ a if b else c }}`".into())
            }
            Self::Expression { error, .. } => error.hint(),
            _ => None,
        }
    }
}

/// Splits a text into literal pieces and expressions. A `}}` inside a quoted string of an
/// expression doesn't end it.
pub fn split(text: &str) -> Result<Vec<Segment>, TemplateError> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let open = at + found;
        reject_block(text, at..open)?;
        if open > at {
            segments.push(Segment::Text(at..open));
        }
        let inside = open + 2;
        let close = find_close(text, inside).ok_or(TemplateError::Unclosed(open..text.len()))?;
        let body = &text[inside..close];
        let trimmed = body.trim();
        if trimmed.is_empty() {
            return Err(TemplateError::Empty(open..close + 2));
        }
        let start = inside + (body.len() - body.trim_start().len());
        segments.push(Segment::Expression(start..start + trimmed.len()));
        at = close + 2;
    }
    reject_block(text, at..text.len())?;
    if at < text.len() {
        segments.push(Segment::Text(at..text.len()));
    }
    Ok(segments)
}

fn reject_block(text: &str, range: Range<usize>) -> Result<(), TemplateError> {
    match text[range.clone()].find("{%") {
        Some(found) => Err(TemplateError::Block(range.start + found..range.start + found + 2)),
        None => Ok(()),
    }
}

fn find_close(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut depth = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, byte @ (b'\'' | b'"')) => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A compiled text.
#[derive(Debug)]
pub enum Template {
    /// No expression in it, or not a text at all.
    Constant(Value),
    /// Exactly one expression and nothing else: keeps its type.
    Single(Expression),
    /// Text and expressions, put together as a string.
    Mixed(Vec<Piece>),
    /// A list of templates.
    List(Vec<Template>),
    /// A map of templates.
    Map(Vec<(String, Template)>),
}

/// A compiled [`Segment`].
#[derive(Debug)]
pub enum Piece {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Compiles a text; every name must be in `names`.
    pub fn compile(text: &str, names: &Names) -> Result<Self, TemplateError> {
        Self::compile_with(text, |source| Expression::compile(source, names))
    }

    /// Compiles a text whose names are known only when it is evaluated.
    pub fn compile_open(text: &str) -> Result<Self, TemplateError> {
        Self::compile_with(text, Expression::compile_open)
    }

    fn compile_with(
        text: &str,
        compile: impl Fn(&str) -> Result<Expression, ExpressionError>,
    ) -> Result<Self, TemplateError> {
        let segments = split(text)?;
        let expression = |range: &Range<usize>| {
            compile(&text[range.clone()])
                .map_err(|error| TemplateError::Expression { error, range: range.clone() })
        };
        match segments.as_slice() {
            [] | [Segment::Text(_)] => Ok(Self::Constant(Value::from(text))),
            [Segment::Expression(range)] => Ok(Self::Single(expression(range)?)),
            _ => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Text(range) => Ok(Piece::Text(text[range.clone()].to_owned())),
                    Segment::Expression(range) => expression(range).map(Piece::Expression),
                })
                .collect::<Result<_, _>>()
                .map(Self::Mixed),
        }
    }

    /// The value with the names of `frame`.
    pub fn evaluate(&self, frame: &Frame) -> Result<Value, EvaluationError> {
        self.evaluate_with(&mut |expression| expression.evaluate(frame))
    }

    /// The value, with `evaluate` for each expression in it.
    ///
    /// # Errors
    /// Those of `evaluate`, or that the text gets too long.
    pub fn evaluate_with(
        &self,
        evaluate: &mut dyn FnMut(&Expression) -> Result<Value, EvaluationError>,
    ) -> Result<Value, EvaluationError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Single(expression) => evaluate(expression),
            Self::Mixed(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(literal) => text.push_str(literal),
                        Piece::Expression(expression) => {
                            text.push_str(&to_text(&evaluate(expression)?));
                            expression.check_length(text.len())?;
                        }
                    }
                }
                Ok(Value::from(text))
            }
            Self::List(items) => items
                .iter()
                .map(|item| item.evaluate_with(evaluate))
                .collect::<Result<Vec<Value>, EvaluationError>>()
                .map(Value::from),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), item.evaluate_with(evaluate)?)))
                .collect::<Result<Vec<(String, Value)>, EvaluationError>>()
                .map(Value::from_pairs),
        }
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Single(expression) => f.write_str(expression.source()),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(bool, &str)> {
        split(text)
            .expect("splits")
            .into_iter()
            .map(|segment| match segment {
                Segment::Text(range) => (false, &text[range]),
                Segment::Expression(range) => (true, &text[range]),
            })
            .collect()
    }

    #[test]
    fn expressions_are_told_from_text() {
        assert_eq!(shown("a {{ b }} c"), [(false, "a "), (true, "b"), (false, " c")]);
        assert_eq!(shown("{{ '}}' ~ x }}"), [(true, "'}}' ~ x")]);
        assert_eq!(shown("{{ {'a': {'b': 1}} }}!"), [(true, "{'a': {'b': 1}}"), (false, "!")]);
        assert_eq!(shown(""), []);
    }

    #[test]
    fn broken_templates_say_where() {
        assert_eq!(split("ab {{ x"), Err(TemplateError::Unclosed(3..7)));
        assert_eq!(split("{{ }}"), Err(TemplateError::Empty(0..5)));
        assert_eq!(split("x {% if y %}"), Err(TemplateError::Block(2..4)));
    }
}
