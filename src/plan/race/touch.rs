//! Which rows a statement touches, where its text says so by equality alone.
//!
//! `WHERE id = $1 AND kind = 'x'` names rows; anything else names none, and proves nothing.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        AssignmentTarget, BinaryOperator, Expr, FromTable, Select, SetExpr, Statement, TableFactor,
        TableObject, TableWithJoins, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
    },
    tokenizer::Location,
};

use super::super::{locks, parse::parse};
use crate::dialect::Dialect;

/// What a statement touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchPattern {
    pub kind: PatternKind,
    pub table: String,
    /// Columns that are equal to a value.
    pub key: Vec<(String, Operand)>,
}

/// How it touches the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternKind {
    /// It reads the rows that the key names, or all rows without one; `false`: other conditions too.
    Read { whole: bool },
    /// It changes rows that the key names; `blind`: to values that don't depend on what is there.
    Write { blind: bool },
    /// It inserts a row with these values.
    Insert,
}

/// A value in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// As text.
    Literal(String),
    /// Place among the parameters.
    Parameter(usize),
}

/// Reads a statement's text; `None` when it is none of the simple ones.
pub(super) fn pattern(sql: &str, dialect: Dialect) -> Option<TouchPattern> {
    let mut statements = parse(sql, dialect)?;
    let [statement] = statements.as_mut_slice() else { return None };
    number_placeholders(statement);
    match &*statement {
        Statement::Query(query) if query.with.is_none() => match &*query.body {
            SetExpr::Select(select) => read(select),
            _ => None,
        },
        Statement::Update(update) => {
            let (key, _) = equalities(update.selection.as_ref());
            let blind = update.assignments.iter().all(|one| is_constant(&one.value))
                && update
                    .assignments
                    .iter()
                    .all(|one| matches!(one.target, AssignmentTarget::ColumnName(_)));
            let table = only_table(std::slice::from_ref(&update.table))?;
            (!key.is_empty() && update.from.is_none()).then_some(TouchPattern {
                kind: PatternKind::Write { blind },
                table,
                key,
            })
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let (key, _) = equalities(delete.selection.as_ref());
            let kind = PatternKind::Write { blind: true };
            (!key.is_empty() && delete.using.is_none()).then_some(TouchPattern {
                kind,
                table: only_table(from)?,
                key,
            })
        }
        Statement::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else { return None };
            let SetExpr::Values(values) = &*insert.source.as_ref()?.body else { return None };
            let [row] = values.rows.as_slice() else { return None };
            let columns = insert.columns.iter().map(|column| column.to_string());
            let cells = row.iter().map(operand);
            let key = columns.zip(cells).filter_map(|(column, cell)| Some((column, cell?))).collect();
            Some(TouchPattern { kind: PatternKind::Insert, table: locks::table_name(name), key })
        }
        _ => None,
    }
}

