//! Who depends on whom: a graph whose nodes are transactions.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use super::{history::Status, versions::Versions};

/// Why the second transaction comes after the first, each with the list that shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dependency {
    /// It appended to what the first had appended.
    pub ww: Option<u32>,
    /// It read what the first had appended.
    pub wr: Option<u32>,
    /// It appended what the first didn't see.
    pub rw: Option<u32>,
    /// It began when the first had ended.
    pub real_time: bool,
}

impl Dependency {
    /// True when information flows from the first to the second.
    pub fn flows(&self) -> bool {
        self.ww.is_some() || self.wr.is_some()
    }
}

/// The dependencies; a node's index is the transaction's.
pub(super) type Graph = DiGraph<(), Dependency>;

type Edges = HashMap<(usize, usize), Dependency>;

/// All dependencies that the lists show.
pub(super) fn build(versions: &Versions<'_>) -> Graph {
    let mut edges = Edges::new();
    writes_after_writes(versions, &mut edges);
    reads(versions, &mut edges);
    graph_of(versions.history.transactions.len(), edges)
}

/// The same, and that a transaction comes after those that had ended before it began.
pub(super) fn with_real_time(versions: &Versions<'_>, graph: &Graph) -> Graph {
    let mut edges: Edges = graph
        .raw_edges()
        .iter()
        .map(|edge| ((edge.source().index(), edge.target().index()), edge.weight))
        .collect();
    let transactions = &versions.history.transactions;
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (index, transaction) in
        transactions.iter().enumerate().filter(|(index, _)| versions.is_committed(*index))
    {
        events.push((transaction.begun, false, index));
        // Of an unknown commit it isn't known when it happened.
        if transaction.status == Status::Ok {
            events.push((transaction.ended, true, index));
        }
    }
    events.sort_unstable();
    // Ended, and not followed yet by one that has ended too: the others come before through those.
    let mut latest: Vec<usize> = Vec::new();
    for (_, is_end, index) in events {
        if is_end {
            latest.retain(|earlier| transactions[*earlier].ended >= transactions[index].begun);
            latest.push(index);
        } else {
            for earlier in &latest {
                edges.entry((*earlier, index)).or_default().real_time = true;
            }
        }
    }
    graph_of(transactions.len(), edges)
}

fn graph_of(nodes: usize, edges: Edges) -> Graph {
    let mut sorted: Vec<_> = edges.into_iter().collect();
    sorted.sort_unstable_by_key(|(ends, _)| *ends);
    let mut graph = Graph::with_capacity(nodes, sorted.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    for ((from, to), dependency) in sorted {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), dependency);
    }
    graph
}

fn writes_after_writes(versions: &Versions<'_>, edges: &mut Edges) {
    for (key, list) in &versions.lists {
        let mut before: Option<usize> = None;
        for writer in versions.writers_from(*key, 0) {
            if let Some(before) = before.filter(|before| *before != writer) {
                edges.entry((before, writer)).or_default().ww = Some(*key);
            }
            before = Some(writer);
        }
        for unseen in &list.unseen {
            if let Some(before) = before.filter(|before| before != unseen) {
                edges.entry((before, *unseen)).or_default().ww = Some(*key);
            }
        }
    }
}

fn reads(versions: &Versions<'_>, edges: &mut Edges) {
    for (reader, transaction) in versions.history.transactions.iter().enumerate() {
        if !versions.is_committed(reader) {
            continue;
        }
        for (key, values) in transaction.plain_reads() {
            let Some(list) = versions.lists.get(&key).filter(|list| list.order.starts_with(values)) else {
                continue;
            };
            let writer = values
                .last()
                .and_then(|value| versions.write(key, *value))
                .map(|write| write.transaction)
                .filter(|writer| versions.is_committed(*writer) && *writer != reader);
            if let Some(writer) = writer {
                edges.entry((writer, reader)).or_default().wr = Some(key);
            }
            // What follows an intermediate version is its writer's own, and told as such.
            let mut later = |next: usize| {
                if next != reader && Some(next) != writer {
                    edges.entry((reader, next)).or_default().rw = Some(key);
                }
            };
            match versions.writers_from(key, values.len()).next() {
                Some(next) => later(next),
                None => list.unseen.iter().copied().for_each(&mut later),
            }
        }
    }
}
