//! Statements with expressions in them, compiled to text with placeholders.
//!
//! `{{ expression }}` becomes a placeholder, `$1`, `$2`, … or `?`, and is bound, never pasted. `@{name}` is text put in
//! when the file is compiled, and must be an identifier.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::expression::{Expression, ExpressionError, Names, Segment, TemplateError, split};

/// A statement's text with its placeholders, and what is bound to them.
#[derive(Debug)]
pub struct CompiledSql {
    pub text: String,
    /// Bound to `$1`, `$2`, … in this order.
    pub parameters: Vec<Expression>,
    /// Where each placeholder stands in `text`.
    pub placeholders: Vec<usize>,
}

/// What is wrong with a statement's text; the range is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    #[error("{0}")]
    Template(TemplateError),
    #[error("an expression inside quotes can't be bound")]
    Quoted(Range<usize>),
    #[error("`@{{` without its `}}`")]
    Unclosed(Range<usize>),
    #[error("`@{{{name}}}` names neither a variable nor a fixture")]
    UnknownName { name: String, range: Range<usize> },
    #[error("`{text}` is not an identifier")]
    NotAnIdentifier { text: String, range: Range<usize> },
    #[error("the statement is empty")]
    Empty,
}

impl SqlError {
    /// Where in the text.
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Template(error) => error.range(),
            Self::Quoted(range) | Self::Unclosed(range) => range.clone(),
            Self::UnknownName { range, .. } | Self::NotAnIdentifier { range, .. } => range.clone(),
            Self::Empty => 0..0,
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Template(error) => error.hint(),
            Self::Quoted(_) => Some("leave the quotes out: the value is bound with its type".into()),
            Self::NotAnIdentifier { .. } => {
                Some("only a name like `orders` or `shop.orders` may become text of a statement; bind values with `{{ }}`".into())
            }
            Self::UnknownName { .. } => Some("`@{…}` takes the name of a variable, or of a fixture for its table".into()),
            _ => None,
        }
    }
}

/// Compiles a statement. `identifier` answers what a name in `@{name}` stands for.
pub fn compile(
    text: &str,
    names: &Names,
    identifier: &dyn Fn(&str) -> Option<String>,
    dialect: Dialect,
) -> Result<CompiledSql, SqlError> {
    if text.trim().is_empty() {
        return Err(SqlError::Empty);
    }
    let mut compiled = CompiledSql {
        text: String::with_capacity(text.len()),
        parameters: Vec::new(),
        placeholders: Vec::new(),
    };
    let mut quotes = Quotes { dialect, state: QuoteState::Outside };
    for segment in split(text).map_err(SqlError::Template)? {
        match segment {
            Segment::Text(range) => {
                quotes.read(&text[range.clone()]);
                substitute(text, range, identifier, dialect, &mut compiled.text)?;
            }
            Segment::Expression(range) => {
                if quotes.inside() {
                    return Err(SqlError::Quoted(range));
                }
                if quotes.in_comment() {
                    continue;
                }
                let expression = Expression::compile(&text[range.clone()], names).map_err(
                    |error: ExpressionError| {
                        SqlError::Template(TemplateError::Expression { error, range: range.clone() })
                    },
                )?;
                compiled.parameters.push(expression);
                compiled.placeholders.push(compiled.text.len());
                compiled.text.push_str(&dialect.placeholder(compiled.parameters.len()));
            }
        }
    }
    Ok(compiled)
}

fn substitute(
    text: &str,
    range: Range<usize>,
    identifier: &dyn Fn(&str) -> Option<String>,
    dialect: Dialect,
    into: &mut String,
) -> Result<(), SqlError> {
    let mut at = range.start;
    while let Some(found) = text[at..range.end].find("@{") {
        let open = at + found;
        into.push_str(&text[at..open]);
        let close = text[open..range.end]
            .find('}')
            .map(|length| open + length)
            .ok_or(SqlError::Unclosed(open..range.end))?;
        let name = text[open + 2..close].trim();
        let place = open..close + 1;
        let value = identifier(name)
            .ok_or_else(|| SqlError::UnknownName { name: name.to_owned(), range: place.clone() })?;
        let quoted = quote_identifier(&value, dialect)
            .ok_or(SqlError::NotAnIdentifier { text: value, range: place })?;
        into.push_str(&quoted);
        at = close + 1;
    }
    into.push_str(&text[at..range.end]);
    Ok(())
}

