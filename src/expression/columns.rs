//! Columns of rows of data files, which are known when an expression is compiled.

use super::{Names, compiled::ExpressionError};

/// Functions that give a row of a data file.
const DRAWS: [&str; 2] = ["next", "pick"];

/// A column that a row of a data file doesn't have: of a name that stands for such a row, or of a call
/// that draws one.
pub(super) fn unknown_column(
    source: &str,
    expression: &minijinja::Expression<'static, 'static>,
    names: &Names,
) -> Option<ExpressionError> {
    if !names.know_columns() {
        return None;
    }
    let mut paths: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
    paths.sort_unstable();
    let of_names = paths.iter().find_map(|path| {
        let (name, rest) = path.split_once('.')?;
        missing(name, rest.split('.').next()?, names.columns(name)?)
    });
    of_names.or_else(|| {
        let mut drawn = drawn(source).into_iter();
        drawn.find_map(|(call, file, column)| missing(call, column, names.columns_of_file(file)?))
    })
}

fn missing(name: &str, column: &str, known: &[Box<str>]) -> Option<ExpressionError> {
    known.iter().all(|one| **one != *column).then(|| ExpressionError::UnknownColumn {
        name: name.to_owned(),
        column: column.to_owned(),
        known: known.iter().map(|column| column.to_string()).collect(),
    })
}

/// Calls like `next(cards).number` outside of quoted texts: `next(cards)`, `cards` and `number`.
fn drawn(source: &str) -> Vec<(&str, &str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let mut found = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let here = rest;
        rest = &rest[c.len_utf8()..];
        match quote {
            Some(_) if c == '\\' => {
                rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or("")
            }
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if !is_word(before) && before != '.' => {
                let call = DRAWS.iter().find_map(|name| {
                    let (file, after) = here.strip_prefix(name)?.strip_prefix('(')?.split_once(')')?;
                    let column = after.strip_prefix('.')?;
                    let length = here.len() - after.len();
                    Some((&here[..length], file.trim(), &column[..word(column)]))
                });
                found.extend(call);
            }
            None => {}
        }
        before = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_found_outside_of_texts() {
        let source = "next( cards ).number ~ 'next(cards).x' ~ x.next(cards).y ~ (pick(places).name | upper) ~ next(cards)";
        assert_eq!(
            drawn(source),
            [("next( cards )", "cards", "number"), ("pick(places)", "places", "name")]
        );
        assert_eq!(drawn("'it\\'s next(a).b' ~ next(c).d"), [("next(c)", "c", "d")]);
        assert!(drawn("'ä\\").is_empty());
    }
}
