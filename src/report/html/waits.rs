//! Who waited for whom: operations on a circle, an arrow from each to those that it waited for.

use std::f64::consts::TAU;

use indexmap::IndexMap;
use serde::Serialize;

use super::svg::{Anchor, Path, Svg};
use crate::{
    report::{cells::grouped, document::Document, texts::short},
    units::format_millis,
};

const MOST_NODES: usize = 10;
const MOST_EDGES: usize = 24;
/// Edges with a number that the table beside repeats.
const NUMBERED: usize = 9;
const RADIUS: f64 = 15.0;

/// All waits of one operation for another, on whatever table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Edge {
    /// From 1, heaviest first.
    pub number: usize,
    pub waiting: String,
    pub blocking: String,
    /// Where the server told, longest waited for first.
    pub tables: Vec<String>,
    pub waits: u64,
    pub total_ms: f64,
}

/// The edges, those with the longest waits first.
pub(super) fn edges(document: &Document) -> Vec<Edge> {
    let mut edges: IndexMap<(&str, &str), Edge> = IndexMap::new();
    for pair in &document.waits.pairs {
        let edge = edges.entry((&pair.waiting, &pair.blocking)).or_insert_with(|| Edge {
            number: 0,
            waiting: pair.waiting.clone(),
            blocking: pair.blocking.clone(),
            tables: Vec::new(),
            waits: 0,
            total_ms: 0.0,
        });
        edge.waits += pair.waits;
        edge.total_ms += pair.total_ms;
        edge.tables.extend(
            pair.table.iter().filter(|table| !edge.tables.contains(table)).cloned().collect::<Vec<_>>(),
        );
    }
    let mut edges: Vec<Edge> = edges.into_values().collect();
    edges.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then(b.waits.cmp(&a.waits)));
    for (index, edge) in edges.iter_mut().enumerate() {
        edge.number = index + 1;
    }
    edges
}

/// The graph; empty when nobody waited.
pub(super) fn graph(document: &Document, edges: &[Edge], width: f64, id: &str, class: &str) -> String {
    let nodes = nodes(document, edges);
    let drawn: Vec<&Edge> = edges
        .iter()
        .filter(|edge| nodes.contains(&edge.waiting.as_str()) && nodes.contains(&edge.blocking.as_str()))
        .take(MOST_EDGES)
        .collect();
    if drawn.is_empty() {
        return String::new();
    }
    let height = match nodes.len() {
        1 | 2 => 150.0,
        3..=6 => 340.0,
        _ => 420.0,
    };
    let has_names = width >= 600.0 || nodes.len() <= 2;
    let layout = Layout { width, height, count: nodes.len(), has_names };
    let mut svg = Svg::new(width, height);
    let heaviest = drawn.iter().map(|edge| edge.total_ms).fold(f64::MIN_POSITIVE, f64::max);
    let place = |name: &str| nodes.iter().position(|node| *node == name).unwrap_or_default();
    let mut labels = Vec::new();
    // Light ones first, so that heavy ones lie above them.
    for edge in drawn.iter().rev() {
        let share = (edge.total_ms / heaviest).sqrt();
        let stroke = 1.2 + 5.0 * share;
        let (path, head, label) = layout.edge(place(&edge.waiting), place(&edge.blocking), stroke);
        svg.arrow(&path, stroke, 0.35 + 0.6 * share);
        svg.path("edge-head", &head);
        if edge.number <= NUMBERED {
            labels.push((label, edge.number));
        }
    }
    for (at, number) in labels {
        svg.circle("number-ground", at, 8.5);
        svg.text("number", (at.0, at.1 + 4.0), Anchor::Middle, &number.to_string());
    }
    for (index, name) in nodes.iter().enumerate() {
        layout.node(&mut svg, index, name);
    }
    svg.finish(id, class, "Who waited for whom", &description(edges))
}

fn description(edges: &[Edge]) -> String {
    let each: Vec<String> = edges
        .iter()
        .take(5)
        .map(|edge| {
            format!(
                "{} waited for {} {} times, {} in all",
                short(&edge.waiting, 60),
                short(&edge.blocking, 60),
                grouped(edge.waits),
                format_millis(edge.total_ms)
            )
        })
        .collect();
    format!("{}. The table has every pair.", each.join("; "))
}

/// The letters of the graph and what they stand for.
pub(super) fn key(document: &Document, edges: &[Edge]) -> Vec<(String, String)> {
    let nodes = nodes(document, edges);
    nodes.iter().enumerate().map(|(index, name)| (letter(index), (*name).to_owned())).collect()
}

/// Operations in the order of the file, then `outside`, as far as an edge touches them; when
/// there are too many, those of the heaviest edges.
fn nodes<'a>(document: &'a Document, edges: &'a [Edge]) -> Vec<&'a str> {
    let mut touched: Vec<&str> = Vec::new();
    for name in edges.iter().flat_map(|edge| [edge.waiting.as_str(), edge.blocking.as_str()]) {
        if !touched.contains(&name) && touched.len() < MOST_NODES {
            touched.push(name);
        }
    }
    touched.sort_by_key(|name| document.operations.get_index_of(*name).unwrap_or(usize::MAX));
    touched
}

