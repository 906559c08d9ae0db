//! The compiler's memory: names, statements, barriers and the problems found so far.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    effect::Account,
    model::{Barrier, Statement},
    request::{Request, Service},
};
use indexmap::IndexMap;

use crate::{
    dialect::Dialect,
    expression::{
        DataRows, EvaluationError, Expression, Frame, Names, Payloads, RandomStream, Template,
        TemplateError, Value,
    },
    scenario::{Loaded, Node, NodeKind, Problem, Problems, Spanned},
};

/// What all parts of the compiler share.
pub(super) struct Scope<'a> {
    pub loaded: &'a Loaded,
    pub problems: Problems,
    /// Names of every frame.
    pub globals: Names,
    pub payloads: Arc<Payloads>,
    /// Values known while compiling.
    pub constants: Vec<(usize, Value)>,
    pub statements: Vec<Statement>,
    pub requests: Vec<Request>,
    pub services: Vec<Service>,
    pub has_database: bool,
    /// The database's kind.
    pub dialect: Dialect,
    /// What the scenario demands and the database can't have, with the reason.
    pub does_not_apply: IndexMap<String, String>,
    /// What operations say they change.
    pub accounts: Vec<Account>,
    pub barriers: Vec<Barrier>,
    /// Tables in the order in which they may be locked.
    pub lock_order: Vec<String>,
    pub concurrency: u32,
    /// The tables of the fixtures in scope, as written, by the fixtures' names.
    pub fixture_tables: BTreeMap<String, String>,
    /// The data files that could be read, by name.
    pub data: IndexMap<String, Arc<DataRows>>,
}

impl Scope<'_> {
    pub fn error(&mut self, span: &Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(with_hint(Problem::error(message).at(span.clone()), hint));
    }

    pub fn warning(&mut self, span: &Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(with_hint(Problem::warning(message).at(span.clone()), hint));
    }

    /// True when a name is missing only because a problem with it was reported already.
    pub fn is_broken(&self, name: &str) -> bool {
        self.loaded.broken.contains(name)
    }

    /// Where a part of a scalar's value stands in the file.
    pub fn place(&self, scalar: &Range<usize>, value: &str, within: Range<usize>) -> Range<usize> {
        self.loaded.source.sub_span(scalar, value, within)
    }

    /// Reports what is wrong with a template, unless it is the consequence of another problem.
    pub fn template_error(&mut self, scalar: &Range<usize>, value: &str, error: &TemplateError) {
        if let TemplateError::Expression {
            error: crate::expression::ExpressionError::UnknownName { name, .. },
            ..
        } = error
            && self.is_broken(name)
        {
            return;
        }
        let place = self.place(scalar, value, error.range());
        self.error(&place, error.to_string(), error.hint());
    }

    /// Compiles a literal with templates in it; `None` after a problem.
    pub fn template(&mut self, node: &Node, names: &Names) -> Option<Template> {
        match &node.kind {
            NodeKind::Text(text) => match Template::compile(text, names) {
                Ok(template) => Some(template),
                Err(error) => {
                    self.template_error(&node.span, text, &error);
                    None
                }
            },
            NodeKind::List(items) => {
                // Every item is compiled, so that every problem is found.
                let compiled: Vec<Option<Template>> =
                    items.iter().map(|item| self.template(item, names)).collect();
                compiled.into_iter().collect::<Option<Vec<_>>>().map(Template::List)
            }
            NodeKind::Map(entries) => {
                let compiled: Vec<Option<(String, Template)>> = entries
                    .iter()
                    .map(|(key, item)| Some((key.value.clone(), self.template(item, names)?)))
                    .collect();
                compiled.into_iter().collect::<Option<Vec<_>>>().map(Template::Map)
            }
            other => Some(Template::Constant(scalar_value(other))),
        }
    }

    /// Compiles an expression that stands alone, with or without braces around it.
    pub fn expression(&mut self, text: &Spanned<String>, names: &Names) -> Option<Expression> {
        let (source, range) = unbraced(&text.value);
        match Expression::compile(source, names) {
            Ok(expression) => Some(expression),
            Err(error) => {
                self.template_error(&text.span, &text.value, &TemplateError::Expression { error, range });
                None
            }
        }
    }

    /// Evaluates a literal with what is known while compiling.
    pub fn evaluate(&mut self, node: &Node) -> Option<Value> {
        let names = self.globals.clone();
        let template = self.template(node, &names)?;
        let frame = self.frame();
        match template.evaluate(&frame) {
            Ok(value) => Some(value),
            Err(EvaluationError { expression, message }) => {
                self.error(
                    &node.span,
                    format!("`{expression}` has no value when the file is read: {message}"),
                    Some("only `vars` and numbers can be used here".into()),
                );
                None
            }
        }
    }

    /// Evaluates a literal that must be a whole number of at least `least`.
    pub fn whole_number(&mut self, node: &Node, what: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.evaluate(node)?;
        let number = value
            .as_i64()
            .or_else(|| f64::try_from(value.clone()).ok().filter(|f| f.fract() == 0.0).map(|f| f as i64))
            .and_then(|number| u64::try_from(number).ok());
        match number {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.error(
                    &node.span,
                    format!("{what} must be a whole number from {least} to {most}, not `{value}`"),
                    None,
                );
                None
            }
        }
    }

    /// A frame with the constants that are known so far.
    fn frame(&self) -> Frame {
        let stream = RandomStream { seed: 0, worker: RandomStream::FIXTURES, iteration: u32::MAX };
        let names = Arc::new(self.globals.clone());
        let frame = Frame::new(names, Arc::clone(&self.payloads), stream, std::time::UNIX_EPOCH);
        for (slot, value) in &self.constants {
            frame.store(*slot, value.clone());
        }
        frame
    }
}

fn with_hint(problem: Problem, hint: Option<String>) -> Problem {
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// The expression in `{{ expression }}`, or the whole text; with its range.
fn unbraced(text: &str) -> (&str, Range<usize>) {
    let trimmed = text.trim();
    let inner = trimmed
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .filter(|inner| !inner.contains("}}"))
        .map_or(trimmed, str::trim);
    let start = text.find(inner).unwrap_or(0);
    (inner, start..start + inner.len())
}

/// A scalar of the file as a value.
pub(super) fn scalar_value(kind: &NodeKind) -> Value {
    match kind {
        NodeKind::Bool(value) => Value::from(*value),
        NodeKind::Int(value) => Value::from(*value),
        NodeKind::Float(value) => Value::from(*value),
        NodeKind::Text(value) => Value::from(value.as_str()),
        NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => Value::from(()),
    }
}
