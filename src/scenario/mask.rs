//! What must not be shown of a scenario: literal values under `secrets`, passwords in URLs, and values whose
//! names say that they are secret.
//!
//! Places are masked in the lines of the file, texts in messages. The places are found in the
//! text too, for a file that doesn't parse.

use std::ops::Range;

use super::{node::Node, source::Syntax};
use crate::secrets::{is_secret_name, passwords};

/// Maps whose values are hidden where their names say that they are secret.
const NAMED: [&str; 3] = ["vars", "headers", "env"];

/// Stands for what isn't shown.
pub(super) const MASK: &str = "***";

/// The byte ranges of a file that are never shown, in order.
pub(super) fn places(text: &str, syntax: Syntax, tree: Option<&Node>) -> Vec<Range<usize>> {
    let mut places = passwords(text);
    places.retain(|place| !is_reference(&text[place.clone()]));
    match tree {
        Some(tree) => {
            if let Some(secrets) = tree.get("secrets") {
                secrets.walk(&mut |node| {
                    if node.entries().is_empty() && !is_reference(&text[node.span.clone()]) {
                        places.push(node.span.clone());
                    }
                });
            }
            named(tree, &mut |node| {
                let raw = &text[node.span.clone()];
                if !is_reference(raw) && !raw.contains("{{") {
                    places.push(node.span.clone());
                }
            });
        }
        None => places.extend(lines_of_secrets(text, syntax)),
    }
    places.retain(|place| !place.is_empty());
    places.sort_by_key(|place| (place.start, place.end));
    places
}

/// The secret texts themselves, as the scenario ended up with them.
pub(super) fn texts(tree: &Node) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(secrets) = tree.get("secrets") {
        secrets.walk(&mut |node| texts.extend(node.as_text().map(str::to_owned)));
    }
    named(tree, &mut |node| {
        texts.extend(node.as_text().filter(|text| !text.contains("{{")).map(str::to_owned))
    });
    tree.walk(&mut |node| {
        if let Some(text) = node.as_text() {
            texts.extend(passwords(text).into_iter().map(|place| text[place].to_owned()));
        }
    });
    texts.retain(|text| !text.is_empty());
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
}

/// The texts under names that say that they are secret: a header `Authorization`, a variable `api_key`.
fn named<'a>(tree: &'a Node, found: &mut dyn FnMut(&'a Node)) {
    tree.walk(&mut |node| {
        for (_, map) in node.entries().iter().filter(|(name, _)| NAMED.contains(&name.as_str())) {
            let secret = map.entries().iter().filter(|(name, _)| is_secret_name(name.as_str()));
            secret.filter(|(_, value)| value.as_text().is_some()).for_each(|(_, value)| found(value));
        }
    });
}

/// Masks the secret texts in a message. One so short that it is part of ordinary words is masked
/// only where it is quoted by itself.
pub(super) fn hide(message: &mut String, secrets: &[String]) {
    for secret in secrets {
        let (secret, mask) = match secret.chars().count() {
            0..4 => (format!("`{secret}`"), format!("`{MASK}`")),
            _ => (secret.clone(), MASK.to_owned()),
        };
        if message.contains(&secret) {
            *message = message.replace(&secret, &mask);
        }
    }
}

/// `${NAME}` without a default is no secret.
fn is_reference(raw: &str) -> bool {
    let raw = raw.trim().trim_matches(['"', '\'']);
    raw.starts_with("${") && raw.find('}') == Some(raw.len() - 1) && !raw.contains(":-")
}

/// The right sides of the lines that belong to the top-level key `secrets`.
fn lines_of_secrets(text: &str, syntax: Syntax) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut inside = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(['"', '\'', '[', '{', ' ']);
        let names_secrets = bare.starts_with("secrets");
        let ends_section = match syntax {
            Syntax::Yaml => !line.starts_with([' ', '\t', '#', '\n', '\r', '}', ']']),
            Syntax::Toml => line.trim_start().starts_with('['),
        };
        if names_secrets {
            inside = syntax == Syntax::Yaml || line.trim_start().starts_with('[') || line.contains('{');
        } else if ends_section {
            inside = false;
        }
        if inside || names_secrets {
            let separator = line.find([':', '=']).map(|separator| separator + 1);
            let from = separator.unwrap_or(if names_secrets { line.len() } else { 0 });
            let content = line[from..].trim();
            let from = from + line[from..].find(content).unwrap_or(0);
            places.push(start + from..start + from + content.len());
        }
        start += line.len();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_readable() {
        let text = "a: postgres://me:hunter2@h\nb: x://u:${PW}@h\n";
        let shown: Vec<&str> =
            places(text, Syntax::Yaml, None).into_iter().map(|place| &text[place]).collect();
        assert_eq!(shown, ["hunter2"]);
    }

    #[test]
    fn messages_are_masked() {
        let mut message = "unknown value `postgres://u:hunter2@h`, not `a`".to_owned();
        hide(&mut message, &["hunter2".to_owned(), "a".to_owned()]);
        assert_eq!(message, "unknown value `postgres://u:***@h`, not `***`");
    }

    #[test]
    fn secrets_are_found_in_a_file_that_does_not_parse() {
        let shown = |text: &str, syntax| {
            let mut text = text.to_owned();
            for place in places(&text.clone(), syntax, None).into_iter().rev() {
                text.replace_range(place, MASK);
            }
            text
        };
        assert_eq!(
            shown("secrets:\n  a: hunter2\n  b: [x\nname: y\n", Syntax::Yaml),
            "secrets:\n  a: ***\n  b: ***\nname: y\n"
        );
        assert_eq!(shown("secrets: {a: hunter2\n", Syntax::Yaml), "secrets: ***\n");
        assert_eq!(
            shown("[secrets]\na = \"x\"\n[load]\nb = 1\n", Syntax::Toml),
            "[secrets]\na = ***\n[load]\nb = 1\n"
        );
        assert_eq!(shown("secrets.a = 'x'\nb = 1\n", Syntax::Toml), "secrets.a = ***\nb = 1\n");
    }
}
