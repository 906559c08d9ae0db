//! A tree as YAML that reads back as the same tree.
//!
//! Short maps and lists stand on one line, as the shipped scenarios have them; long texts are folded.
//! Absent on purpose: comments, which a tree doesn't have.

use super::node::{Node, NodeKind};

/// Longest line, where texts allow it.
const WIDTH: usize = 110;
/// Longest map or list on one line.
const ONE_LINE: usize = 104;

/// Writes a map as YAML, ending in a line break. An empty line stands before the entries that need
/// several lines.
pub fn to_yaml(tree: &Node) -> String {
    let mut out = String::new();
    for (n, (key, value)) in tree.entries().iter().enumerate() {
        let mut entry = String::new();
        write_entry(&mut entry, key, value, 0);
        if n > 0
            && (entry.lines().count() > 1 || out.lines().last().is_some_and(|line| line.starts_with(' ')))
        {
            out.push('\n');
        }
        out.push_str(&entry);
    }
    out
}

fn write_entry(out: &mut String, key: &str, value: &Node, indent: usize) {
    let key = plain_or_quoted(key, false);
    out.push_str(&format!("{:indent$}{key}:", ""));
    write_value(out, value, indent, indent + key.chars().count() + 2);
}

/// Writes a value behind a key or a dash; `column` is where it begins.
fn write_value(out: &mut String, value: &Node, indent: usize, column: usize) {
    if let NodeKind::Text(text) = &value.kind
        && let Some(block) = block_text(text, indent + 2, column)
    {
        out.push_str(&format!(" {block}"));
        return;
    }
    let line = flow(value);
    // The parts of a scenario stand under each other, unless they are tiny.
    let fits = indent > 0 || !matches!(value.kind, NodeKind::Map(_)) || line.len() < 24;
    let holds_text = holds_long_text(value);
    match &value.kind {
        NodeKind::Map(entries)
            if !entries.is_empty() && (!fits || holds_text || column + line.chars().count() > ONE_LINE) =>
        {
            out.push('\n');
            for (key, value) in entries {
                write_entry(out, key, value, indent + 2);
            }
        }
        NodeKind::List(items)
            if !items.is_empty() && (holds_text || column + line.chars().count() > ONE_LINE) =>
        {
            out.push('\n');
            for item in items {
                write_item(out, item, indent + 2);
            }
        }
        NodeKind::Text(text) => out.push_str(&format!(" {}\n", plain_or_quoted(text, false))),
        _ => out.push_str(&format!(" {line}\n")),
    }
}

/// An item of a list: the first entry of a map stands behind the dash.
fn write_item(out: &mut String, item: &Node, indent: usize) {
    let line = flow(item);
    match &item.kind {
        NodeKind::Map(entries)
            if !entries.is_empty()
                && (is_named_map(entries)
                    || holds_long_text(item)
                    || indent + 2 + line.chars().count() > ONE_LINE) =>
        {
            let mut inner = String::new();
            for (key, value) in entries {
                write_entry(&mut inner, key, value, indent + 2);
            }
            out.push_str(&format!("{:indent$}- {}", "", inner.trim_start()));
        }
        _ => {
            out.push_str(&format!("{:indent$}-", ""));
            write_value(out, item, indent, indent + 2);
        }
    }
}

/// True for a map that gives another map a name, as steps of races have it.
fn is_named_map(entries: &[(super::Spanned<String>, Node)]) -> bool {
    matches!(entries, [(_, Node { kind: NodeKind::Map(_), .. })])
}

/// True for a value with a text in it that doesn't go on one line.
fn holds_long_text(value: &Node) -> bool {
    let mut long = false;
    value.walk(&mut |node| {
        long |= node.as_text().is_some_and(|text| text.contains('\n') || text.chars().count() > ONE_LINE);
    });
    long
}

/// A text that is too long for one line, folded, or as it is with its line breaks; with what comes
/// before it and the last line break.
fn block_text(text: &str, indent: usize, column: usize) -> Option<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let long = column + plain_or_quoted(body, false).chars().count() > WIDTH;
    let printable = |c: char| c == '\n' || !c.is_control();
    let spaces = body.starts_with(' ') || body.ends_with([' ', '\n']) || body.starts_with('\n');
    if body.is_empty() || spaces || !body.chars().all(printable) || !(long || text.contains('\n')) {
        return None;
    }
    let chomp = if text.ends_with('\n') { "" } else { "-" };
    let (style, lines) = if body.contains('\n') {
        ('|', body.lines().map(str::to_owned).collect())
    } else {
        ('>', folded(body, WIDTH.saturating_sub(indent)))
    };
    let mut out = format!("{style}{chomp}\n");
    for line in lines {
        let line = format!("{:indent$}{line}", "");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    Some(out)
}

