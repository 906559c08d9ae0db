//! Cycles of dependencies, from the worst kind: each kind is looked for among what the kinds before it
//! don't explain.

use std::collections::HashSet;

use petgraph::graph::NodeIndex;

use super::{
    anomaly::Anomaly,
    explain::explain,
    graph::{Dependency, Graph, build, with_real_time},
    judge::{Collected, Found},
    search::{closing, cyclic, numbered, path, positions, short_cycle},
    versions::Versions,
};

type Pairs = HashSet<(usize, usize)>;

/// Finds the cycles. `lost` are pairs of transactions that are told as lost updates already.
pub(super) fn find(versions: &Versions<'_>, lost: &Pairs, real_time: bool, collected: &mut Collected) {
    let graph = build(versions);
    let mut cycles = Cycles { versions, graph: &graph, collected };
    cycles.writes();
    cycles.flows();
    let closed = cycles.one_anti_dependency(lost);
    let told = if cycles.collected.rule_out_snapshots() { HashSet::new() } else { cycles.no_snapshot() };
    let serializable = cycles.several_anti_dependencies(lost, &closed, &told);
    if serializable && real_time {
        let graph = with_real_time(versions, &graph);
        Cycles { versions, graph: &graph, collected }.real_time();
    }
}

struct Cycles<'a, 'b> {
    versions: &'a Versions<'b>,
    graph: &'a Graph,
    collected: &'a mut Collected,
}

impl Cycles<'_, '_> {
    fn add(&mut self, anomaly: Anomaly, cycle: Vec<usize>) {
        let explanation = explain(self.versions, self.graph, &cycle, anomaly);
        self.collected.add(Found::one(anomaly, cycle, explanation));
    }

    /// G0.
    fn writes(&mut self) {
        let keep = |dependency: &Dependency| dependency.ww.is_some();
        for component in cyclic(self.graph, keep) {
            if let Some(cycle) = short_cycle(self.graph, &component, keep) {
                self.add(Anomaly::G0, cycle);
            }
        }
    }

    /// G1c: a cycle of information with a read in it.
    fn flows(&mut self) {
        let components = cyclic(self.graph, Dependency::flows);
        let numbers = numbered(&components, self.graph.node_count());
        let mut told = vec![false; components.len()];
        for edge in self.graph.raw_edges() {
            let (from, to) = (edge.source().index(), edge.target().index());
            let Some(number) = numbers[from].filter(|_| numbers[from] == numbers[to]) else { continue };
            if edge.weight.ww.is_some() || edge.weight.wr.is_none() || told[number] {
                continue;
            }
            let inside =
                |node: usize, dependency: &Dependency| dependency.flows() && numbers[node] == Some(number);
            if let Some(mut cycle) = path(self.graph, inside, to, from) {
                told[number] = true;
                cycle.rotate_right(1);
                self.add(Anomaly::G1c, cycle);
            }
        }
    }

    /// G-single. Returns the anti-dependencies that close such a cycle.
    fn one_anti_dependency(&mut self, lost: &Pairs) -> Pairs {
        let positions = positions(self.graph, Dependency::flows);
        let mut closed = Pairs::new();
        for edge in self.graph.raw_edges() {
            let (from, to) = (edge.source().index(), edge.target().index());
            if edge.weight.rw.is_none() || edge.weight.flows() {
                continue;
            }
            let Some((mut cycle, by_read)) = closing(self.graph, &positions, to, from) else { continue };
            closed.insert((from, to));
            if !by_read && cycle.len() == 2 && lost.contains(&(from, to)) {
                continue;
            }
            cycle.rotate_right(1);
            self.add(if by_read { Anomaly::ReadSkew } else { Anomaly::GSingle }, cycle);
        }
        closed
    }

    /// G-nonadjacent. Every transaction is there twice: as reached by an anti-dependency, and otherwise.
    /// Returns the transactions of the cycles that are told.
    fn no_snapshot(&mut self) -> HashSet<usize> {
        let mut told = HashSet::new();
        let mut twice = Graph::with_capacity(2 * self.graph.node_count(), 0);
        for _ in 0..2 * self.graph.node_count() {
            twice.add_node(());
        }
        let node = |index: usize, by_anti: bool| NodeIndex::new(2 * index + usize::from(by_anti));
        for edge in self.graph.raw_edges() {
            let (from, to) = (edge.source().index(), edge.target().index());
            if edge.weight.flows() {
                twice.add_edge(node(from, false), node(to, false), edge.weight);
                twice.add_edge(node(from, true), node(to, false), edge.weight);
            }
            if edge.weight.rw.is_some() {
                twice.add_edge(node(from, false), node(to, true), edge.weight);
            }
        }
        for component in cyclic(&twice, |_| true) {
            if let Some(cycle) = short_cycle(&twice, &component, |_| true) {
                let cycle: Vec<usize> = cycle.into_iter().map(|node| node / 2).collect();
                told.extend(cycle.iter().copied());
                self.add(Anomaly::GNonadjacent, cycle);
            }
        }
        told
    }

    /// G2-item. Returns whether there is no cycle at all.
    fn several_anti_dependencies(&mut self, lost: &Pairs, closed: &Pairs, told: &HashSet<usize>) -> bool {
        let components = cyclic(self.graph, |_| true);
        let flows = numbered(&cyclic(self.graph, Dependency::flows), self.graph.node_count());
        let numbers = numbered(&components, self.graph.node_count());
        let mut explained: Vec<bool> =
            components.iter().map(|nodes| nodes.iter().any(|node| told.contains(node))).collect();
        for edge in self.graph.raw_edges() {
            let (from, to) = (edge.source().index(), edge.target().index());
            let Some(number) = numbers[from].filter(|_| numbers[from] == numbers[to]) else { continue };
            let pair = (from, to);
            let back = self.graph.find_edge(edge.target(), edge.source()).map(|edge| self.graph[edge]);
            explained[number] |= closed.contains(&pair)
                || (edge.weight.rw.is_some() && lost.contains(&pair))
                || (flows[from].is_some() && flows[from] == flows[to]);
            if from < to
                && edge.weight.rw.is_some()
                && back.is_some_and(|back| back.rw.is_some())
                && ![pair, (to, from)].iter().any(|pair| closed.contains(pair) || lost.contains(pair))
            {
                explained[number] = true;
                self.add(Anomaly::G2Item, vec![from, to]);
            }
        }
        for (component, _) in components.iter().zip(&explained).filter(|(_, explained)| !**explained) {
            if let Some(cycle) = short_cycle(self.graph, component, |_| true) {
                self.add(Anomaly::G2Item, cycle);
            }
        }
        components.is_empty()
    }

    fn real_time(&mut self) {
        for component in cyclic(self.graph, |_| true) {
            if let Some(cycle) = short_cycle(self.graph, &component, |_| true) {
                self.add(Anomaly::RealTime, cycle);
            }
        }
    }
}
