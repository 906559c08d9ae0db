//! Compiles what operations say that a commit changes: `products.stock[product.id]: -quantity`.
//!
//! A sum is `TABLE.COLUMN[KEY]`, a number of rows `TABLE[KEY]`, and without a key the whole table is meant. Each
//! column or table with its key columns is an [`Account`]: what the database shows is read from it before and
//! after the load, by one query.

use std::ops::Range;

use super::{
    scope::{Scope, scalar_value},
    service::ADD_DATABASE,
    sql::{quote_identifier, quote_table},
};
use crate::{
    dialect::Dialect,
    expression::{Expression, FUNCTIONS, Names, TemplateError, Value},
    scenario::{Literal, Named, NodeKind, Spanned, split_at_commas},
};

/// Keys of one account that are read. More wouldn't fit into memory with their histories.
pub const MOST_KEYS: usize = 1_000_000;

/// A quantity of the database that operations say they change, by key.
#[derive(Debug, Clone)]
pub struct Account {
    /// `products.stock by id`.
    pub name: String,
    /// The columns of its key; empty for the whole table.
    pub key: Vec<String>,
    /// Returns the key's columns, then the quantity, all as texts.
    pub query: String,
    /// Where it is first named.
    pub span: Range<usize>,
}

/// What an operation says that its commit changes.
#[derive(Debug)]
pub struct Effect {
    /// Index into [`super::Plan::accounts`].
    pub account: usize,
    /// One for each column of the account's key.
    pub key: Vec<Expression>,
    pub amount: Amount,
    /// As the scenario has it.
    pub written: String,
}

/// By how much.
#[derive(Debug)]
pub enum Amount {
    Fixed(Value),
    Expression(Expression),
}

/// Compiles the effects of an operation; `names` are those that it has at its end.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    written: &Named<Literal>,
    names: &Names,
) -> Option<Vec<Effect>> {
    if let Some(name) = written.keys().next()
        && !scope.has_database
    {
        scope.error(&name.span, "effects are compared with a database", Some(ADD_DATABASE.into()));
        return None;
    }
    let compiled: Vec<Option<Effect>> =
        written.iter().map(|(name, amount)| effect(scope, name, amount, names)).collect();
    compiled.into_iter().collect()
}

fn effect(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    amount: &Literal,
    names: &Names,
) -> Option<Effect> {
    let parts = match Parts::of(&name.value) {
        Ok(parts) => parts,
        Err((message, range)) => {
            let place = scope.place(&name.span, &name.value, range);
            scope.error(&place, message, Some(SYNTAX.into()));
            return None;
        }
    };
    let key: Vec<Option<Expression>> = parts
        .key
        .iter()
        .map(|part| {
            let source = &name.value[part.expression.clone()];
            expression(scope, name, source, part.expression.clone(), names)
        })
        .collect();
    let amount_expression = match &amount.kind {
        NodeKind::Text(text) => {
            let text = Spanned::new(text.clone(), amount.span.clone());
            scope
                .expression(&text, names)
                .filter(|one| draws_nothing(scope, one, &text.span))
                .map(Amount::Expression)
        }
        NodeKind::Int(_) | NodeKind::Float(_) => Some(Amount::Fixed(scalar_value(&amount.kind))),
        other => {
            scope.error(
                &amount.span,
                format!("an effect is an amount, not {}", other.describe()),
                Some("write a number or an expression: `-quantity`".into()),
            );
            None
        }
    };
    let account = account(scope, name, &parts);
    Some(Effect {
        account: account?,
        key: key.into_iter().collect::<Option<_>>()?,
        amount: amount_expression?,
        written: match &amount.kind {
            NodeKind::Text(text) => format!("{name}: {}", text.trim()),
            kind => format!("{name}: {}", scalar_value(kind)),
        },
    })
}

fn expression(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    source: &str,
    range: Range<usize>,
    names: &Names,
) -> Option<Expression> {
    match Expression::compile(source, names) {
        Ok(expression) => draws_nothing(scope, &expression, &name.span).then_some(expression),
        Err(error) => {
            scope.template_error(&name.span, &name.value, &TemplateError::Expression { error, range });
            None
        }
    }
}

