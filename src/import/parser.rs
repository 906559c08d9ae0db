//! The grammar of a specification: blocks, sessions, steps and permutations, in this order.
//!
//! Every item is read by itself and put where the items before it allow, so that one that is wrong
//! doesn't hide the mistakes behind it.

use super::{
    lexer::{Keyword, Token, TokenKind, tokens},
    specification::{Block, Comments, Marker, Permutation, PermutationStep, Session, Specification, Step},
};
use crate::scenario::{Problem, Spanned};

/// What a specification is made of.
const ITEMS: &str = "`setup`, `teardown`, `session`, `step` or `permutation`";

/// Reads a specification as far as it can be read, with the problems of its grammar.
pub(super) fn parse(text: &str) -> (Specification, Vec<Problem>) {
    let mut problems = Vec::new();
    let tokens = tokens(text, &mut problems);
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), comments: Comments::new(), problems };
    let specification = parser.specification();
    (specification, parser.problems)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Of the item that is being read.
    comments: Comments,
    problems: Vec<Problem>,
}

/// An item couldn't be read; the problem has been noted.
struct Skipped;

type Read<T> = Result<T, Skipped>;

impl Parser {
    fn specification(&mut self) -> Specification {
        let mut found = Specification::default();
        loop {
            if let TokenKind::Keyword(_) = self.peek() {
                let token = self.next();
                if self.item(&token, &mut found).is_err() {
                    self.skip_item();
                }
            } else if *self.peek() == TokenKind::End {
                let end = self.next();
                found.closing = std::mem::take(&mut self.comments);
                self.finish(&found, &end);
                return found;
            } else {
                self.expected(ITEMS);
                self.skip_item();
            }
            self.comments.clear();
        }
    }

    /// Reads what follows its first word, and puts it where it belongs.
    fn item(&mut self, at: &Token, found: &mut Specification) -> Read<()> {
        let TokenKind::Keyword(keyword) = at.kind else { return Err(Skipped) };
        if !found.permutations.is_empty() && keyword != Keyword::Permutation {
            self.problems.push(
                Problem::error(format!("{} after a permutation", describe(&at.kind)))
                    .at(at.span.clone())
                    .hint("permutations come last"),
            );
        }
        match keyword {
            Keyword::Setup => {
                let block = self.block()?;
                self.put_setup(block, at, found);
            }
            Keyword::Teardown => {
                let block = self.block()?;
                self.put_teardown(block, at, found);
            }
            Keyword::Session => {
                self.close_session(found);
                let name = self.name("the session's name")?;
                let comments = self.item_comments();
                let session = Session { comments, name, setup: None, steps: Vec::new(), teardown: None };
                found.sessions.push(session);
            }
            Keyword::Step => {
                let name = self.name("the step's name")?;
                let sql = self.sql()?;
                let step = Step { comments: self.item_comments(), name, sql };
                self.put_step(step, at, found);
            }
            Keyword::Permutation => {
                if found.permutations.is_empty() {
                    self.close_session(found);
                }
                let steps = self.permutation_steps()?;
                found.permutations.push(Permutation { comments: self.item_comments(), steps });
            }
            Keyword::Notices => {
                self.problems.push(Problem::error("`notices` outside a marker").at(at.span.clone()));
                return Err(Skipped);
            }
        }
        Ok(())
    }

    fn put_setup(&mut self, block: Block, at: &Token, found: &mut Specification) {
        let wrong = match found.sessions.last_mut() {
            None if found.teardown.is_some() => Some("`setup` after `teardown`"),
            None => {
                found.setups.push(block);
                None
            }
            Some(session) if session.setup.is_some() => Some("a second `setup` of the session"),
            Some(session) if !session.steps.is_empty() || session.teardown.is_some() => {
                Some("`setup` after the session's steps")
            }
            Some(session) => {
                session.setup = Some(block);
                None
            }
        };
        let hint =
            "the specification's come before its `teardown`; a session has at most one, before its steps";
        self.problems.extend(wrong.map(|wrong| Problem::error(wrong).at(at.span.clone()).hint(hint)));
    }

    fn put_teardown(&mut self, block: Block, at: &Token, found: &mut Specification) {
        let place = match found.sessions.last_mut() {
            None => &mut found.teardown,
            Some(session) => &mut session.teardown,
        };
        if place.is_some() {
            self.problems.push(Problem::error("a second `teardown`").at(at.span.clone()));
        } else {
            *place = Some(block);
        }
    }

    fn put_step(&mut self, step: Step, at: &Token, found: &mut Specification) {
        match found.sessions.last_mut() {
            None => self.problems.push(
                Problem::error("a step before the first session")
                    .at(at.span.clone())
                    .hint("write `session NAME` before it"),
            ),
            Some(session) => {
                if session.teardown.is_some() {
                    let problem = Problem::error("a step after the session's `teardown`");
                    self.problems.push(problem.at(at.span.clone()));
                }
                session.steps.push(step);
            }
        }
    }

    /// A session has a step, unless one of its steps couldn't be read.
    fn close_session(&mut self, found: &Specification) {
        if let Some(session) = found.sessions.last()
            && session.steps.is_empty()
            && self.problems.is_empty()
        {
            let problem = Problem::error(format!("session `{}` has no step", session.name));
            self.problems.push(problem.at(session.name.span.clone()));
        }
    }

