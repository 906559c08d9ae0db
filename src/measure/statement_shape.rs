//! How a statement of the application is named in a report: by its shape, without the values in it.

/// Characters of a statement that are shown.
const MOST_CHARACTERS: usize = 60;
/// Longest comment that is taken for a name.
const MOST_COMMENT: usize = 40;

/// The statement with `?` for texts and numbers, on one line, without comments, cut.
pub(super) fn shape(statement: &str) -> String {
    let mut shape = String::new();
    let mut rest = without_comments(statement).chars().collect::<Vec<_>>().into_iter().peekable();
    let mut in_word = false;
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                // A doubled quote is a quote within the text.
                while let Some(inner) = rest.next() {
                    if inner == '\'' && rest.next_if_eq(&'\'').is_none() {
                        break;
                    }
                }
                shape.push('?');
            }
            c if c.is_ascii_digit() && !in_word => {
                while rest.next_if(|c| c.is_alphanumeric() || *c == '.').is_some() {}
                shape.push('?');
            }
            c if c.is_whitespace() || c.is_control() => {
                if !shape.ends_with(' ') && !shape.is_empty() {
                    shape.push(' ');
                }
            }
            c => shape.push(c),
        }
        in_word = c.is_alphanumeric() || matches!(c, '_' | '$');
    }
    let shape = shape.trim_end();
    match shape.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}…", shape[..at].trim_end()),
        None => shape.to_owned(),
    }
}

/// A short comment in the statement, by which applications tell their statements apart.
pub(super) fn comment(statement: &str) -> Option<String> {
    let (_, rest) = statement.split_once("/*")?;
    let text = rest.split_once("*/")?.0.trim();
    let plain =
        !text.is_empty() && text.chars().count() <= MOST_COMMENT && !text.contains(char::is_control);
    plain.then(|| text.to_owned())
}

pub(super) fn without_comments(statement: &str) -> String {
    let mut text = String::new();
    let mut rest = statement;
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown() {
        assert_eq!(
            shape("SELECT id\n  FROM t1 WHERE name = 'it''s 5' AND n = 12.5 AND k = $1 /* pay */"),
            "SELECT id FROM t1 WHERE name = ? AND n = ? AND k = $1"
        );
        assert_eq!(shape("UPDATE t SET a = 'unfinished"), "UPDATE t SET a = ?");
        assert_eq!(shape(&"x ".repeat(100)).chars().count(), 60);
    }

    #[test]
    fn a_short_comment_is_a_name() {
        assert_eq!(comment("/* capture_payment */ SELECT 1").as_deref(), Some("capture_payment"));
        assert_eq!(comment("SELECT 1"), None);
        assert_eq!(comment(&format!("SELECT 1 /*{}*/", "x".repeat(80))), None);
    }
}
