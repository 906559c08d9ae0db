//! All problems in one go: read the model, note the first problem, take out what it is about, and
//! read again until a model can be made.

use std::{collections::BTreeSet, ops::Range};

use serde::de::DeserializeOwned;

use super::{
    deserializer::{NodeDeserializer, TreeError},
    node::{Node, NodeKind},
    problem::Problem,
    spanned::Spanned,
    suggest,
};

/// What was taken out of a tree because of a problem that has been reported.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// The names that the model lacks for it.
    pub names: BTreeSet<String>,
    /// The key, with the place of the map that it was taken from.
    taken: BTreeSet<(usize, usize, String)>,
}

impl Broken {
    /// Notes that an entry leaves the map at `place`.
    pub(super) fn note(&mut self, place: &Range<usize>, key: &str, value: &Node) {
        self.taken.insert((place.start, place.end, key.to_owned()));
        self.names.insert(key.to_owned());
        self.note_below(value);
    }

    /// Notes the names that a part of the tree would have given: its keys, and what it captures.
    pub(super) fn note_below(&mut self, node: &Node) {
        node.walk(&mut |node| {
            for (key, value) in node.entries() {
                self.names.insert(key.value.clone());
                if key.value == "capture" {
                    self.names.extend(value.as_text().map(str::to_owned));
                }
            }
        });
    }

    /// True when a key was taken from a map, or one that was probably meant to be it.
    fn was_in(&self, map: &Node, key: &str) -> bool {
        let of_map =
            self.taken.iter().filter(|(start, end, _)| (*start, *end) == (map.span.start, map.span.end));
        of_map.into_iter().any(|(_, _, taken)| taken == key || suggest::nearest(taken, [key]).is_some())
    }
}

/// No file gets more passes than this; a further problem waits for the next run.
const MOST_PASSES: usize = 300;

/// Reads a model. `stand_in` gives a value for a required key at the top, so that reading can go
/// on without it. Everything taken out is noted in `broken`.
pub(super) fn read<T: DeserializeOwned>(
    tree: &mut Node,
    stand_in: &dyn Fn(&str) -> Option<NodeKind>,
    problems: &mut Vec<Problem>,
    broken: &mut Broken,
) -> Option<T> {
    for _ in 0..MOST_PASSES {
        let error = match T::deserialize(NodeDeserializer::new(tree)) {
            Ok(model) => return Some(model),
            Err(error) => error,
        };
        let TreeError { problem, missing, path } = error;
        match (missing, path.as_slice()) {
            (Some(key), []) => {
                if !broken.was_in(tree, key) {
                    problems.push(problem);
                }
                let kind = stand_in(key)?;
                let NodeKind::Map(entries) = &mut tree.kind else { return None };
                broken.names.insert(key.to_owned());
                entries.push((Spanned::new(key.to_owned(), 0..0), Node::new(0..0, kind)));
            }
            (None, []) => {
                problems.push(problem);
                return None;
            }
            (_, path) => {
                let consequence =
                    missing.is_some_and(|key| at(tree, path).is_some_and(|map| broken.was_in(map, key)));
                if !consequence {
                    problems.push(problem);
                }
                take_out(tree, path, broken)?;
            }
        }
    }
    None
}

/// The node at a path that is given from the innermost index outwards.
fn at<'a>(tree: &'a Node, path: &[usize]) -> Option<&'a Node> {
    path.iter().rev().try_fold(tree, |node, index| match &node.kind {
        NodeKind::List(items) => items.get(*index),
        NodeKind::Map(entries) => entries.get(*index).map(|(_, value)| value),
        _ => None,
    })
}

fn take_out(tree: &mut Node, path: &[usize], broken: &mut Broken) -> Option<()> {
    let (last, parents) = path.split_first()?;
    let parent = parents.iter().rev().try_fold(tree, |node, index| match &mut node.kind {
        NodeKind::List(items) => items.get_mut(*index),
        NodeKind::Map(entries) => entries.get_mut(*index).map(|(_, value)| value),
        _ => None,
    })?;
    match &mut parent.kind {
        NodeKind::List(items) if *last < items.len() => broken.note_below(&items.remove(*last)),
        NodeKind::Map(entries) if *last < entries.len() => {
            let (key, value) = entries.remove(*last);
            broken.note(&parent.span, &key.value, &value);
        }
        _ => return None,
    }
    Some(())
}
