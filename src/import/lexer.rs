//! The words of a specification, cut as PostgreSQL's own scanner does.
//!
//! Blanks are space, tab, carriage return and form feed; a comment ends at either line break. A name
//! may hold any character beyond ASCII. A block of SQL loses the blanks, but not the line breaks,
//! beside its braces, and nothing in it is read: it ends at the first `}`.

use std::ops::Range;

use super::specification::Comments;
use crate::scenario::{Problem, Spanned};

/// The words that no name can be unless it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Notices,
    Permutation,
    Session,
    Setup,
    Step,
    Teardown,
}

impl Keyword {
    const ALL: [Self; 6] =
        [Self::Notices, Self::Permutation, Self::Session, Self::Setup, Self::Step, Self::Teardown];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keyword| keyword.word() == word)
    }

    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Notices => "notices",
            Self::Permutation => "permutation",
            Self::Session => "session",
            Self::Setup => "setup",
            Self::Step => "step",
            Self::Teardown => "teardown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    Keyword(Keyword),
    Name(String),
    /// Digits.
    Number(String),
    /// What stands in the braces, with a place of its own.
    Sql(Spanned<String>),
    Open,
    Close,
    Comma,
    Star,
    End,
}

/// A word and the comments before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub span: Range<usize>,
    /// On the line of the token before.
    pub trailing: Comments,
    /// On lines of their own.
    pub leading: Comments,
}

/// Cuts a text; the last token is [`TokenKind::End`]. What is no word is a problem and left out.
pub(super) fn tokens(text: &str, problems: &mut Vec<Problem>) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, problems };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token(tokens.is_empty());
        let is_end = token.kind == TokenKind::End;
        tokens.push(token);
        if is_end {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    problems: &'a mut Vec<Problem>,
}

/// What stands between two words.
#[derive(Default)]
struct Gap {
    is_own_line: bool,
    /// Since the last comment.
    line_breaks: usize,
    trailing: Comments,
    leading: Comments,
}