/// An effect is told after the operation has ended: what it drew then would be something else.
fn draws_nothing(scope: &mut Scope<'_>, expression: &Expression, span: &Range<usize>) -> bool {
    let drawing = FUNCTIONS.into_iter().filter(|name| !matches!(*name, "range" | "dict"));
    let Some(function) = drawing.into_iter().find(|function| expression.mentions(function)) else {
        return true;
    };
    scope.error(
        span,
        format!("an effect can't use `{function}`: it would be another value than the operation's"),
        Some("give the value a name with `let`, and use the name".into()),
    );
    false
}

/// The account that a name stands for, which several operations may share.
fn account(scope: &mut Scope<'_>, name: &Spanned<String>, parts: &Parts<'_>) -> Option<usize> {
    let dialect = scope.dialect;
    let identifier = |scope: &mut Scope<'_>, text: &str| {
        let quoted = quote_identifier(text, dialect).filter(|quoted| !quoted.contains('.'));
        if quoted.is_none() {
            scope.error(&name.span, format!("`{text}` is not the name of a column"), None);
        }
        quoted
    };
    let Some(table) = quote_table(parts.table, dialect) else {
        scope.error(&name.span, format!("`{}` is not the name of a table", parts.table), None);
        return None;
    };
    let column = match parts.column {
        Some(column) => Some(identifier(scope, column)?),
        None => None,
    };
    let columns: Vec<String> =
        parts.key.iter().map(|part| identifier(scope, part.column)).collect::<Option<_>>()?;
    let what = match parts.column {
        Some(column) => format!("{}.{column}", parts.table),
        None => format!("rows of {}", parts.table),
    };
    let key: Vec<String> = parts.key.iter().map(|part| part.column.to_owned()).collect();
    let account = Account {
        name: if key.is_empty() { what } else { format!("{what} by {}", key.join(", ")) },
        query: query(dialect, &table, column.as_deref(), &columns),
        key,
        span: name.span.clone(),
    };
    Some(match scope.accounts.iter().position(|known| known.query == account.query) {
        Some(index) => index,
        None => {
            scope.accounts.push(account);
            scope.accounts.len() - 1
        }
    })
}

/// The quantity of every key, all as texts, so that no digit is lost on the way.
fn query(dialect: Dialect, table: &str, column: Option<&str>, key: &[String]) -> String {
    let text = if dialect == Dialect::MySql { "char" } else { "text" };
    let quantity = match (column, dialect) {
        (None, _) => format!("CAST(count(*) AS {text})"),
        // SQLite adds up as floating point what isn't whole: rounded to what a decimal column would show.
        (Some(column), Dialect::Sqlite) => format!(
            "CASE typeof(sum({column})) WHEN 'real' THEN printf('%.9f', sum({column})) \
             ELSE CAST(coalesce(sum({column}), 0) AS text) END"
        ),
        (Some(column), _) => format!("CAST(coalesce(sum({column}), 0) AS {text})"),
    };
    let columns: Vec<String> = key.iter().map(|column| format!("CAST({column} AS {text})")).collect();
    let columns: String = columns.iter().map(|column| format!("{column}, ")).collect();
    let group = if key.is_empty() { String::new() } else { format!(" GROUP BY {}", key.join(", ")) };
    format!("SELECT {columns}{quantity} FROM {table}{group} LIMIT {}", MOST_KEYS + 1)
}

const SYNTAX: &str = "write `table.column[key]` for a sum and `table[key]` for a number of rows; a key is a path \
                      that ends in its column, like `product.id`, or `column = expression`";

/// The parts of a written effect.
#[derive(Debug, PartialEq)]
struct Parts<'a> {
    table: &'a str,
    /// `None`: rows are counted.
    column: Option<&'a str>,
    key: Vec<KeyPart<'a>>,
}

#[derive(Debug, PartialEq)]
struct KeyPart<'a> {
    column: &'a str,
    /// Where its value stands in the text.
    expression: Range<usize>,
}

