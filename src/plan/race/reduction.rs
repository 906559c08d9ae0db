//! Which steps of a race may change places without any difference to its outcome.
//!
//! The databases' rules decide: a plain read takes no lock that anybody waits for, a `BEGIN` takes no
//! snapshot, and a snapshot is taken by the first statement of a transaction (by each statement at READ
//! COMMITTED). What may wait, may fail or ends a transaction isn't moved, unless the sessions share
//! nothing: a failure lets locks go, and who waits first decides who is a deadlock's victim. At
//! SERIALIZABLE whether transactions overlap is part of the outcome, so that only a `BEGIN` moves. On MySQL
//! a snapshot is taken by the first plain read, and READ UNCOMMITTED sees a write when it is made. SQLite's one
//! lock and one log make a single table of the whole database.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    footprint::{Access, Footprint},
    interleaving::Independence,
    model::{Race, RaceAction, StepRef},
};
use crate::{dialect::Dialect, outcome::Isolation};

/// The tables that are nothing but tables: without triggers and rules. Tables that foreign keys connect
/// have the same number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableLinks(pub BTreeMap<String, usize>);

/// Independent steps, and in words why they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduction {
    pub independence: Independence,
    /// Each once.
    pub reasons: Vec<&'static str>,
}

const BEGIN: &str = "`begin` takes no snapshot and no lock";
const APART: &str = "sessions that share no table can't meet";
const READS: &str = "plain reads take each other's place";
const ELSEWHERE: &str = "a plain read doesn't see what happens to other tables";

/// A step as far as it matters here.
struct Piece {
    footprint: Footprint,
    /// What becomes visible to others with it.
    publishes: BTreeSet<usize>,
    reads: BTreeSet<usize>,
    writes: BTreeSet<usize>,
    /// What the snapshot that it takes is used for.
    snapshot: BTreeSet<usize>,
    may_fail: bool,
}

impl Piece {
    fn is_read(&self) -> bool {
        matches!(&self.footprint, Footprint::Tables(Access { writes, .. }) if writes.is_empty())
    }

    fn is_plain_read(&self) -> bool {
        self.is_read() && !self.may_fail
    }
}

/// Finds the independent steps of a race at a level. Without `links` every table is taken for a plain
/// one that no foreign key connects. Sessions that go on after errors have none: what state a transaction
/// is in, and which scripts began it, isn't known.
pub fn reduction(race: &Race, level: Isolation, links: Option<&TableLinks>) -> Reduction {
    let lengths = race.lengths();
    let mut reduction = Reduction { independence: Independence::none(&lengths), reasons: Vec::new() };
    if race.continues_after_errors() {
        return reduction;
    }
    let is_one = race.dialect() == Dialect::Sqlite;
    let mut numbers = Numbers { links, is_one, others: BTreeMap::new() };
    let sessions: Vec<Vec<Piece>> =
        (0..lengths.len()).map(|session| pieces(race, session, level, &mut numbers)).collect();
    let groups = groups(&sessions);
    for (session, steps) in sessions.iter().enumerate() {
        for other in session + 1..sessions.len() {
            for (a, one) in steps.iter().enumerate() {
                for (b, two) in sessions[other].iter().enumerate() {
                    let apart = groups[session] != groups[other];
                    let pair = groups.iter().filter(|group| **group == groups[session]).count() == 2;
                    let unknown =
                        |of: usize| sessions[of].iter().any(|piece| piece.footprint == Footprint::Unknown);
                    let begin = (one.footprint == Footprint::Begin && !unknown(session))
                        || (two.footprint == Footprint::Begin && !unknown(other));
                    let reason =
                        if one.footprint == Footprint::Unknown || two.footprint == Footprint::Unknown {
                            None
                        } else if begin {
                            Some(BEGIN)
                        } else if apart {
                            Some(APART)
                        } else if level == Isolation::Serializable {
                            None
                        } else if one.is_plain_read() && two.is_plain_read() {
                            Some(READS)
                        } else if pair && (misses(one, two) || misses(two, one)) {
                            Some(ELSEWHERE)
                        } else {
                            None
                        };
                    if let Some(reason) = reason {
                        let (one, two) =
                            (StepRef { session, step: a }, StepRef { session: other, step: b });
                        reduction.independence.allow(one, two);
                        if !reduction.reasons.contains(&reason) {
                            reduction.reasons.push(reason);
                        }
                    }
                }
            }
        }
    }
    reduction
}