impl Gap {
    fn add(&mut self, comment: &str) {
        let comments = if self.is_own_line { &mut self.leading } else { &mut self.trailing };
        if self.line_breaks > 1 && !comments.is_empty() {
            comments.push(String::new());
        }
        comments.push(comment.to_owned());
        self.line_breaks = 0;
    }
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{c}')
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_in_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '$'
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next characters for which it holds.
    fn take(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn token(&mut self, is_first: bool) -> Token {
        let mut gap = Gap { is_own_line: is_first, ..Gap::default() };
        loop {
            self.skip_to_word(&mut gap);
            let start = self.at;
            if let Some(kind) = self.word() {
                let Gap { trailing, leading, .. } = gap;
                return Token { kind, span: start..self.at, trailing, leading };
            }
        }
    }

    fn skip_to_word(&mut self, gap: &mut Gap) {
        loop {
            self.take(is_blank);
            if self.rest().starts_with('\n') {
                self.at += 1;
                gap.is_own_line = true;
                gap.line_breaks += 1;
            } else if self.rest().starts_with('#') {
                self.at += 1;
                let comment = self.take(|c| c != '\n' && c != '\r').trim_end();
                gap.add(comment);
            } else {
                return;
            }
        }
    }

    /// Steps over a word; none where what stands there isn't one.
    fn word(&mut self) -> Option<TokenKind> {
        let Some(c) = self.rest().chars().next() else { return Some(TokenKind::End) };
        let single = match c {
            '"' => return Some(TokenKind::Name(self.quoted())),
            '{' => return Some(TokenKind::Sql(self.sql())),
            _ if begins_name(c) => {
                let word = self.take(is_in_name);
                let name = || TokenKind::Name(word.to_owned());
                return Some(Keyword::of(word).map_or_else(name, TokenKind::Keyword));
            }
            _ if c.is_ascii_digit() => {
                return Some(TokenKind::Number(self.take(|c| c.is_ascii_digit()).to_owned()));
            }
            '(' => Some(TokenKind::Open),
            ')' => Some(TokenKind::Close),
            ',' => Some(TokenKind::Comma),
            '*' => Some(TokenKind::Star),
            _ => None,
        };
        let start = self.at;
        self.at += c.len_utf8();
        if single.is_none() {
            let problem = match c {
                '}' => Problem::error("`}` without its `{`").hint("a block of SQL ends at its first `}`"),
                _ => Problem::error(format!("unexpected character `{c}`")).hint(
                    "names are letters, digits, `_` and `$`, or stand in double quotes; SQL stands in braces",
                ),
            };
            self.problems.push(problem.at(start..self.at));
        }
        single
    }

    fn quoted(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        loop {
            name.push_str(self.take(|c| c != '"' && c != '\n'));
            let rest = self.rest();
            if rest.starts_with("\"\"") {
                name.push('"');
                self.at += 2;
            } else if rest.starts_with('"') {
                self.at += 1;
                return name;
            } else {
                let problem = Problem::error("the quoted name doesn't end on its line").at(start..self.at);
                self.problems.push(problem.hint("write a double quote inside a name twice"));
                return name;
            }
        }
    }

    fn sql(&mut self) -> Spanned<String> {
        let brace = self.at..self.at + 1;
        self.at += 1;
        self.take(is_blank);
        let start = self.at;
        let sql = self.take(|c| c != '}').trim_end_matches(is_blank);
        if self.rest().is_empty() {
            let problem = Problem::error("the block of SQL doesn't end").at(brace);
            self.problems.push(problem.hint("it ends at the first `}` behind it"));
        } else {
            self.at += 1;
        }
        Spanned::new(sql.to_owned(), start..start + sql.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut problems = Vec::new();
        let tokens = tokens(text, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    fn sql(text: &str) -> String {
        match kinds(text).swap_remove(0) {
            TokenKind::Sql(sql) => sql.value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keywords_are_whole_words_and_never_quoted() {
        let name = |name: &str| TokenKind::Name(name.to_owned());
        assert_eq!(
            kinds("step steps \"step\" STEP a1$_ é \"a \"\"b\"\"\" \"\""),
            [
                TokenKind::Keyword(Keyword::Step),
                name("steps"),
                name("step"),
                name("STEP"),
                name("a1$_"),
                name("é"),
                name("a \"b\""),
                name(""),
                TokenKind::End
            ]
        );
        assert_eq!(kinds("12a")[..2], [TokenKind::Number("12".to_owned()), name("a")]);
    }

    #[test]
    fn blocks_lose_the_blanks_beside_their_braces_but_no_line_break() {
        assert_eq!(sql("{ COMMIT; }"), "COMMIT;");
        assert_eq!(sql("{}"), "");
        assert_eq!(sql("{ \t\r }"), "");
        assert_eq!(sql("{\n\tBEGIN;\n}"), "\n\tBEGIN;\n");
        assert_eq!(sql("{ \n  x \n }"), "\n  x \n");
        assert_eq!(sql("{ a { \"b # c }"), "a { \"b # c");
    }

    #[test]
    fn comments_keep_their_paragraphs_and_lines() {
        let mut problems = Vec::new();
        let text = "# a\n#b\n\n\n# c\n\nstep x # d\r# e\n# f\n{}";
        let tokens = tokens(text, &mut problems);
        assert_eq!(tokens[0].leading, [" a", "b", "", " c"]);
        assert_eq!(tokens[2].trailing, [" d", " e"]);
        assert_eq!(tokens[2].leading, [" f"]);
    }

    #[test]
    fn what_is_no_word_is_left_out() {
        let mut problems = Vec::new();
        let tokens = tokens("a - \u{b} } \"x\nb {", &mut problems);
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unexpected character `-`",
                "unexpected character `\u{b}`",
                "`}` without its `{`",
                "the quoted name doesn't end on its line",
                "the block of SQL doesn't end",
            ]
        );
        assert_eq!(tokens.len(), 5);
        assert_eq!(problems[4].span, Some(13..14));
    }
}