/// Where they have no number, placeholders are counted in the order of the text.
fn number_placeholders(statement: &mut Statement) {
    struct Placeholders(Vec<Location>);
    impl Visitor for Placeholders {
        type Break = std::convert::Infallible;
        fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
            if matches!(&value.value, Value::Placeholder(name) if name == "?") {
                self.0.push(value.span.start);
            }
            ControlFlow::Continue(())
        }
    }
    struct Numbers(Vec<Location>);
    impl VisitorMut for Numbers {
        type Break = std::convert::Infallible;
        fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Self::Break> {
            if let Value::Placeholder(name) = &mut value.value
                && let Some(at) = self.0.iter().position(|place| *place == value.span.start)
            {
                *name = format!("${}", at + 1);
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Placeholders(Vec::new());
    let ControlFlow::Continue(()) = Visit::visit(statement, &mut found);
    let Placeholders(mut places) = found;
    places.sort_unstable();
    let ControlFlow::Continue(()) = VisitMut::visit(statement, &mut Numbers(places));
}

fn read(select: &Select) -> Option<TouchPattern> {
    let (key, whole) = equalities(select.selection.as_ref());
    Some(TouchPattern { kind: PatternKind::Read { whole }, table: only_table(&select.from)?, key })
}

fn only_table(from: &[TableWithJoins]) -> Option<String> {
    match from {
        [TableWithJoins { relation: TableFactor::Table { name, args: None, .. }, joins }]
            if joins.is_empty() =>
        {
            Some(locks::table_name(name))
        }
        _ => None,
    }
}

/// The columns that a condition says are equal to a value, and whether it says nothing else. What is said
/// of values alone was true if a row was changed.
fn equalities(condition: Option<&Expr>) -> (Vec<(String, Operand)>, bool) {
    let Some(condition) = condition else { return (Vec::new(), true) };
    match condition {
        Expr::Nested(inner) => equalities(Some(inner)),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let ((mut key, one), (more, other)) = (equalities(Some(left)), equalities(Some(right)));
            key.extend(more);
            key.sort_by(|one, other| one.0.cmp(&other.0));
            (key, one && other)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            match (column(left), operand(right), column(right), operand(left)) {
                (Some(column), Some(value), _, _) | (_, _, Some(column), Some(value)) => {
                    (vec![(column, value)], true)
                }
                _ => (Vec::new(), is_constant(condition)),
            }
        }
        other => (Vec::new(), is_constant(other)),
    }
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

fn operand(expr: &Expr) -> Option<Operand> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Placeholder(name) => {
            let number: usize = name.strip_prefix('$')?.parse().ok()?;
            Some(Operand::Parameter(number.checked_sub(1)?))
        }
        Value::Number(digits, _) => Some(Operand::Literal(digits.to_string())),
        Value::SingleQuotedString(text) => Some(Operand::Literal(text.clone())),
        Value::Boolean(value) => Some(Operand::Literal(value.to_string())),
        _ => None,
    }
}

/// True for an expression that looks at no column.
fn is_constant(expr: &Expr) -> bool {
    struct Columns(bool);
    impl Visitor for Columns {
        type Break = std::convert::Infallible;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
            self.0 |= !matches!(
                expr,
                Expr::Value(_)
                    | Expr::BinaryOp { .. }
                    | Expr::UnaryOp { .. }
                    | Expr::Nested(_)
                    | Expr::Cast { .. }
            );
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns(false);
    let ControlFlow::Continue(()) = expr.visit(&mut columns);
    !columns.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str, dialect: Dialect) -> String {
        pattern(sql, dialect).map_or_else(
            || "none".to_owned(),
            |TouchPattern { kind, table, key }| {
                let key: Vec<String> =
                    key.iter().map(|(column, value)| format!("{column}={value:?}")).collect();
                format!("{kind:?} {table} {}", key.join(" "))
            },
        )
    }

    #[test]
    fn rows_are_named_by_equality() {
        for (sql, expected) in [
            ("SELECT n FROM t WHERE id = $1", "Read { whole: true } t id=Parameter(0)"),
            ("SELECT n FROM t", "Read { whole: true } t "),
            ("SELECT n FROM t WHERE n > 1 AND id = 'x'", "Read { whole: false } t id=Literal(\"x\")"),
            ("SELECT n FROM t JOIN u ON true", "none"),
            ("UPDATE t SET n = $1 WHERE id = 7 AND $2 > 1", "Write { blind: true } t id=Literal(\"7\")"),
            ("UPDATE t SET n = n + 1 WHERE id = 7", "Write { blind: false } t id=Literal(\"7\")"),
            ("UPDATE t SET n = 1", "none"),
            ("DELETE FROM t WHERE id = 7", "Write { blind: true } t id=Literal(\"7\")"),
            ("INSERT INTO t (id, n) VALUES (1, now())", "Insert t id=Literal(\"1\")"),
            ("SELECT 1; SELECT 2", "none"),
        ] {
            assert_eq!(shown(sql, Dialect::Postgres).trim(), expected.trim(), "{sql}");
        }
        let sql = "UPDATE t SET n = ? WHERE ? > 1 AND id = ? AND kind = 'x'";
        let expected = "Write { blind: true } t id=Parameter(2) kind=Literal(\"x\")";
        assert_eq!(shown(sql, Dialect::MySql), expected);
        assert_eq!(shown(sql, Dialect::Sqlite), expected);
    }
}