/// True when a plain read neither sees what the other step writes or publishes, nor takes the snapshot
/// that later steps would see it with.
fn misses(read: &Piece, other: &Piece) -> bool {
    read.is_plain_read()
        && !other.may_fail
        && read.reads.is_disjoint(&other.writes)
        && read.snapshot.is_disjoint(&other.publishes)
}

struct Numbers<'a> {
    links: Option<&'a TableLinks>,
    /// The whole database counts as one table.
    is_one: bool,
    /// Tables by name, when there are no links.
    others: BTreeMap<String, usize>,
}

impl Numbers<'_> {
    /// `None` for what isn't known to be a plain table.
    fn of(&mut self, table: &str) -> Option<usize> {
        match self.links {
            Some(links) => links.0.get(table).copied(),
            None => {
                let next = self.others.len();
                let name = if self.is_one { "" } else { table };
                Some(*self.others.entry(name.to_owned()).or_insert(next))
            }
        }
    }

    fn all(&mut self, tables: &BTreeSet<String>) -> Option<BTreeSet<usize>> {
        tables.iter().map(|table| self.of(table)).collect()
    }
}

fn pieces(race: &Race, session: usize, level: Isolation, numbers: &mut Numbers<'_>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = race.sessions[session]
        .steps
        .iter()
        .map(|step| {
            let (footprint, reads, writes) = match &step.footprint {
                Footprint::Tables(access) => {
                    match (numbers.all(&access.reads), numbers.all(&access.writes)) {
                        (Some(reads), Some(writes)) => (step.footprint.clone(), reads, writes),
                        _ => (Footprint::Unknown, BTreeSet::new(), BTreeSet::new()),
                    }
                }
                other => (other.clone(), BTreeSet::new(), BTreeSet::new()),
            };
            let (publishes, snapshot) = (BTreeSet::new(), reads.clone());
            Piece { footprint, publishes, reads, writes, snapshot, may_fail: step.asserts }
        })
        .collect();
    let mut begun: Option<usize> = None;
    for at in 0..pieces.len() {
        match &race.sessions[session].steps[at].action {
            RaceAction::Begin => begun = Some(at),
            RaceAction::Commit | RaceAction::Rollback => {
                transaction(&mut pieces[begun.unwrap_or(at)..=at], level, race.dialect());
                begun = None;
            }
            RaceAction::Do(_) if begun.is_none() => pieces[at].publishes = pieces[at].writes.clone(),
            RaceAction::Do(_) => {}
        }
    }
    if let Some(begun) = begun {
        transaction(&mut pieces[begun..], level, race.dialect());
    }
    pieces
}

/// What the last step of a transaction publishes, and what its snapshot is used for.
fn transaction(pieces: &mut [Piece], level: Isolation, dialect: Dialect) {
    let writes: BTreeSet<usize> = pieces.iter().flat_map(|piece| &piece.writes).copied().collect();
    let all: BTreeSet<usize> =
        pieces.iter().flat_map(|piece| &piece.reads).copied().chain(writes.clone()).collect();
    if let Some(last) = pieces.last_mut() {
        last.publishes = writes;
    }
    let takes = |piece: &Piece| match dialect {
        Dialect::Postgres | Dialect::Sqlite => matches!(piece.footprint, Footprint::Tables(_)),
        Dialect::MySql => piece.is_read() && !piece.reads.is_empty(),
    };
    if matches!(level, Isolation::RepeatableRead | Isolation::Serializable)
        && let Some(first) = pieces.iter_mut().find(|piece| takes(piece))
    {
        first.snapshot = all;
    }
}

/// Sessions with the same number can meet: they share a table that one of them writes, or a session that
/// shares one with each.
fn groups(sessions: &[Vec<Piece>]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..sessions.len()).collect();
    let touches =
        |session: usize| sessions[session].iter().flat_map(|piece| piece.reads.iter().chain(&piece.writes));
    let writes = |session: usize| sessions[session].iter().flat_map(|piece| &piece.writes);
    let unknown =
        |session: usize| sessions[session].iter().any(|piece| piece.footprint == Footprint::Unknown);
    for one in 0..sessions.len() {
        for other in 0..sessions.len() {
            let meets = unknown(one) || writes(one).any(|table| touches(other).any(|other| other == table));
            if meets && one != other {
                let (from, to) = (groups[one], groups[other]);
                groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    groups
}
