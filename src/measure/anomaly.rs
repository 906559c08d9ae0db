//! Names for what transactions did to each other, where what they read and wrote proves it.
//!
//! Dependencies are those of Adya, Liskov and O'Neil ("Generalized Isolation Level Definitions", 2000).
//! The order of moments proves them: who has read an item before another one began to write it, or
//! before that one began to commit, has not seen that write. What isn't proved has no name. G1a, G1b and
//! G1c take a level that shows what isn't committed.

use super::circle::{self, Edge, EdgeKind};

/// What a step touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Number of the transaction.
    pub transaction: usize,
    pub kind: TouchKind,
    pub table: String,
    /// The rows: columns and their values. Empty: any row of the table.
    pub key: Vec<(String, String)>,
    /// When the step began and when it was done.
    pub began: usize,
    pub ended: usize,
    /// A statement that sees everything that was committed before it began.
    pub sees_latest: bool,
    /// A statement that also sees what isn't committed.
    pub sees_uncommitted: bool,
}

/// How a step touched rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TouchKind {
    /// Rows with this key.
    Read,
    /// All rows that meet a condition, of which the key is all that is known.
    ReadWhere,
    /// At least one row with this key was changed. `blind`: to values that don't depend on what is there.
    Write { blind: bool },
    /// A row with these values was inserted.
    Insert,
}

/// How a transaction ended, and when: the moment that its `commit` began and was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub committed: bool,
    pub began: usize,
    pub ended: usize,
}

/// The name of the anomaly that transactions are proved to have shown: what isn't committed was read, or
/// those that were committed can't be put in an order.
pub fn anomaly(touches: &[Touch], ends: &[End]) -> Option<String> {
    dirty_read(touches, ends).map(str::to_owned).or_else(|| circle::name(&edges(touches, ends)))
}

/// A read of what its writer took back, or overwrote before it committed.
fn dirty_read(touches: &[Touch], ends: &[End]) -> Option<&'static str> {
    let is_write = |touch: &Touch| matches!(touch.kind, TouchKind::Write { .. });
    let reads = touches.iter().filter(|touch| touch.kind == TouchKind::Read && touch.sees_uncommitted);
    let names = reads.filter_map(|read| {
        let writes = touches.iter().filter(|other| {
            is_write(other) && other.table == read.table && !read.key.is_empty() && other.key == read.key
        });
        let last =
            writes.clone().filter(|write| write.ended < read.began).max_by_key(|write| write.ended)?;
        let end = ends.get(last.transaction)?;
        if last.transaction == read.transaction || end.began < read.ended {
            return None;
        }
        let mut later = writes.filter(|one| one.transaction == last.transaction && one.began > read.ended);
        match end.committed {
            false => Some("G1a (aborted read)"),
            true => later.next().map(|_| "G1b (intermediate read)"),
        }
    });
    names.min()
}

fn edges(touches: &[Touch], ends: &[End]) -> Vec<Edge> {
    let committed = |touch: &Touch| ends.get(touch.transaction).copied().filter(|end| end.committed);
    let mut edges = Vec::new();
    for one in touches {
        for other in touches {
            let (Some(end), Some(others)) = (committed(one), committed(other)) else { continue };
            if one.transaction == other.transaction || one.table != other.table {
                continue;
            }
            let Some((kind, blind)) = edge(one, other, end, others) else { continue };
            edges.push(Edge {
                from: one.transaction,
                to: other.transaction,
                kind,
                item: (other.table.clone(), item(one, other)),
                blind,
            });
        }
    }
    edges
}

/// The narrower of two keys.
fn item(one: &Touch, other: &Touch) -> Vec<(String, String)> {
    if one.key.len() >= other.key.len() { one.key.clone() } else { other.key.clone() }
}

/// How `one` comes before `other`, if that is proved. `end` and `others`: of their transactions.
fn edge(one: &Touch, other: &Touch, end: End, others: End) -> Option<(EdgeKind, bool)> {
    use TouchKind::{Insert, Read, ReadWhere, Write};
    let same = !one.key.is_empty() && one.key == other.key;
    // The commit was done before the other one began, so that its order is beyond doubt.
    let published = end.ended < other.began;
    // What isn't committed is seen at READ UNCOMMITTED alone.
    let unseen = one.ended < other.began || (one.ended < others.began && !one.sees_uncommitted);
    match (one.kind, other.kind) {
        (Read, Write { .. }) if same && unseen => Some((EdgeKind::ReadWrite, false)),
        (ReadWhere, Insert) if unseen && meets(&other.key, &one.key) => Some((EdgeKind::Phantom, false)),
        // Had the other write been first, this one would have waited for its commit.
        (Write { .. }, Write { blind }) if same && end.ended < other.ended => {
            Some((EdgeKind::WriteWrite, blind))
        }
        (Write { .. }, Read) if same && published && other.sees_latest => {
            Some((EdgeKind::WriteRead, false))
        }
        (Write { .. }, Read) if same && other.sees_uncommitted && one.ended < other.began => {
            Some((EdgeKind::WriteRead, false))
        }
        (Insert, ReadWhere) if published && other.sees_latest && meets(&one.key, &other.key) => {
            Some((EdgeKind::WriteRead, false))
        }
        _ => None,
    }
}

