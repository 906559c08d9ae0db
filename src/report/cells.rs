//! Texts and cells of tables.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle, presets};

use super::{table::Style, texts::is_tricky};
use crate::units::format_millis;

/// A table with a line under its header and nothing else.
pub(super) fn table(style: &Style, header: &[&str]) -> Table {
    let lines: TableStyle =
        TableStyle { header_separator: LineStyle::none().fill('─'), ..presets::NOTHING };
    let mut table = Table::new();
    table.load_style(lines).set_content_arrangement(ContentArrangement::Dynamic).set_width(style.width);
    table.set_header(header.iter().enumerate().map(|(index, text)| {
        let cell = Cell::new(text);
        if index == 0 { cell } else { cell.set_alignment(CellAlignment::Right) }
    }));
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// The table's lines, indented, without blanks at their ends.
pub(super) fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

pub(super) fn text(text: &str) -> Cell {
    Cell::new(plain(text))
}

pub(super) fn number(number: u64) -> Cell {
    right(&grouped(number))
}

pub(super) fn time(millis: f64) -> Cell {
    right(&format_millis(millis))
}

pub(super) fn right(text: &str) -> Cell {
    Cell::new(plain(text)).set_alignment(CellAlignment::Right)
}

/// Green for what is well, red for what isn't; the word says the same.
pub(super) fn verdict_cell(word: &str, well: bool) -> Cell {
    Cell::new(word).fg(if well { Color::Green } else { Color::Red })
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 transaction`, `12,345 transactions`.
pub(super) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// Text from outside: control characters and direction marks could play tricks on a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => plain.push(' '),
            c if is_tricky(c) => {
                plain.extend(c.escape_unicode());
            }
            c => plain.push(c),
        }
    }
    plain
}

/// At most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// `text` over several lines of at most `width` characters, each after `indent`.
pub(super) fn wrapped(text: &str, indent: &str, width: u16) -> String {
    let room = usize::from(width).saturating_sub(indent.chars().count()).max(20);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in plain(text).split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.iter().map(|line| format!("{indent}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
    }
}
