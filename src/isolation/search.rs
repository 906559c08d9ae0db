//! Searches in the graph of dependencies: components, an order of them, and shortest paths.
//!
//! Everything but a search for one path takes time in proportion to the graph.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

use petgraph::{
    algo::kosaraju_scc,
    graph::NodeIndex,
    visit::{EdgeFiltered, EdgeRef},
};

use super::graph::{Dependency, Graph};

/// How many transactions of a component a shortest cycle is looked for from.
const STARTS: usize = 64;

/// The components that hold a cycle of the dependencies to keep, each in order.
pub(super) fn cyclic(graph: &Graph, keep: impl Fn(&Dependency) -> bool) -> Vec<Vec<usize>> {
    let kept = EdgeFiltered::from_fn(graph, |edge| keep(edge.weight()));
    let mut components: Vec<Vec<usize>> = kosaraju_scc(&kept)
        .into_iter()
        .filter(|nodes| nodes.len() > 1)
        .map(|nodes| {
            let mut nodes: Vec<usize> = nodes.into_iter().map(NodeIndex::index).collect();
            nodes.sort_unstable();
            nodes
        })
        .collect();
    components.sort_unstable();
    components
}

/// By transaction the number of its component, where it is in one.
pub(super) fn numbered(components: &[Vec<usize>], nodes: usize) -> Vec<Option<usize>> {
    let mut numbers = vec![None; nodes];
    for (number, component) in components.iter().enumerate() {
        component.iter().for_each(|node| numbers[*node] = Some(number));
    }
    numbers
}

/// By transaction a position, such that dependencies to keep never lead backward and only those within a
/// component lead nowhere. As close to the order of the history as that allows.
pub(super) fn positions(graph: &Graph, keep: impl Fn(&Dependency) -> bool) -> Vec<usize> {
    let components = cyclic(graph, &keep);
    let numbers = numbered(&components, graph.node_count());
    // A component goes by its first transaction.
    let head = |node: usize| numbers[node].map_or(node, |number| components[number][0]);
    let mut waiting_for = vec![0_usize; graph.node_count()];
    let edges = || graph.raw_edges().iter().filter(|edge| keep(&edge.weight));
    for edge in edges() {
        let (from, to) = (head(edge.source().index()), head(edge.target().index()));
        waiting_for[to] += usize::from(from != to);
    }
    let is_head = |node: &usize| head(*node) == *node;
    let mut ready: BinaryHeap<Reverse<usize>> = (0..graph.node_count())
        .filter(is_head)
        .filter(|node| waiting_for[*node] == 0)
        .map(Reverse)
        .collect();
    let mut positions = vec![0; graph.node_count()];
    let mut next = 0;
    while let Some(Reverse(first)) = ready.pop() {
        let alone = [first];
        let members = numbers[first].map_or(alone.as_slice(), |number| components[number].as_slice());
        for member in members {
            positions[*member] = next;
            for edge in graph.edges(NodeIndex::new(*member)).filter(|edge| keep(edge.weight())) {
                let to = head(edge.target().index());
                if to != first {
                    waiting_for[to] -= 1;
                    if waiting_for[to] == 0 {
                        ready.push(Reverse(to));
                    }
                }
            }
        }
        next += 1;
    }
    positions
}

/// The shortest way from one transaction to another along dependencies to keep, both included.
pub(super) fn path(
    graph: &Graph,
    keep: impl Fn(usize, &Dependency) -> bool,
    from: usize,
    to: usize,
) -> Option<Vec<usize>> {
    let mut search = Search::from(from);
    while let Some(node) = search.queue.pop_front() {
        for edge in graph.edges(NodeIndex::new(node)) {
            let next = edge.target().index();
            if !keep(next, edge.weight()) {
                continue;
            }
            if next == to {
                return Some(search.path_to(node, to));
            }
            search.reach(next, node);
        }
    }
    None
}

/// The shortest ways that bring information from one transaction to another: one whose last step is a
/// read, and when there is none, one whose last step is a write.
pub(super) fn closing(
    graph: &Graph,
    positions: &[usize],
    from: usize,
    to: usize,
) -> Option<(Vec<usize>, bool)> {
    if positions[from] > positions[to] {
        return None;
    }
    let mut search = Search::from(from);
    let mut by_write = None;
    while let Some(node) = search.queue.pop_front() {
        for edge in graph.edges(NodeIndex::new(node)).filter(|edge| edge.weight().flows()) {
            let next = edge.target().index();
            if next == to {
                if edge.weight().wr.is_some() {
                    return Some((search.path_to(node, to), true));
                }
                by_write.get_or_insert_with(|| search.path_to(node, to));
            } else if positions[next] <= positions[to] {
                search.reach(next, node);
            }
        }
    }
    by_write.map(|path| (path, false))
}

/// A short cycle within a component: the shortest through any of its first transactions. The first
/// transaction isn't repeated at the end.
pub(super) fn short_cycle(
    graph: &Graph,
    component: &[usize],
    keep: impl Fn(&Dependency) -> bool,
) -> Option<Vec<usize>> {
    let inside =
        |node: usize, dependency: &Dependency| keep(dependency) && component.binary_search(&node).is_ok();
    let cycles = component.iter().take(STARTS).filter_map(|start| path(graph, inside, *start, *start));
    let mut shortest = cycles.min_by_key(Vec::len)?;
    shortest.pop();
    Some(shortest)
}

/// A search breadth first: only what was reached is kept.
struct Search {
    queue: VecDeque<usize>,
    before: HashMap<usize, usize>,
    from: usize,
}

impl Search {
    fn from(from: usize) -> Self {
        Self { queue: VecDeque::from([from]), before: HashMap::new(), from }
    }

    fn reach(&mut self, node: usize, from: usize) {
        if node != self.from && !self.before.contains_key(&node) {
            self.before.insert(node, from);
            self.queue.push_back(node);
        }
    }

    fn path_to(&self, last: usize, to: usize) -> Vec<usize> {
        let mut path = vec![to, last];
        let mut node = last;
        while node != self.from {
            node = self.before[&node];
            path.push(node);
        }
        path.reverse();
        path
    }
}