/// `shop.orders` as it may stand in a statement; `None` when it isn't a name.
pub fn quote_identifier(name: &str, dialect: Dialect) -> Option<String> {
    let part = |part: &str| {
        let plain = part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let wordlike = !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == '-');
        match (plain, wordlike) {
            (true, true) => Some(part.to_owned()),
            (false, true) => Some(dialect.quote(part)),
            (_, false) => None,
        }
    };
    name.split('.')
        .map(part)
        .collect::<Option<Vec<_>>>()
        .filter(|parts| parts.len() <= 2)
        .map(|parts| parts.join("."))
}

/// The name of a table as it may stand in a statement, whatever it is made of; `None` when it is
/// no name. A dot separates a schema from it.
pub fn quote_table(name: &str, dialect: Dialect) -> Option<String> {
    let part = |part: &str| {
        let possible = !part.is_empty() && part.len() <= 63 && !part.chars().any(char::is_control);
        quote_identifier(part, dialect).or_else(|| possible.then(|| dialect.quote(part)))
    };
    let parts: Vec<String> = name.split('.').map(part).collect::<Option<_>>()?;
    (parts.len() <= 2).then(|| parts.join("."))
}

/// Follows quotes and comments of a database's lexical structure through a text.
#[derive(Debug)]
struct Quotes {
    dialect: Dialect,
    state: QuoteState,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum QuoteState {
    #[default]
    Outside,
    /// `'`, `"` or a backquote.
    Quote(char),
    /// A backslash escapes: PostgreSQL's `E'…'`, and MySQL's texts.
    Escaped(char),
    /// `$tag$ … $tag$`.
    Dollar(String),
    LineComment,
    BlockComment(usize),
}

impl Quotes {
    fn inside(&self) -> bool {
        matches!(self.state, QuoteState::Quote(_) | QuoteState::Escaped(_) | QuoteState::Dollar(_))
    }

    fn in_comment(&self) -> bool {
        matches!(self.state, QuoteState::LineComment | QuoteState::BlockComment(_))
    }

    fn read(&mut self, text: &str) {
        let mut rest = text;
        let mut before = ' ';
        let postgres = self.dialect == Dialect::Postgres;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            self.state = match std::mem::take(&mut self.state) {
                QuoteState::Outside => match c {
                    '\'' | '"' if self.dialect == Dialect::MySql => QuoteState::Escaped(c),
                    '\'' if postgres && matches!(before, 'e' | 'E') => QuoteState::Escaped(c),
                    '\'' | '"' => QuoteState::Quote(c),
                    '`' if !postgres => QuoteState::Quote(c),
                    '$' if postgres => match dollar_tag(rest) {
                        Some(tag) => {
                            length = tag.len();
                            QuoteState::Dollar(tag.to_owned())
                        }
                        None => QuoteState::Outside,
                    },
                    '#' if self.dialect == Dialect::MySql => QuoteState::LineComment,
                    '-' if rest.starts_with("--") => QuoteState::LineComment,
                    '/' if rest.starts_with("/*") => QuoteState::BlockComment(1),
                    _ => QuoteState::Outside,
                },
                QuoteState::Quote(open) if c == open => QuoteState::Outside,
                QuoteState::Escaped(open) if c == '\\' => {
                    length += rest[length..].chars().next().map_or(0, char::len_utf8);
                    QuoteState::Escaped(open)
                }
                QuoteState::Escaped(open) if c == open => QuoteState::Outside,
                QuoteState::Dollar(tag) if rest.starts_with(&tag) => {
                    length = tag.len();
                    QuoteState::Outside
                }
                QuoteState::LineComment if c == '\n' => QuoteState::Outside,
                QuoteState::BlockComment(depth) if rest.starts_with("*/") => {
                    length = 2;
                    if depth == 1 { QuoteState::Outside } else { QuoteState::BlockComment(depth - 1) }
                }
                QuoteState::BlockComment(depth) if postgres && rest.starts_with("/*") => {
                    length = 2;
                    QuoteState::BlockComment(depth + 1)
                }
                same => same,
            };
            before = c;
            rest = &rest[length..];
        }
    }
}

