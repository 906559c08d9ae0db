//! Texts of several statements.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, Tokenizer},
};

use super::parse::parsed_as;
use crate::dialect::Dialect;

/// The statements of a text, each for itself. A text that can't be read, or that holds a program of
/// statements, is given back whole.
pub fn split_statements(text: &str, dialect: Dialect) -> Vec<String> {
    let Ok(tokens) = Tokenizer::new(parsed_as(dialect), text).tokenize() else {
        return vec![text.to_owned()];
    };
    let makes = |token: &Token, what: Keyword| matches!(token, Token::Word(word) if word.keyword == what);
    if dialect != Dialect::Postgres
        && tokens.iter().any(|token| makes(token, Keyword::TRIGGER) || makes(token, Keyword::PROCEDURE))
    {
        return vec![text.to_owned()];
    }
    let parts = tokens.split(|token| *token == Token::SemiColon);
    let parts = parts.map(|tokens| tokens.iter().map(ToString::to_string).collect::<String>());
    parts.filter(|part| !part.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart_and_programs_stay_whole() {
        for dialect in Dialect::ALL {
            let parts = split_statements("SELECT ';'; UPDATE t SET n = 1;", dialect);
            assert_eq!(
                parts.iter().map(|part| part.trim()).collect::<Vec<_>>(),
                ["SELECT ';'", "UPDATE t SET n = 1"]
            );
        }
        let program = "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END";
        assert_eq!(split_statements(program, Dialect::Sqlite), [program]);
    }
}
