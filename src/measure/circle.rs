//! Circles of dependencies between transactions: who is in one can't be put in an order.
//!
//! Every circle that a history proves has the name of Adya's class; the shortest circle counts, and of several
//! as short the one with the most specific name.

/// One transaction comes before another, because of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
    pub kind: EdgeKind,
    pub item: (String, Vec<(String, String)>),
    /// A write that doesn't depend on what was there.
    pub blind: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EdgeKind {
    /// Overwrote what the other one wrote.
    WriteWrite,
    /// Saw what the other one wrote.
    WriteRead,
    /// Didn't see what the other one wrote, or will write.
    ReadWrite,
    /// The same, of a row that came into a condition.
    Phantom,
}

/// Transactions of one circle at most; longer ones aren't looked for.
const LONGEST: usize = 8;
/// How long is looked, in dependencies that are followed.
const MOST_STEPS: usize = 200_000;

/// The name of the shortest circle.
pub(super) fn name(edges: &[Edge]) -> Option<String> {
    let transactions = edges.iter().map(|edge| edge.from.max(edge.to) + 1).max().unwrap_or(0);
    let mut search = Search { edges, length: 0, steps: 0, best: None };
    for length in 2..=LONGEST.min(transactions) {
        search.length = length;
        for start in 0..transactions {
            search.extend(start, &mut Vec::with_capacity(length));
        }
        if let Some((_, class, meaning)) = search.best {
            return Some(match length {
                2 => format!("{class} ({meaning})"),
                _ => format!("{class} (circle of {length} transactions)"),
            });
        }
    }
    None
}

/// Rank, Adya's class, and what a circle of two is called.
type Named = (u8, &'static str, &'static str);

struct Search<'a> {
    edges: &'a [Edge],
    length: usize,
    steps: usize,
    best: Option<Named>,
}

impl<'a> Search<'a> {
    /// Follows dependencies from a transaction that has the lowest number of its circle.
    fn extend(&mut self, start: usize, path: &mut Vec<&'a Edge>) {
        let at = path.last().map_or(start, |edge| edge.to);
        if path.len() == self.length {
            if at == start {
                let found = match path.as_slice() {
                    [one, other] => [of_two(one, other), of_two(other, one)].into_iter().flatten().min(),
                    _ => of_several(path),
                };
                self.best = self.best.into_iter().chain(found).min();
            }
            return;
        }
        let is_last = path.len() + 1 == self.length;
        for edge in self.edges.iter().filter(|edge| edge.from == at) {
            let is_new = edge.to > start && path.iter().all(|known| known.to != edge.to);
            if (is_last && edge.to != start) || (!is_last && !is_new) || self.steps == MOST_STEPS {
                continue;
            }
            self.steps += 1;
            path.push(edge);
            self.extend(start, path);
            path.pop();
        }
    }
}

/// What a circle of two dependencies is called, with the most specific name first.
fn of_two(one: &Edge, other: &Edge) -> Option<Named> {
    use EdgeKind::{Phantom, ReadWrite, WriteRead, WriteWrite};
    let same = one.item == other.item;
    match (one.kind, other.kind) {
        (WriteWrite, WriteWrite) if !same => Some((0, "G0", "dirty write")),
        (WriteRead, WriteRead | WriteWrite) => Some((1, "G1c", "circular information flow")),
        (ReadWrite, WriteWrite) if same && other.blind => Some((2, "P4", "lost update")),
        (ReadWrite, WriteRead) => Some((3, "G-single", "read skew")),
        (ReadWrite, ReadWrite) if !same => Some((4, "G2-item", "write skew")),
        (Phantom, WriteRead) => Some((5, "G-single", "read skew")),
        (Phantom, Phantom | ReadWrite) => Some((6, "G2", "phantom")),
        _ => None,
    }
}

/// What a longer circle is called.
fn of_several(circle: &[&Edge]) -> Option<Named> {
    let count = |kind| circle.iter().filter(|edge| edge.kind == kind).count();
    let (phantoms, seen) = (count(EdgeKind::Phantom), count(EdgeKind::WriteRead));
    let is_of_one_item = circle.iter().all(|edge| edge.item == circle[0].item);
    match (count(EdgeKind::ReadWrite) + phantoms, phantoms, seen) {
        _ if is_of_one_item => None,
        (0, _, 0) => Some((0, "G0", "dirty write")),
        (0, _, _) => Some((1, "G1c", "circular information flow")),
        // What was overwritten may have been added to.
        (1, _, 0) => None,
        (1, 0, _) => Some((3, "G-single", "read skew")),
        (1, _, _) => Some((5, "G-single", "read skew")),
        (_, 0, _) => Some((4, "G2-item", "write skew")),
        _ => Some((6, "G2", "phantom")),
    }
}