/// `$tag$` at the start of a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[1..end - 1];
    let valid = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    valid.then_some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.declare("order");
        names.declare("ids");
        names
    }

    fn text(sql: &str) -> Result<String, SqlError> {
        text_for(sql, Dialect::Postgres)
    }

    fn text_for(sql: &str, dialect: Dialect) -> Result<String, SqlError> {
        let identifier = |name: &str| {
            (name == "orders")
                .then(|| "shop.orders".to_owned())
                .or((name == "evil").then(|| "a; DROP".to_owned()))
        };
        compile(sql, &names(), &identifier, dialect).map(|compiled| compiled.text)
    }

    #[test]
    fn expressions_become_placeholders_and_never_text() {
        assert_eq!(
            text("UPDATE @{orders} SET a = {{ order.a }} WHERE id = ANY({{ ids }}) -- it's {{ order.b }}"),
            Ok("UPDATE shop.orders SET a = $1 WHERE id = ANY($2) -- it's ".into())
        );
        assert_eq!(
            text("SELECT '{1,2}'::int[], $$ ' $$, {{ order }}"),
            Ok("SELECT '{1,2}'::int[], $$ ' $$, $1".into())
        );
        assert_eq!(text("SELECT E'\\'' || {{ order }}"), Ok("SELECT E'\\'' || $1".into()));
    }

    #[test]
    fn each_database_has_its_own_placeholders_and_quotes() {
        assert_eq!(
            text_for(
                "SELECT 'it\\'s', `a'b` # {{ order }}\n, {{ order.a }} FROM t WHERE id = {{ order.b }}",
                Dialect::MySql
            ),
            Ok("SELECT 'it\\'s', `a'b` # \n, ? FROM t WHERE id = ?".into())
        );
        assert_eq!(text_for("SELECT '\\', {{ order }}", Dialect::Sqlite), Ok("SELECT '\\', ?".into()));
        assert_eq!(text_for("SELECT '\\', {{ order }}'", Dialect::MySql), Err(SqlError::Quoted(15..20)));
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        assert_eq!(text("SELECT '{{ order.a }}'"), Err(SqlError::Quoted(11..18)));
        assert!(matches!(text("SELECT * FROM @{evil}"), Err(SqlError::NotAnIdentifier { .. })));
        assert!(matches!(text("SELECT * FROM @{other}"), Err(SqlError::UnknownName { .. })));
        assert!(matches!(text("SELECT {{ oder.a }}"), Err(SqlError::Template(_))));
        assert_eq!(text("  "), Err(SqlError::Empty));
    }

    #[test]
    fn identifiers_are_quoted_where_they_must_be() {
        assert_eq!(quote_identifier("orders", Dialect::Postgres).as_deref(), Some("orders"));
        assert_eq!(
            quote_identifier("Shop.Orders", Dialect::Postgres).as_deref(),
            Some("\"Shop\".\"Orders\"")
        );
        assert_eq!(
            quote_table("Shop.Odd \"Names", Dialect::Postgres).as_deref(),
            Some("\"Shop\".\"Odd \"\"Names\"")
        );
        assert_eq!(quote_table("a.b.c", Dialect::Postgres), None);
        for bad in ["", "a b", "a;b", "a.b.c", "a\"b", "."] {
            assert_eq!(quote_identifier(bad, Dialect::Postgres), None, "{bad}");
        }
    }
}
