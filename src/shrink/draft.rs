//! A race in the making.

use crate::{
    measure::{Incident, ScheduleRecord},
    outcome::Cause,
    scenario::{Node, NodeKind, Spanned},
};

/// Names with what they stand for, in the order of the file.
pub type Entries = Vec<(Spanned<String>, Node)>;

/// What a race has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// This invariant is broken.
    Invariant(String),
    /// Sessions deadlock.
    Deadlock,
}

impl From<&Incident> for Failure {
    fn from(incident: &Incident) -> Self {
        incident.invariant.as_ref().map_or(Self::Deadlock, |name| Self::Invariant(name.clone()))
    }
}

impl Failure {
    /// True when a schedule shows it.
    pub fn is_shown_by(&self, record: &ScheduleRecord) -> bool {
        match self {
            Self::Invariant(name) => record.invariants.iter().any(|broken| broken.name == *name),
            Self::Deadlock => {
                let deadlock = Cause::Deadlock.to_string();
                record
                    .events
                    .iter()
                    .filter_map(|event| event.error.as_ref())
                    .any(|one| one.cause == deadlock)
            }
        }
    }
}

/// A scenario with one race, which may still be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Of the scenario.
    pub name: String,
    /// Of the race.
    pub race: String,
    pub description: String,
    /// Those that are mentioned are written.
    pub vars: Entries,
    pub secrets: Entries,
    /// Data files; those that are mentioned are written.
    pub data: Entries,
    /// The database, by its name among the targets.
    pub target: (Spanned<String>, Node),
    pub fixtures: Entries,
    /// As the scenario writes it; `None`: the server's default.
    pub isolation: Option<Node>,
    pub sessions: Vec<Session>,
    pub invariants: Entries,
    pub failure: Failure,
    /// Steps made so far.
    pub(super) made: usize,
}

/// A session of a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub name: String,
    /// The operation that it was made from.
    pub operation: String,
    pub bindings: Entries,
    /// `None`: those of the first session.
    pub steps: Option<Vec<Step>>,
}

/// A step of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Stays the same while others come and go.
    pub id: usize,
    pub name: Option<String>,
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Begin,
    Commit,
    Rollback,
    /// A step as operations have them, without its name.
    Do(Node),
}

/// A step's turn in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub session: usize,
    pub id: usize,
}

/// A draft with a schedule that shows its failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub draft: Draft,
    pub schedule: Vec<Turn>,
}

/// Which schedules a draft is written with.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    All,
    Sample(u64),
    Listed(Vec<String>),
}

impl Draft {
    /// The steps of a session, which may be the first one's.
    pub fn steps(&self, session: usize) -> &[Step] {
        let own = self.sessions[session].steps.as_deref();
        own.or(self.sessions[0].steps.as_deref()).unwrap_or_default()
    }

    /// How many steps each session has.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.sessions.len()).map(|session| self.steps(session).len()).collect()
    }

    /// One session after the other, in both orders.
    pub fn serial(&self) -> [Vec<Turn>; 2] {
        let turns = |session: usize| {
            self.steps(session).iter().map(move |step| Turn { session, id: step.id }).collect::<Vec<_>>()
        };
        [[turns(0), turns(1)].concat(), [turns(1), turns(0)].concat()]
    }

    /// A schedule as races read it: each turn is its session's next step.
    pub fn schedule_text(&self, schedule: &[Turn]) -> String {
        let words = schedule.iter().map(|turn| quoted(&self.sessions[turn.session].name));
        words.collect::<Vec<_>>().join(" ")
    }

    /// How many rows a fixture has, as far as its text tells.
    pub fn rows(&self, fixture: &str) -> u64 {
        let Some((_, node)) = self.fixtures.iter().find(|(name, _)| name.value == fixture) else {
            return 0;
        };
        let own = match node.get("rows").map(|rows| &rows.kind) {
            Some(NodeKind::Int(rows)) => u64::try_from(*rows).unwrap_or(1),
            _ => 1,
        };
        let parent = node.get("per").and_then(Node::as_text);
        own * parent.map_or(1, |parent| self.rows(parent))
    }
}

fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-".contains(c);
    if name.chars().all(plain) { name.to_owned() } else { format!("\"{name}\"") }
}

/// A text as a node without a place.
pub(super) fn text(value: impl Into<String>) -> Node {
    Node::new(0..0, NodeKind::Text(value.into()))
}

/// A list as a node without a place.
pub(super) fn list(items: Vec<Node>) -> Node {
    Node::new(0..0, NodeKind::List(items))
}

/// A map as a node without a place.
pub(super) fn map(entries: Vec<(&str, Node)>) -> Node {
    named(entries.into_iter().map(|(name, node)| (Spanned::new(name.to_owned(), 0..0), node)).collect())
}

/// A map of names.
pub(super) fn named(entries: Entries) -> Node {
    Node::new(0..0, NodeKind::Map(entries))
}

/// A map without one of its entries.
pub(super) fn without(node: &Node, key: &str) -> Node {
    named(node.entries().iter().filter(|(name, _)| name.value != key).cloned().collect())
}

/// A map with another value for one of its entries, or with one more.
pub(super) fn with(node: &Node, key: &str, value: Node) -> Node {
    let mut entries = node.entries().to_vec();
    match entries.iter_mut().find(|(name, _)| name.value == key) {
        Some((_, old)) => *old = value,
        None => entries.push((Spanned::new(key.to_owned(), 0..0), value)),
    }
    named(entries)
}

/// A fixture with so many rows. One row is what a fixture has that doesn't say, unless a data file does.
pub(super) fn with_rows(fixture: &Node, rows: i64) -> Node {
    match rows {
        1 if fixture.get("data").is_none() => without(fixture, "rows"),
        _ => with(fixture, "rows", Node::new(0..0, NodeKind::Int(rows))),
    }
}

/// The items of a list.
pub(super) fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(NodeKind::List(items)) => items,
        _ => &[],
    }
}
