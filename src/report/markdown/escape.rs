//! Text from outside as Markdown that shows just that text.

use crate::report::texts::{short, visible};

/// Longest piece of text from outside.
const LONGEST: usize = 400;

/// As a code span, in which nothing has a meaning but backticks and, in a table, `|`.
pub(super) fn code(text: &str) -> String {
    let text = short(text, LONGEST).replace('|', "\\|");
    if text.trim().is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// As a block of lines.
pub(super) fn block(text: &str) -> String {
    let text: String = visible(text).chars().take(10 * LONGEST).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// As words of a sentence: no markup, no link, nobody mentioned.
pub(super) fn prose(text: &str) -> String {
    let line = short(text.trim(), LONGEST);
    let mut escaped = String::with_capacity(line.len() + 16);
    let mut before = ' ';
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let within_word =
            before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // The comment keeps GitHub from seeing a name or an issue.
            '@' | '#' => escaped.extend([&c.to_string(), "<!-- -->"]),
            '_' if within_word => escaped.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', c]),
            // What would begin a list, a rule or a heading.
            '-' | '+' | '=' if escaped.is_empty() => escaped.extend(['\\', c]),
            '.' | ')' if begins_list(&escaped, rest.peek()) => escaped.extend(['\\', c]),
            // `https:` before `//` would become a link.
            ':' if rest.peek() == Some(&'/') => escaped.push_str(":<!-- -->"),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

/// `12.` and a blank.
fn begins_list(before: &str, after: Option<&char>) -> bool {
    after.is_none_or(|c| c.is_whitespace()) && before.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_hold_backticks_and_pipes() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a``b`"), "``` a``b` ```");
        assert_eq!(code("<script>\nx"), "`<script> x`");
        assert_eq!(code("  "), "");
        assert_eq!(block("a\n```\n"), "````text\na\n```\n````");
    }

    #[test]
    fn prose_is_words() {
        assert_eq!(prose("lock_order is _bad_"), "lock_order is \\_bad\\_");
        assert_eq!(prose("<b>&|`*[x](y)"), "&lt;b&gt;&amp;\\|\\`\\*\\[x\\](y)");
        assert_eq!(prose("@octocat #12"), "@<!-- -->octocat #<!-- -->12");
        assert_eq!(prose("- x"), "\\- x");
        assert_eq!(prose("12. x"), "12\\. x");
        assert_eq!(prose("98.17%"), "98.17%");
        assert_eq!(prose("see http://x"), "see http:<!-- -->//x");
    }
}
