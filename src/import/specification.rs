//! An isolation test specification as it was written.

use std::ops::Range;

use crate::scenario::Spanned;

/// Lines of comments, each as it stands behind its `#`; a blank line between two is an empty one.
pub(super) type Comments = Vec<String>;

/// A whole specification.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Specification {
    /// Each is sent as one message before every permutation.
    pub setups: Vec<Block>,
    pub teardown: Option<Block>,
    pub sessions: Vec<Session>,
    /// None: every interleaving, depth first in the sessions' order.
    pub permutations: Vec<Permutation>,
    /// What stands behind everything else.
    pub closing: Comments,
}

/// Statements in braces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub comments: Comments,
    pub sql: Spanned<String>,
}

/// One connection and what it does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub comments: Comments,
    pub name: Spanned<String>,
    pub setup: Option<Block>,
    pub steps: Vec<Step>,
    pub teardown: Option<Block>,
}

/// A step; its name is its own in the whole file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub comments: Comments,
    pub name: Spanned<String>,
    pub sql: Spanned<String>,
}

/// An order of steps. It may leave steps out and repeat them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Permutation {
    pub comments: Comments,
    pub steps: Vec<PermutationStep>,
}

/// A step where it is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PermutationStep {
    pub name: Spanned<String>,
    pub markers: Vec<Marker>,
}

/// What the report of a step's completion waits for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Marker {
    /// `*`: the step is reported as waiting once, whether it does or not.
    Once,
    /// Another step must be complete.
    Step(Spanned<String>),
    /// So many notices must have come from another step's session since this step was sent.
    Notices(Spanned<String>, u32),
}

impl Marker {
    /// The other step's name.
    pub(super) fn step(&self) -> Option<&Spanned<String>> {
        match self {
            Self::Once => None,
            Self::Step(name) | Self::Notices(name, _) => Some(name),
        }
    }
}

impl Specification {
    /// The comments of the first item: what the file is about.
    pub(super) fn take_first_comments(&mut self) -> Comments {
        let block = self.setups.first_mut().or(self.teardown.as_mut()).map(|block| &mut block.comments);
        let first = block.or(self.sessions.first_mut().map(|session| &mut session.comments));
        first.map(std::mem::take).unwrap_or_default()
    }

    /// All steps with the index of their session, in the order of the file.
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, &Step)> {
        self.sessions
            .iter()
            .enumerate()
            .flat_map(|(index, session)| session.steps.iter().map(move |step| (index, step)))
    }
}

/// The place of a name.
pub(super) fn place(name: &Spanned<String>) -> Range<usize> {
    name.span.clone()
}
