//! The texts of a document that came from outside: all of them can be edited at once, and each
//! made fit to be shown.

use super::document::Document;

/// Keys whose texts are of a closed set, or numbers: changed, the document couldn't be read.
const CLOSED: [&str; 11] = [
    "verdict",
    "finding",
    "declared",
    "in_force",
    "cause",
    "buckets",
    "isolation",
    "outcome",
    "kind",
    "promised",
    "consistent_with",
];
/// What a race is expected to do: closed too, under a key that invariants use for text.
const EXPECTED: [&str; 3] = ["holds", "violated", "error"];
/// Fields that hold values by a name from outside.
const BY_NAME: [&str; 11] = [
    "anomalies",
    "operations",
    "targets",
    "causes",
    "recovered_causes",
    "exhausted",
    "statuses",
    "tables",
    "declared",
    "vars",
    "does_not_apply",
];

/// The document with every text from outside edited, names of operations and tables included.
pub fn edit_texts(document: &Document, edit: &dyn Fn(&str) -> String) -> Document {
    let mut value =
        serde_json::to_value(document).expect("the document holds nothing that JSON has no form for");
    walk(&mut value, edit);
    serde_json::from_value(value).expect("only texts that may be anything were changed")
}

fn walk(value: &mut serde_json::Value, edit: &dyn Fn(&str) -> String) {
    match value {
        serde_json::Value::String(text) => *text = edit(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| walk(item, edit)),
        serde_json::Value::Object(fields) => {
            for (field, value) in fields.iter_mut() {
                match value {
                    serde_json::Value::String(_) if CLOSED.contains(&field.as_str()) => {}
                    serde_json::Value::String(text)
                        if field == "expect" && EXPECTED.contains(&text.as_str()) => {}
                    serde_json::Value::Object(entries) if BY_NAME.contains(&field.as_str()) => {
                        let edited = std::mem::take(entries).into_iter().map(|(name, mut value)| {
                            walk(&mut value, edit);
                            (edit(&name), value)
                        });
                        *entries = edited.collect();
                    }
                    value => walk(value, edit),
                }
            }
        }
        _ => {}
    }
}

/// A text with everything spelled out that could hide, move or reorder what stands beside it.
/// Line breaks and tabs stay.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_tricky(c) {
            visible.extend(c.escape_unicode());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// Control characters, direction marks, characters without width, and code points that are none.
pub(super) fn is_tricky(c: char) -> bool {
    let none = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    let unseen = matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    none || unseen || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// At most `most` characters, in one line.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = text.replace(['\n', '\t'], " ");
    match line.char_indices().nth(most) {
        None => line,
        Some(_) => line.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_hidden() {
        assert_eq!(
            visible("a\u{1b}[2Jb\u{202e}c\u{fffe}d\u{ffff}\0"),
            "a\\u{1b}[2Jb\\u{202e}c\\u{fffe}d\\u{ffff}\\u{0}"
        );
        assert_eq!(visible("two\nlines\tçé שלום 👩‍👧"), "two\nlines\tçé שלום 👩‍👧");
        assert_eq!(short("a\nbcd", 4), "a b…");
        assert_eq!(short("a\nbc", 4), "a bc");
    }
}
