//! One expression, compiled.
//!
//! Plain paths (`order.id`), `random(1, 10)`, `pick(orders)`, `fake.id('pi')`, `now()`, `status == 200` and
//! `(order.total * 100) | round | int` are evaluated without minijinja: they are what the hot path of a
//! run consists of. Each gives what minijinja would give.

use std::{fmt, sync::LazyLock};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use rand::RngExt;

use super::{
    Frame, Names,
    columns::unknown_column,
    functions,
    kind::{Kind, scaled, simple},
};

/// Bytes of a text that an expression gives, or that one is put into. A file that is sent as it is may be longer.
const LONGEST_TEXT: usize = 16 << 20;

/// What an expression may nest or chain: well within the two megabytes of a thread's stack.
const MOST_OPERATORS: usize = 500;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    minijinja_defaults(&mut environment);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(1_000_000));
    environment.set_recursion_limit(64);
    functions::register(&mut environment);
    environment.set_unknown_method_callback(functions::text_method);
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
    #[error("`{name}` has no column `{column}`")]
    UnknownColumn { name: String, column: String, known: Vec<String> },
}

impl ExpressionError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) => None,
            Self::UnknownName { similar, .. } => {
                similar.as_ref().map(|name| format!("did you mean `{name}`?"))
            }
            Self::UnknownColumn { known, .. } => Some(format!("its columns are {}", known.join(", "))),
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
        if let Some(error) = unknown_column(source, expression, names) {
            return Err(error);
        }
        if let Some(kind) = simple(source, names) {
            return Ok(Self { source: source.into(), kind });
        }
        match (scaled(source, names), compiled) {
            (Some(((slot, attributes), factor)), Self { source, kind: Kind::Compiled(compiled) }) => {
                Ok(Self { source, kind: Kind::Scaled { slot, attributes, factor, compiled } })
            }
            (_, compiled) => Ok(compiled),
        }
    }

    /// Compiles an expression whose names are known only when it is evaluated.
    pub fn compile_open(source: &str) -> Result<Self, ExpressionError> {
        // NB: each is a level of minijinja's tree, which is walked on the stack.
        if operators(source) > MOST_OPERATORS {
            let message = format!("it has more than {MOST_OPERATORS} operators, filters and attributes");
            return Err(ExpressionError::Syntax(message));
        }
        let expression = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| ExpressionError::Syntax(detail(&error)))?;
        Ok(Self { source: source.into(), kind: Kind::Compiled(Box::new(expression)) })
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value with the names of `frame`.
    pub fn evaluate(&self, frame: &Frame) -> Result<Value, EvaluationError> {
        match &self.kind {
            Kind::Path { slot, attributes } => {
                let value = self.path(frame, *slot, attributes)?;
                if value.is_undefined() { Err(self.error("it has no value here")) } else { Ok(value) }
            }
            Kind::Random { low, high } => {
                Ok(Value::from(frame.with_random(|random| random.random_range(*low..=*high))))
            }
            Kind::Pick { slot } => {
                frame.pick(*slot).ok_or_else(|| self.error("there are no rows to pick from"))
            }
            Kind::FakeId { prefix } => {
                Ok(Value::from(frame.with_random(|random| functions::provider_id(random, prefix))))
            }
            Kind::Now => {
                frame.seconds().map(Value::from).ok_or_else(|| self.error("the clock can't be read"))
            }
            Kind::Equals { slot, number, equal } => {
                let value = frame.load(*slot);
                if value.is_undefined() {
                    return Err(self.error("it has no value here"));
                }
                Ok(Value::from((value == Value::from(*number)) == *equal))
            }
            Kind::Scaled { slot, attributes, factor, compiled } => {
                // Beyond this not every whole number is a float.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                let value = self.path(frame, *slot, attributes)?;
                let float = f64::try_from(value.clone()).ok().filter(|_| !value.is_integer());
                match float.map(|float| (float * *factor as f64).round_ties_even()) {
                    Some(scaled) if scaled.abs() < EXACT => Ok(Value::from(scaled as i64)),
                    _ => self.run(compiled, frame.value()),
                }
            }
            Kind::Compiled(_) => self.evaluate_in(frame.value()),
        }
    }

    /// True when the name is used in it, wherever its value comes from.
    pub fn mentions(&self, name: &str) -> bool {
        // A word of the source is enough: to look one value more than needed does no harm.
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.source.split(|c| !is_part(c)).any(|word| word == name)
    }

    /// The value with the names that `context` answers to.
    pub fn evaluate_in(&self, context: Value) -> Result<Value, EvaluationError> {
        let Kind::Compiled(expression) = &self.kind else {
            unreachable!("an expression that is evaluated in a context was compiled open")
        };
        self.run(expression, context)
    }

    fn run(
        &self,
        expression: &minijinja::Expression<'static, 'static>,
        context: Value,
    ) -> Result<Value, EvaluationError> {
        match expression.eval(context) {
            Ok(value) if value.is_undefined() => Err(self.error("a value in it is missing")),
            Ok(value) => {
                self.check_length(value.as_str().map_or(0, str::len))?;
                Ok(value)
            }
            Err(error) => Err(self.error(&detail(&error))),
        }
    }

    /// Ends what grows without an end: a text of so many bytes with this expression's value in it.
    pub(super) fn check_length(&self, bytes: usize) -> Result<(), EvaluationError> {
        match bytes > LONGEST_TEXT {
            true => Err(self.error(&format!("its text is longer than {} MiB", LONGEST_TEXT >> 20))),
            false => Ok(()),
        }
    }

    fn path(&self, frame: &Frame, slot: usize, attributes: &[Box<str>]) -> Result<Value, EvaluationError> {
        attributes.iter().try_fold(frame.load(slot), |value, name| self.attribute(&value, name))
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

/// Operators, filters, attributes and brackets outside of quoted texts, not fewer than there are.
fn operators(source: &str) -> usize {
    const WORDS: [&str; 6] = ["and", "if", "in", "is", "not", "or"];
    let mut quote = None;
    let mut count = 0;
    let mut characters = source.char_indices();
    let mut word = 0;
    while let Some((at, c)) = characters.next() {
        if quote.is_none() && !c.is_alphanumeric() && c != '_' {
            count += usize::from(WORDS.contains(&&source[word..at]));
            word = at + c.len_utf8();
        }
        match quote {
            Some(_) if c == '\\' => drop(characters.next()),
            Some(open) if c == open => (quote, word) = (None, at + 1),
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None => count += usize::from("+-*/%~|.<>=!([{".contains(c)),
        }
    }
    count
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::UNIX_EPOCH};

    use super::super::{FixtureRows, RandomStream, Row};
    use super::*;

    fn frame() -> (Names, Frame) {
        let mut names = Names::default();
        let slot = names.declare("orders");
        let count = names.declare("count");
        let stream = RandomStream { seed: 11, worker: 3, iteration: 5 };
        for name in ["price", "refund", "huge"] {
            names.declare(name);
        }
        let frame = Frame::new(Arc::new(names.clone()), Arc::default(), stream, UNIX_EPOCH);
        let row = |id: i64| Row::new(Arc::from(["id".into()]), vec![Value::from(id)]);
        let rows = FixtureRows::new("orders", (0..50).map(row).collect(), 1);
        frame.store(slot, Value::from_object(rows));
        frame.store(count, Value::from(3));
        for (name, value) in [("price", 38.385), ("refund", -0.005), ("huge", 1e300)] {
            frame.store(names.declare(name), Value::from(value));
        }
        (names, frame)
    }

    /// What is evaluated without minijinja draws and gives just what minijinja would.
    #[test]
    fn the_short_way_gives_the_same() {
        for (short, long) in [
            ("random(1, 100000)", "random(1, 100000) + 0"),
            ("pick(orders)", "(pick(orders))"),
            ("orders", "(orders)"),
            ("fake.id('pi')", "(fake.id('pi'))"),
            ("now()", "now() + 0"),
            ("count == 3", "(count == 3)"),
            ("count != 3", "(count != 3)"),
            ("count == 4", "(count == 4)"),
            ("(price * 100) | round | int", "((price * 100)) | round | int"),
            ("(refund*100)|round|int", "((refund * 100)) | round | int"),
            ("(huge * 100) | round | int", "((huge * 100)) | round | int"),
            ("(count * 100) | round | int", "((count * 100)) | round | int"),
            ("(price * -3) | round | int", "((price * -3)) | round | int"),
        ] {
            let (names, frame) = frame();
            let short = Expression::compile(short, &names).expect("compiles");
            let long = Expression::compile(long, &names).expect("compiles");
            assert!(!matches!(short.kind, Kind::Compiled(_)) && matches!(long.kind, Kind::Compiled(_)));
            let drawn = frame.random();
            let one: Vec<_> =
                (0..20).map(|_| short.evaluate(&frame).map(|value| value.to_string())).collect();
            frame.set_random(drawn);
            let other: Vec<_> =
                (0..20).map(|_| long.evaluate(&frame).map(|value| value.to_string())).collect();
            assert_eq!(one, other);
        }
    }

    #[test]
    fn mistakes_are_told() {
        let (names, frame) = frame();
        let message = |source: &str| match Expression::compile(source, &names) {
            Ok(expression) => {
                expression.evaluate(&frame).map(|value| value.to_string()).unwrap_or_else(|e| e.message)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(message("order.id"), "unknown name `order`");
        assert_eq!(message("random(5, 1)"), "random(5, 1): the first number is the larger one");
        assert_eq!(message("pick(orders, 51)"), "pick(orders, 51): the fixture has only 50 rows");
        assert_eq!(
            message("pick([1, 2])"),
            "pick() takes a fixture or a data file; use choice() for a list"
        );
        assert_eq!(message("orders[0].nothing"), "a value in it is missing");
        assert!(message("1 +").starts_with("this expression can't be read"));
    }
}
