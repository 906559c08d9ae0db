//! One expression, compiled.
//!
//! Constants and plain paths (`order.id`) are evaluated without minijinja: they are what the hot
//! path of a run consists of.

use std::{fmt, sync::LazyLock};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use super::{Frame, Names, functions};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    minijinja_defaults(&mut environment);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(1_000_000));
    environment.set_recursion_limit(64);
    functions::register(&mut environment);
    environment
});

/// minijinja's own filters and tests, without its global functions that we don't document.
fn minijinja_defaults(environment: &mut Environment<'static>) {
    let full = Environment::new();
    let globals: Vec<String> = full.globals().map(|(name, _)| name.to_owned()).collect();
    *environment = full;
    for name in globals.iter().filter(|name| !matches!(name.as_str(), "range" | "dict")) {
        environment.remove_global(name);
    }
}

/// Why an expression doesn't compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("this expression can't be read: {0}")]
    Syntax(String),
    #[error("unknown name `{name}`")]
    UnknownName { name: String, similar: Option<String> },
}

impl ExpressionError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) => None,
            Self::UnknownName { similar, .. } => {
                similar.as_ref().map(|name| format!("did you mean `{name}`?"))
            }
        }
    }
}

/// Why an expression has no value here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct EvaluationError {
    /// The expression as written.
    pub expression: String,
    /// Why.
    pub message: String,
}

/// An expression, compiled.
pub struct Expression {
    source: Box<str>,
    kind: Kind,
}

enum Kind {
    /// A slot of the frame, then attributes.
    Path {
        slot: usize,
        attributes: Box<[Box<str>]>,
    },
    Compiled(Box<minijinja::Expression<'static, 'static>>),
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{ {} }}}}", self.source)
    }
}

impl Expression {
    /// Compiles an expression; every name in it must be in `names` or be a function.
    pub fn compile(source: &str, names: &Names) -> Result<Self, ExpressionError> {
        let compiled = Self::compile_open(source)?;
        let Kind::Compiled(expression) = &compiled.kind else { return Ok(compiled) };
        let mut unknown: Vec<String> = expression
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| names.slot(name).is_none() && !functions::is_function(name))
            .collect();
        unknown.sort_unstable();
        if let Some(name) = unknown.into_iter().next() {
            let similar = names.similar(&name);
            return Err(ExpressionError::UnknownName { name, similar });
        }
        Ok(match path(source, names) {
            Some((slot, attributes)) => {
                Self { source: source.into(), kind: Kind::Path { slot, attributes } }
            }
            None => compiled,
        })
    }

    /// Compiles an expression whose names are known only when it is evaluated.
    pub fn compile_open(source: &str) -> Result<Self, ExpressionError> {
        let expression = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| ExpressionError::Syntax(detail(&error)))?;
        Ok(Self { source: source.into(), kind: Kind::Compiled(Box::new(expression)) })
    }

    /// The names that the expression uses, functions left out, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.kind {
            Kind::Path { .. } => {
                self.source.split('.').take(1).map(|name| name.trim().to_owned()).collect()
            }
            Kind::Compiled(expression) => expression.undeclared_variables(false).into_iter().collect(),
        };
        names.retain(|name| !functions::is_function(name));
        names.sort_unstable();
        names
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value with the names of `frame`.
    pub fn evaluate(&self, frame: &Frame) -> Result<Value, EvaluationError> {
        match &self.kind {
            Kind::Path { slot, attributes } => {
                let mut value = frame.load(*slot);
                for attribute in attributes {
                    value = self.attribute(&value, attribute)?;
                }
                if value.is_undefined() { Err(self.error("it has no value here")) } else { Ok(value) }
            }
            Kind::Compiled(_) => self.evaluate_in(frame.value()),
        }
    }

    /// The value with the names that `context` answers to.
    pub fn evaluate_in(&self, context: Value) -> Result<Value, EvaluationError> {
        let Kind::Compiled(expression) = &self.kind else {
            unreachable!("an expression that is evaluated in a context was compiled open")
        };
        expression.eval(context).map_err(|error| self.error(&detail(&error)))
    }

    /// True when the value is true, as `assert` and `if` understand it.
    pub fn holds(&self, frame: &Frame) -> Result<bool, EvaluationError> {
        self.evaluate(frame).map(|value| value.is_true())
    }

    fn attribute(&self, value: &Value, attribute: &str) -> Result<Value, EvaluationError> {
        if value.is_none() {
            return Err(self.error(&format!("there is no row to take `{attribute}` from")));
        }
        let found = value.get_attr(attribute).map_err(|error| self.error(&detail(&error)))?;
        if found.is_undefined() {
            return Err(self.error(&format!("there is no `{attribute}`")));
        }
        Ok(found)
    }

    fn error(&self, message: &str) -> EvaluationError {
        EvaluationError { expression: self.source.to_string(), message: message.to_owned() }
    }
}

/// `name.attribute.attribute`, when it is nothing else.
fn path(source: &str, names: &Names) -> Option<(usize, Box<[Box<str>]>)> {
    let mut parts = source.split('.');
    let slot = names.slot(parts.next()?)?;
    let attributes: Option<Box<[Box<str>]>> =
        parts.map(|part| is_identifier(part).then(|| part.into())).collect();
    Some((slot, attributes?))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// minijinja's own words, without the template name and line, which mean nothing here.
fn detail(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "a value in it is missing".to_owned(),
        (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
        (kind, None) => kind.to_string(),
        (_, Some(detail)) => detail.to_owned(),
    }
}