/// Lines that fold back into the text: broken at single blanks only, and not inside of expressions.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    let mut after_blank = false;
    for word in words(text) {
        let line = lines.last_mut().expect("there is a first line");
        let length = line.chars().count();
        if length == 0 {
            line.push_str(word);
        } else if !word.is_empty() && !after_blank && length + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
        after_blank = word.is_empty();
    }
    lines
}

/// The parts of a text between its blanks; an expression in braces is one part.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut from, mut open) = (0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            ' ' if open == 0 => {
                words.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[from..]);
    words
}

/// A value on one line.
fn flow(value: &Node) -> String {
    match &value.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Bool(value) => value.to_string(),
        NodeKind::Int(value) => value.to_string(),
        NodeKind::Float(value) => format!("{value:?}"),
        NodeKind::Text(text) => plain_or_quoted(text, true),
        NodeKind::List(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Map(entries) => {
            let entry = |(key, value): &(super::Spanned<String>, Node)| {
                format!("{}: {}", plain_or_quoted(key, true), flow(value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text as it is where that reads back as this text, else in quotes.
fn plain_or_quoted(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        text.to_owned()
    } else if text.chars().any(char::is_control) || (text.contains('\'') && !text.contains(['"', '\\'])) {
        double_quoted(text)
    } else if text.contains('\'') || text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    let first = |c: char| c.is_alphabetic() || c == '_' || "/.$".contains(c) || c.is_ascii_digit();
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"];
    let numeric = |c: char| c.is_ascii_hexdigit() || "+-.xo_:".contains(c);
    let number_like =
        text.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.chars().all(numeric);
    let reads_otherwise = number_like
        || words.contains(&text.to_lowercase().as_str())
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' '])
        || text.contains(char::is_control);
    let ends_early = in_flow && text.contains([',', '[', ']', '{', '}', '"', '\'', ':', '#']);
    text.starts_with(first) && !reads_otherwise && !ends_early
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{super::yaml, *};

    fn parsed(text: &str) -> Node {
        let (tree, problems) = yaml::parse(text);
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        tree.expect("a tree")
    }

    #[test]
    fn the_shipped_scenarios_read_back_as_they_were() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                let tree = parsed(&std::fs::read_to_string(&path).expect("readable"));
                let written = to_yaml(&tree);
                assert_eq!(parsed(&written), tree, "{}\n{written}", path.display());
                seen += 1;
            }
        }
        assert!(seen >= 4, "the scenarios were found");
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        let long = "word ".repeat(60);
        let texts = [
            "",
            " ",
            "no",
            "Null",
            "~",
            "010",
            "1_000",
            "0x1f",
            "1e3",
            ".5",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "{{ a }}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "'",
            "\"",
            "it's \"so\"",
            "a\\b",
            "a\nb\n",
            "a\n\n  b",
            "\ta",
            "a\u{1}",
            "ends:",
            "ends ",
            "é",
            "a, b",
            "x\n",
            "?",
            "> 80%",
            "12:30",
            "= 1",
            "a  b",
            long.trim_end(),
            "true",
            "200/s",
            "|",
            "a\r\nb",
        ];
        for text in texts {
            for wrapped in [
                format!("{}: {}", "k", double_quoted(text)),
                format!("k: {{in: [{}, 1]}}", double_quoted(text)),
                format!("k: {{{}: {}}}", double_quoted(text), double_quoted(&long)),
            ] {
                let tree = parsed(&wrapped);
                let written = to_yaml(&tree);
                assert_eq!(parsed(&written), tree, "{text:?} in\n{written}");
            }
        }
    }

    #[test]
    fn short_maps_stand_on_one_line_and_long_texts_are_folded() {
        let sql = "SELECT a FROM t WHERE b = {{ c }} ".repeat(5);
        let tree = parsed(&format!(
            "name: a\nfixtures: {{chair: {{table: t, rows: 1}}}}\nlist: [1, {{sql: '{}', capture: x}}]\n",
            sql.trim_end()
        ));
        assert_eq!(
            to_yaml(&tree),
            "name: a\n\nfixtures:\n  chair: {table: t, rows: 1}\n\nlist:\n  - 1\n  - sql: >-\n      SELECT a FROM t \
             WHERE b = {{ c }} SELECT a FROM t WHERE b = {{ c }} SELECT a FROM t WHERE b = {{ c }}\n      SELECT a FROM t \
             WHERE b = {{ c }} SELECT a FROM t WHERE b = {{ c }}\n    capture: x\n"
        );
    }
}
