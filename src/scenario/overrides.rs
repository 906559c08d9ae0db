//! `--var NAME=VALUE` and `--target NAME=URL`, put into the tree before the environment is.

use super::{
    load::LoadOptions,
    node::{Node, NodeKind},
    problem::Problem,
    suggest,
};

/// Values from the command line, on their way past the environment: they aren't substituted in.
pub(super) struct Overrides(Vec<(Vec<String>, NodeKind)>);

/// Checks the names against the tree and empties the places that will be replaced, so that an
/// environment variable which isn't needed any more needn't be set.
pub(super) fn take(tree: &mut Node, options: &LoadOptions<'_>, problems: &mut Vec<Problem>) -> Overrides {
    let mut overrides = Vec::new();
    for (name, value) in options.vars {
        let path = vec!["vars".to_owned(), name.clone()];
        let known = tree.get("vars");
        if find(tree, &path).is_some() {
            overrides.push((path, NodeKind::from_plain(value)));
        } else {
            problems.push(unknown("variable", "--var", name, known));
        }
    }
    for (name, url) in options.targets {
        let path = vec!["targets".to_owned(), name.clone()];
        let known = tree.get("targets");
        match find(tree, &path).map(|target| &target.kind) {
            Some(NodeKind::Map(_)) => {
                let service = find(tree, &[path.as_slice(), &["http".to_owned()]].concat()).is_some();
                let key = if service { "http" } else { "database" };
                let path = [path, vec![key.to_owned()]].concat();
                overrides.push((path, NodeKind::Text(url.clone())));
            }
            Some(_) => {}
            None => problems.push(unknown("target", "--target", name, known)),
        }
    }
    for (path, _) in &overrides {
        if let Some(node) = find_mut(tree, path) {
            node.kind = NodeKind::Null;
        }
    }
    Overrides(overrides)
}

impl Overrides {
    /// Puts the values in, at the places of those that they replace.
    pub(super) fn put(self, tree: &mut Node) {
        for (path, kind) in self.0 {
            if let Some(node) = find_mut(tree, &path) {
                node.kind = kind;
            }
        }
    }
}

fn unknown(what: &str, flag: &str, name: &str, known: Option<&Node>) -> Problem {
    let names: Vec<&str> =
        known.map(|map| map.entries().iter().map(|(key, _)| key.as_str()).collect()).unwrap_or_default();
    let problem = Problem::error(format!("{flag} names `{name}`, but the scenario has no such {what}"));
    match suggest::did_you_mean(name, names.iter().copied()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn find<'a>(tree: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(tree, |node, key| node.get(key))
}

fn find_mut<'a>(tree: &'a mut Node, path: &[String]) -> Option<&'a mut Node> {
    path.iter().try_fold(tree, |node, key| node.get_mut(key))
}
