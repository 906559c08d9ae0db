//! Scalars and comments of YAML, written for people and read back exactly.

/// Plain words that YAML, old or new, takes for something else than text.
const WORDS: [&str; 11] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"];

/// A text on one line, plain where it can be.
pub(super) fn inline(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if !text.contains(['"', '\\']) || !text.chars().all(is_printable) {
        double_quoted(text)
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A text as the value of a key that stands at `indent`: on the key's line, or as a block below it
/// where that is easier to read.
pub(super) fn value(text: &str, indent: usize) -> String {
    let has_both_quotes = text.contains(['"', '\\']) && text.contains('\'');
    let wants_block = text.contains('\n') || (has_both_quotes && !is_plain(text));
    let can_be_block = text.chars().all(|c| c == '\n' || is_printable(c)) && !text.trim().is_empty();
    if wants_block && can_be_block { block(text, indent) } else { inline(text) }
}

fn block(text: &str, indent: usize) -> String {
    let content = text.trim_end_matches('\n');
    let line_breaks = text.len() - content.len();
    let chomping = ["-", "", "+"][line_breaks.min(2)];
    // The indentation is read off the first line that isn't empty, unless it is given.
    let indentation = if text.trim_start_matches('\n').starts_with(' ') { "2" } else { "" };
    let mut block = format!("|{indentation}{chomping}");
    for line in content.split('\n') {
        block.push('\n');
        if !line.is_empty() {
            block.push_str(&" ".repeat(indent + 2));
            block.push_str(line);
        }
    }
    // The first line break is the one that follows the value.
    block.extend(std::iter::repeat_n('\n', line_breaks.saturating_sub(1)));
    block
}

/// Comments, each on a line of its own at `indent`.
pub(super) fn comments(lines: &[String], indent: usize) -> String {
    let mut text = String::new();
    for line in lines {
        let harmless: String = line.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
        text.push_str(&format!("{}#{}\n", " ".repeat(indent), harmless.trim_end()));
    }
    text
}

/// True when the text means itself without quotes, outside brackets.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(|c: char| c == ':' || c.is_whitespace())
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && [": ", ":\t", " #", "\t#"].iter().all(|mark| !text.contains(mark))
        && text.chars().all(is_printable)
}

/// True for what may stand on a line of YAML as it is.
fn is_printable(c: char) -> bool {
    let ends_line = matches!(c, '\u{2028}' | '\u{2029}');
    let is_no_character = matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    c == '\t' || !(c.is_control() || ends_line || is_no_character)
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if is_printable(c) => quoted.push(c),
            _ if (c as u32) < 0x100 => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            _ => quoted.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    quoted.push('"');
    quoted
}
