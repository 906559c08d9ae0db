//! Parses SQL, within the limits of a thread's stack and beyond what the parser knows.
//!
//! A statement's text comes in, the parser's tree goes out; a text that it doesn't know has none, which isn't an
//! error.

use sqlparser::{
    ast::Statement,
    dialect::{GenericDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use crate::dialect::Dialect;

/// Levels of statements and expressions within others.
const DEEPEST: usize = 50;
/// The parser takes up to 200 kB of the stack for each level in a build without optimisation, so that nested texts
/// have one of their own.
const STACK: usize = 32 << 20;
/// Levels for which every thread has room.
const SHALLOW: usize = 4;
/// Operators of one statement: well within the two megabytes of a thread's stack.
const MOST_CHAINED: usize = 500;

pub(super) fn parsed_as(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::MySql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    }
}

fn is_chaining(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::IS
                | Keyword::COLLATE
        ),
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::DoubleColon
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Caret
        | Token::Pipe
        | Token::Ampersand
        | Token::LBracket
        | Token::Arrow
        | Token::LongArrow => true,
        _ => false,
    }
}

/// The statements of a text, when the parser knows them.
pub(super) fn parse(sql: &str, dialect: Dialect) -> Option<Vec<Statement>> {
    let tokens = Tokenizer::new(parsed_as(dialect), sql).tokenize_with_location().ok()?;
    // NB: what is chained is a level of the tree each, which is walked on the stack.
    if tokens.iter().filter(|token| is_chaining(&token.token)).count() > MOST_CHAINED {
        return None;
    }
    let opened = tokens.iter().filter(|token| token.token == Token::LParen).count();
    let parse = || {
        Parser::new(parsed_as(dialect))
            .with_recursion_limit(DEEPEST)
            .with_tokens_with_locations(with_known_strengths(tokens))
            .parse_statements()
            .ok()
    };
    if opened <= SHALLOW {
        return parse();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
        // Without a thread the statement is one that isn't known.
        thread.ok()?.join().ok()?
    })
}

/// The clause by which a statement asks for row locks, when it does.
pub fn row_lock_clause(sql: &str) -> Option<&'static str> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    let words: Vec<Keyword> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .map(|token| match token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        })
        .collect();
    (0..words.len()).find_map(|at| match &words[at..] {
        [Keyword::FOR, Keyword::UPDATE, ..] => Some("FOR UPDATE"),
        [Keyword::FOR, Keyword::SHARE, ..] => Some("FOR SHARE"),
        [Keyword::FOR, Keyword::NO, Keyword::KEY, Keyword::UPDATE, ..] => Some("FOR NO KEY UPDATE"),
        [Keyword::FOR, Keyword::KEY, Keyword::SHARE, ..] => Some("FOR KEY SHARE"),
        [Keyword::LOCK, Keyword::IN, Keyword::SHARE, Keyword::MODE, ..] => Some("LOCK IN SHARE MODE"),
        _ => None,
    })
}

/// `FOR NO KEY UPDATE`, `FOR KEY SHARE` and `LOCK IN SHARE MODE` are unknown to the parser: they become
/// the strengths that it knows, which lock the same tables.
fn with_known_strengths(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let word = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    };
    let words: Vec<(usize, Keyword)> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)))
        .map(|(index, token)| (index, word(&token.token).unwrap_or(Keyword::NoKeyword)))
        .collect();
    let mut dropped = Vec::new();
    for window in words.windows(4) {
        if let [(_, Keyword::FOR), (no, Keyword::NO), (key, Keyword::KEY), (_, Keyword::UPDATE)] = window {
            dropped.extend([*no, *key]);
        }
    }
    for window in words.windows(3) {
        if let [(_, Keyword::FOR), (key, Keyword::KEY), (_, Keyword::SHARE)] = window {
            dropped.push(*key);
        }
    }
    for window in words.windows(4) {
        if let [(lock, Keyword::LOCK), (into, Keyword::IN), (_, Keyword::SHARE), (mode, Keyword::MODE)] =
            window
        {
            dropped.extend([*into, *mode]);
            tokens[*lock].token = Token::make_keyword("FOR");
        }
    }
    tokens
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !dropped.contains(index))
        .map(|(_, token)| token)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_that_locks_rows_is_no_text_and_no_comment() {
        assert_eq!(row_lock_clause("SELECT 'FOR UPDATE' FROM t -- FOR UPDATE"), None);
        assert_eq!(row_lock_clause("SELECT 1 FROM t for  update"), Some("FOR UPDATE"));
        assert_eq!(row_lock_clause("SELECT 1 FROM t FOR KEY SHARE"), Some("FOR KEY SHARE"));
    }

    #[test]
    fn what_is_chained_without_end_is_not_looked_at() {
        for (one, other) in
            [("+", "1"), (" AND ", "a"), (" UNION ", "SELECT 1"), ("::", "int"), ("||", "1")]
        {
            let sql = |times: usize| format!("SELECT 1 WHERE 1{}", format!("{one}{other}").repeat(times));
            assert!(parse(&sql(100_000), Dialect::Postgres).is_none(), "{one}");
            // As many as may be fit a thread's stack, whatever comes of them.
            let text = sql(490);
            std::thread::spawn(move || drop(parse(&text, Dialect::Postgres)))
                .join()
                .expect("the stack is enough");
        }
    }

    #[test]
    fn deep_nesting_is_unknown_and_not_a_crash() {
        let sql = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
        assert!(parse(&sql, Dialect::Postgres).is_none());
    }

    #[test]
    fn statements_within_statements_have_a_stack_of_their_own() {
        let sql = (0..20).fold("t".to_owned(), |inner, n| format!("(SELECT * FROM {inner}) AS t{n}"));
        let sql = format!("SELECT * FROM {sql}");
        let parsed = std::thread::spawn(move || parse(&sql, Dialect::Postgres).map(|parsed| parsed.len()));
        assert_eq!(parsed.join().expect("the stack is enough"), Some(1));
    }
}