impl<'a> Parts<'a> {
    /// # Errors
    /// What is wrong, and where in the text.
    fn of(text: &'a str) -> Result<Self, (String, Range<usize>)> {
        let whole = 0..text.len();
        let (head, key) = match text.find('[') {
            None => (text, Vec::new()),
            Some(open) => {
                let Some(inside) = text[open + 1..].trim_end().strip_suffix(']') else {
                    return Err(("a key begins with `[` and ends with `]`".into(), open..text.len()));
                };
                let start = open + 1;
                let parts = split_at_commas(inside).into_iter();
                let parts = parts.map(|range| key_part(text, start + range.start..start + range.end));
                (&text[..open], parts.collect::<Result<_, _>>()?)
            }
        };
        let head = head.trim();
        let (table, column) = match head.rsplit_once('.') {
            None => (head, None),
            // `shop.orders.*` counts the rows of a table in a schema.
            Some((table, "*")) => (table, None),
            Some((table, column)) => (table, Some(column)),
        };
        if table.is_empty() || column.is_some_and(str::is_empty) {
            return Err(("an effect names a table".into(), whole));
        }
        Ok(Self { table, column, key })
    }
}

/// `id = product.id`, or `product.id`.
fn key_part(text: &str, range: Range<usize>) -> Result<KeyPart<'_>, (String, Range<usize>)> {
    let trimmed = |range: Range<usize>| {
        let part = &text[range.clone()];
        let start = range.start + (part.len() - part.trim_start().len());
        start..start + part.trim().len()
    };
    let whole = trimmed(range.clone());
    let part = &text[whole.clone()];
    if part.is_empty() {
        return Err(("a key without a value".into(), range));
    }
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    if let Some((column, value)) = part.split_once('=')
        && is_name(column.trim())
        && !value.starts_with('=')
    {
        let expression = trimmed(whole.start + column.len() + 1..whole.end);
        if expression.is_empty() {
            return Err((format!("the key `{}` has no value", column.trim()), whole));
        }
        return Ok(KeyPart { column: column.trim(), expression });
    }
    match part.rsplit_once('.') {
        Some((path, column)) if is_name(column) && path.split('.').all(is_name) => {
            Ok(KeyPart { column, expression: whole })
        }
        _ => Err((format!("`{part}` doesn't say which column it is the value of"), whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(column: &str, expression: Range<usize>) -> KeyPart<'_> {
        KeyPart { column, expression }
    }

    #[test]
    fn sums_counts_and_whole_tables_are_told_apart() {
        let parts = Parts::of("products.stock[product.id]").expect("a sum");
        assert_eq!(parts, Parts { table: "products", column: Some("stock"), key: vec![key("id", 15..25)] });
        let parts = Parts::of("payouts[ref = intent.id, status='paid, or not']").expect("rows");
        assert_eq!(parts.column, None);
        assert_eq!(parts.key, [key("ref", 14..23), key("status", 32..46)]);
        let parts = Parts::of("shop.payouts.*").expect("all rows of a table in a schema");
        assert_eq!((parts.table, parts.column, parts.key.len()), ("shop.payouts", None, 0));
        let parts = Parts::of("a.b[x = f(1, [2, 3])]").expect("a call with commas");
        assert_eq!(parts.key, [key("x", 8..20)]);
    }

    #[test]
    fn mistakes_are_at_their_places() {
        let mistake = |text: &str| Parts::of(text).expect_err("a mistake");
        assert_eq!(mistake("a.b[x + 1]").1, 4..9);
        assert_eq!(mistake("a.b[x").1, 3..5);
        assert_eq!(mistake("a.b[id = ]").0, "the key `id` has no value");
        assert_eq!(mistake("[id = 1]").0, "an effect names a table");
        assert!(mistake("a.b[id == 1]").0.contains("which column"));
    }

    #[test]
    fn each_database_adds_up_without_losing_digits() {
        let key = ["id".to_owned()];
        let query = |dialect| query(dialect, "products", Some("stock"), &key);
        assert_eq!(
            query(Dialect::Postgres),
            "SELECT CAST(id AS text), CAST(coalesce(sum(stock), 0) AS text) FROM products GROUP BY id LIMIT 1000001"
        );
        assert!(query(Dialect::MySql).starts_with("SELECT CAST(id AS char), CAST("));
        assert!(query(Dialect::Sqlite).contains("printf('%.9f', sum(stock))"));
    }
}
