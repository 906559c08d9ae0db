//! Two trees made one, for `include` and for profiles.
//!
//! Maps are merged key by key. Anything else replaces what it meets, and an empty value takes the
//! key away.

use std::collections::HashMap;

use super::node::{Node, NodeKind};

/// Puts one tree over another. A key that both have keeps its position and takes the new place.
pub(super) fn merge(base: &mut Node, over: Node) {
    base.span = over.span;
    let (NodeKind::Map(entries), NodeKind::Map(written)) = (&mut base.kind, &over.kind) else {
        base.kind = over.kind;
        return;
    };
    let mut known: HashMap<String, usize> =
        entries.iter().enumerate().map(|(at, (key, _))| (key.value.clone(), at)).collect();
    let mut gone = vec![false; entries.len()];
    for (key, value) in written.clone() {
        match known.get(&key.value) {
            Some(at) if value.kind == NodeKind::Null => gone[*at] = true,
            Some(at) => {
                let (name, below) = &mut entries[*at];
                *name = key;
                merge(below, value);
            }
            None => {
                known.insert(key.value.clone(), entries.len());
                entries.push((key, value));
                gone.push(false);
            }
        }
    }
    let mut gone = gone.into_iter();
    entries.retain(|_| !gone.next().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::{super::yaml, *};

    fn merged(base: &str, over: &str) -> String {
        let tree = |text| yaml::parse(text).0.expect("it is YAML");
        let mut base = tree(base);
        merge(&mut base, tree(over));
        format!("{base:?}")
    }

    #[test]
    fn maps_are_merged_and_the_rest_is_replaced() {
        let base = "a: {b: 1, c: [1, 2]}\nd: x\ne: y\n";
        assert_eq!(
            merged(base, "f: 1\na: {c: [3], g: {h: 2}}\nd: {i: 1}\n"),
            r#"{"a": {"b": 1, "c": [3], "g": {"h": 2}}, "d": {"i": 1}, "e": "y", "f": 1}"#
        );
        assert_eq!(
            merged(base, "a: {b: }\ne: ~\nnew: ~\n"),
            r#"{"a": {"c": [1, 2]}, "d": "x", "new": null}"#
        );
    }
}
