//! What must not be shown of a scenario: literal values under `secrets` and passwords in URLs.
//!
//! Places are masked in the lines of the file, texts in messages. The places are found in the
//! text too, for a file that doesn't parse.

use std::ops::Range;

use super::{node::Node, source::Syntax};

/// Stands for what isn't shown.
pub(super) const MASK: &str = "***";

/// The byte ranges of a file that are never shown, in order.
pub(super) fn places(text: &str, syntax: Syntax, tree: Option<&Node>) -> Vec<Range<usize>> {
    let mut places = passwords(text);
    match tree {
        Some(tree) => {
            if let Some(secrets) = tree.get("secrets") {
                secrets.walk(&mut |node| {
                    if node.entries().is_empty() && !is_reference(&text[node.span.clone()]) {
                        places.push(node.span.clone());
                    }
                });
            }
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
    tree.walk(&mut |node| {
        if let Some(text) = node.as_text() {
            texts.extend(passwords(text).into_iter().map(|place| text[place].to_owned()));
        }
    });
    texts.retain(|text| !text.is_empty());
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
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

/// `password` of each `scheme://user:password@host`.
pub(super) fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(scheme) = text[at..].find("://") {
        let start = at + scheme + 3;
        let ends = |c: char| c.is_whitespace() || "/?#\"'<>|\\".contains(c);
        let authority = &text[start..start + text[start..].find(ends).unwrap_or(text.len() - start)];
        if let Some(host) = authority.rfind('@')
            && let Some(colon) = authority[..host].find(':')
            && !is_reference(&authority[colon + 1..host])
        {
            found.push(start + colon + 1..start + host);
        }
        at = start;
    }
    found
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
    fn passwords_are_found_in_urls() {
        let text = "a postgres://me:s3c:r@t@host/db and http://host:80/ and x://u:${PW}@h";
        let found: Vec<&str> = passwords(text).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["s3c:r@t"]);
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
