//! Texts of expressions, looked at from outside: what stands in quotes or brackets is passed over.

use std::ops::Range;

/// The characters that stand in no quotes and no brackets, but for those that open or close them here.
fn outermost(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut depth, mut quote) = (0_u32, None);
    text.char_indices().filter(move |(_, c)| match (quote, *c) {
        (Some(open), c) => {
            quote = quote.filter(|_| c != open);
            false
        }
        (None, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        (None, '(' | '[' | '{') => {
            depth += 1;
            false
        }
        (None, ')' | ']' | '}') if depth > 0 => {
            depth -= 1;
            false
        }
        _ => depth == 0,
    })
}

/// Splits at the commas that stand in no quotes and no brackets. Blanks stay.
pub fn split_at_commas(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in outermost(text).filter(|(_, c)| *c == ',') {
        parts.push(start..at);
        start = at + 1;
    }
    parts.push(start..text.len());
    parts
}

/// Where the parenthesis closes that a text stands behind.
pub fn closing(text: &str) -> Option<usize> {
    outermost(text).find(|(_, c)| *c == ')').map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_quotes_or_brackets_is_passed_over() {
        let parts = |text| split_at_commas(text).into_iter().map(|part| &text[part]).collect::<Vec<_>>();
        assert_eq!(parts("'a,b', f(1, 2), [3, \"]\", 4]"), ["'a,b'", " f(1, 2)", " [3, \"]\", 4]"]);
        assert_eq!(parts(""), [""]);
        assert_eq!(parts("a),b"), ["a)", "b"]);
        assert_eq!(closing("'a)', pick(c)) }}"), Some(13));
        assert_eq!(closing("(a"), None);
    }
}