    fn finish(&mut self, found: &Specification, end: &Token) {
        if found.permutations.is_empty() {
            self.close_session(found);
        }
        if found.sessions.is_empty() && self.problems.is_empty() {
            self.problems.push(
                Problem::error("the specification has no session")
                    .at(end.span.clone())
                    .hint("write `session NAME` and its steps, `step NAME { SQL }`"),
            );
        }
    }

    fn permutation_steps(&mut self) -> Read<Vec<PermutationStep>> {
        let mut steps = Vec::new();
        while steps.is_empty() || matches!(self.peek(), TokenKind::Name(_)) {
            let name = self.name("the name of a step")?;
            steps.push(PermutationStep { name, markers: self.markers()? });
        }
        Ok(steps)
    }

    /// `(…, …)`, when it is there.
    fn markers(&mut self) -> Read<Vec<Marker>> {
        let mut markers = Vec::new();
        if self.next_if(|kind| *kind == TokenKind::Open).is_none() {
            return Ok(markers);
        }
        loop {
            markers.push(self.marker()?);
            if self.next_if(|kind| *kind == TokenKind::Close).is_some() {
                return Ok(markers);
            }
            if self.next_if(|kind| *kind == TokenKind::Comma).is_none() {
                return Err(self.expected("`,` or `)` after a marker"));
            }
        }
    }

    fn marker(&mut self) -> Read<Marker> {
        if self.next_if(|kind| *kind == TokenKind::Star).is_some() {
            return Ok(Marker::Once);
        }
        let name = self.name("a marker: `*`, a step, or a step and `notices N`")?;
        if self.next_if(|kind| *kind == TokenKind::Keyword(Keyword::Notices)).is_none() {
            return Ok(Marker::Step(name));
        }
        let Some(Token { kind: TokenKind::Number(digits), span, .. }) =
            self.next_if(|kind| matches!(kind, TokenKind::Number(_)))
        else {
            return Err(self.expected("the number of notices"));
        };
        digits.parse().map(|number| Marker::Notices(name, number)).map_err(|_| {
            self.problems.push(Problem::error("more notices than can be counted").at(span));
            Skipped
        })
    }

    fn block(&mut self) -> Read<Block> {
        let sql = self.sql()?;
        Ok(Block { comments: self.item_comments(), sql })
    }

    fn sql(&mut self) -> Read<Spanned<String>> {
        match self.next_if(|kind| matches!(kind, TokenKind::Sql(_))) {
            Some(Token { kind: TokenKind::Sql(sql), .. }) => Ok(sql),
            _ => Err(self.expected("SQL in braces")),
        }
    }

    fn name(&mut self, what: &str) -> Read<Spanned<String>> {
        match self.next_if(|kind| matches!(kind, TokenKind::Name(_))) {
            Some(Token { kind: TokenKind::Name(name), span, .. }) => Ok(Spanned::new(name, span)),
            _ => Err(self.expected(what)),
        }
    }

    /// The comments before, in and right behind the item that has been read.
    fn item_comments(&mut self) -> Comments {
        let mut comments = std::mem::take(&mut self.comments);
        if let Some(next) = self.tokens.peek_mut() {
            comments.append(&mut next.trailing);
        }
        comments
    }

    /// Notes that the next word isn't what it must be, and leaves it where it is.
    fn expected(&mut self, what: &str) -> Skipped {
        let found = self.tokens.peek().expect("the end is taken last");
        let problem = Problem::error(format!("expected {what}, found {}", describe(&found.kind)));
        let problem = problem.at(found.span.clone());
        self.problems.push(match found.kind {
            TokenKind::Keyword(keyword) if what.contains("name") => {
                problem.hint(format!("to be a name, `{}` needs double quotes", keyword.word()))
            }
            _ => problem,
        });
        Skipped
    }

    fn peek(&mut self) -> &TokenKind {
        &self.tokens.peek().expect("the end is taken last").kind
    }

    /// Takes a word; its comments belong to the item.
    fn next(&mut self) -> Token {
        let mut token = self.tokens.next().expect("the end is taken last");
        self.comments.append(&mut token.trailing);
        self.comments.append(&mut token.leading);
        token
    }

    fn next_if(&mut self, wanted: impl Fn(&TokenKind) -> bool) -> Option<Token> {
        wanted(self.peek()).then(|| self.next())
    }

    /// Goes on at the next word that begins an item.
    fn skip_item(&mut self) {
        while !matches!(self.peek(), TokenKind::Keyword(_) | TokenKind::End) {
            self.next();
        }
    }
}

fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Keyword(keyword) => format!("`{}`", keyword.word()),
        TokenKind::Name(name) => format!("the name `{name}`"),
        TokenKind::Number(digits) => format!("the number {digits}"),
        TokenKind::Sql(_) => "SQL in braces".to_owned(),
        TokenKind::Open => "`(`".to_owned(),
        TokenKind::Close => "`)`".to_owned(),
        TokenKind::Comma => "`,`".to_owned(),
        TokenKind::Star => "`*`".to_owned(),
        TokenKind::End => "the end of the file".to_owned(),
    }
}