/// True when an inserted row is known to meet a condition.
fn meets(row: &[(String, String)], condition: &[(String, String)]) -> bool {
    condition.iter().all(|pair| row.contains(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r0x` reads x in transaction 0, `w` writes, `b` writes blindly, `p` reads all rows of a table, `i`
    /// inserts into it, `c0` commits, `a0` aborts. One step takes one moment.
    fn named(history: &str, sees_latest: bool) -> Option<String> {
        named_at(history, sees_latest, false)
    }

    fn named_at(history: &str, sees_latest: bool, sees_uncommitted: bool) -> Option<String> {
        let mut touches = Vec::new();
        let mut ends = vec![End { committed: false, began: 99, ended: 99 }; 4];
        for (moment, step) in history.split(' ').enumerate() {
            let (what, item) = (&step[..1], &step[2..]);
            let transaction: usize = step[1..2].parse().expect("a number");
            let kind = match what {
                "r" => TouchKind::Read,
                "p" => TouchKind::ReadWhere,
                "w" => TouchKind::Write { blind: false },
                "b" => TouchKind::Write { blind: true },
                "i" => TouchKind::Insert,
                _ => {
                    ends[transaction] = End { committed: what == "c", began: moment, ended: moment };
                    continue;
                }
            };
            let key = if item.is_empty() { Vec::new() } else { vec![("id".to_owned(), item.to_owned())] };
            let table = "t".to_owned();
            touches.push(Touch {
                transaction,
                kind,
                table,
                key,
                began: moment,
                ended: moment,
                sees_latest,
                sees_uncommitted,
            });
        }
        anomaly(&touches, &ends)
    }

    #[test]
    fn what_is_proved_has_a_name() {
        for (history, name) in [
            ("r0x r1x b0x c0 b1x c1", Some("P4 (lost update)")),
            ("r0x w0x r1x c0 b1x c1", Some("P4 (lost update)")),
            ("r0x r1y b1x b0y c0 c1", Some("G2-item (write skew)")),
            ("r0x w1x w1y c1 r0y c0", Some("G-single (read skew)")),
            ("p0 p1 i0a i1b c0 c1", Some("G2 (phantom)")),
            ("p0 i1a c1 p0 c0", Some("G-single (read skew)")),
            ("r0x w1x c1 r2x r2y c2 w0y c0", Some("G2-item (circle of 3 transactions)")),
            ("r0x w1x w1y c1 r2y w2z c2 r0z c0", Some("G-single (circle of 3 transactions)")),
            ("r0x r1y r2z b2x b0y b1z c0 c1 c2", Some("G2-item (circle of 3 transactions)")),
            ("r0x r1y r2z r3v b3x b0y b1z b2v c0 c1 c2 c3", Some("G2-item (circle of 4 transactions)")),
        ] {
            assert_eq!(named(history, true).as_deref(), name, "{history}");
        }
    }

    #[test]
    fn what_is_not_proved_has_none() {
        for (history, why) in [
            ("r0x b0x c0 r1x b1x c1", "one after the other"),
            ("r0x r1x w0x c0 w1x c1", "the second write may add to the first"),
            ("r0x r1x b0x c0 b1x a1", "it was rolled back"),
            ("r0x r1y b0x b1y c0 c1", "they touch different rows"),
            ("w0x w1y c0 c1", "nobody read"),
            ("p0 i1a c1 c0", "one dependency is no circle"),
        ] {
            assert_eq!(named(history, true), None, "{history}: {why}");
        }
        // The third one's reads miss what isn't committed yet, where they are allowed to.
        for (history, uncommitted, committed) in [
            ("b0x r1x a0 c1", Some("G1a (aborted read)"), None),
            ("b0x r1x b0x c0 c1", Some("G1b (intermediate read)"), None),
            (
                "b0x b1y r0y r1x c0 c1",
                Some("G1c (circular information flow)"),
                Some("G2-item (write skew)"),
            ),
            ("b0x c0 r1x c1", None, None),
            ("r1x b0x c0 c1", None, None),
        ] {
            let at_level = named_at(history, true, true);
            assert_eq!(at_level.as_deref(), uncommitted, "{history} at READ UNCOMMITTED");
            assert_eq!(named(history, true).as_deref(), committed, "{history}");
        }
        assert_eq!(named("r0x w1x w1y c1 r0y c0", false), None, "a snapshot doesn't see the commit");
    }
}