pub(super) type Point = (f64, f64);

pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    pub count: usize,
    /// False where there is no room for them; the page has a key.
    pub has_names: bool,
}

impl Layout {
    /// Clockwise from the left, so that two stand side by side.
    fn place(&self, index: usize) -> Point {
        let center = (self.width / 2.0, self.height / 2.0);
        if self.count == 1 {
            return center;
        }
        let offset = if self.count == 2 { 0.5 } else { 0.625 };
        let angle = TAU * (offset + index as f64 / self.count as f64);
        let margin = if self.has_names { (96.0, 58.0) } else { (66.0, 44.0) };
        let reach = (self.width / 2.0 - margin.0, self.height / 2.0 - margin.1);
        (center.0 + reach.0 * angle.cos(), center.1 + reach.1 * angle.sin())
    }

    pub(super) fn node(&self, svg: &mut Svg, index: usize, name: &str) {
        let (x, y) = self.place(index);
        svg.circle("node", (x, y), RADIUS);
        svg.text("letter", (x, y + 4.5), Anchor::Middle, &letter(index));
        if !self.has_names {
            return;
        }
        let is_above = self.count > 1 && y < self.height / 2.0 - 1.0;
        let y = if is_above { y - RADIUS - 8.0 } else { y + RADIUS + 17.0 };
        svg.text("name", (x, y), Anchor::Middle, &short(name, 25));
    }

    /// An arrow's curve and head, and where its label stands.
    pub(super) fn edge(&self, from: usize, to: usize, stroke: f64) -> (Path, Path, Point) {
        let (a, b) = (self.place(from), self.place(to));
        if from == to {
            return self.own(a, stroke);
        }
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy).max(1.0);
        // To the left of its direction: the arrow back takes the other side.
        let bow = 0.14 * length + 6.0;
        let middle = ((a.0 + b.0) / 2.0 + dy / length * bow, (a.1 + b.1) / 2.0 - dx / length * bow);
        let start = toward(a, middle, RADIUS);
        let tip = toward(b, middle, RADIUS + 2.0);
        let (head, end) = head(tip, middle, stroke);
        let mut path = Path::default();
        path.go(start);
        path.bend(middle, end);
        let label = (
            0.25 * start.0 + 0.5 * middle.0 + 0.25 * end.0,
            0.25 * start.1 + 0.5 * middle.1 + 0.25 * end.1,
        );
        (path, head, label)
    }

    /// Waiting for another of its own kind: a loop to the side where no arrow comes from.
    fn own(&self, at: Point, stroke: f64) -> (Path, Path, Point) {
        let side = if at.0 < self.width / 2.0 - 1.0 { -1.0 } else { 1.0 };
        let turn = |up: f64| (at.0 + side * 62.0, at.1 + up * 42.0);
        let (first, second) = (turn(-1.0), turn(1.0));
        let start = toward(at, first, RADIUS);
        let tip = toward(at, second, RADIUS + 2.0);
        let (head, end) = head(tip, second, stroke);
        let mut path = Path::default();
        path.go(start);
        path.curve(first, second, end);
        (path, head, (at.0 + side * 49.0, at.1))
    }
}

/// The point at `distance` from `from` in the direction of `to`.
fn toward(from: Point, to: Point, distance: f64) -> Point {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-6);
    (from.0 + dx / length * distance, from.1 + dy / length * distance)
}

/// A triangle whose tip points away from `from`, and the middle of its back.
fn head(tip: Point, from: Point, stroke: f64) -> (Path, Point) {
    let size = 6.0 + stroke;
    let back = toward(tip, from, size);
    let (dx, dy) = ((tip.0 - back.0) / size, (tip.1 - back.1) / size);
    let half = size * 0.55;
    let mut path = Path::default();
    path.go(tip);
    path.to((back.0 - dy * half, back.1 + dx * half));
    path.to((back.0 + dy * half, back.1 - dx * half));
    path.close();
    (path, back)
}

fn letter(index: usize) -> String {
    char::from_u32('A' as u32 + index as u32).map_or_else(String::new, |letter| letter.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        serde_json::from_str(include_str!("../../../tests/data/yesterday.json")).expect("a document")
    }

    #[test]
    fn edges_are_summed_over_tables() {
        let document = document();
        let edges = edges(&document);
        let waits: u64 = document.waits.pairs.iter().map(|pair| pair.waits).sum();
        assert_eq!(edges.iter().map(|edge| edge.waits).sum::<u64>(), waits);
        assert!(edges.windows(2).all(|two| two[0].total_ms >= two[1].total_ms));
        assert!(edges[0].tables.contains(&"orders".to_owned()), "{:?}", edges[0]);
    }

    #[test]
    fn the_same_document_gives_the_same_graph() {
        let document = document();
        let draw = || graph(&document, &edges(&document), 640.0, "g", "wide");
        assert_eq!(draw(), draw());
        assert!(!draw().contains("NaN"));
        let mut calm = document.clone();
        calm.waits.pairs.clear();
        assert_eq!(graph(&calm, &[], 640.0, "g", "wide"), "");
    }
}
