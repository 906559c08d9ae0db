//! A file's text, with what is needed to point into it.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use super::mask::MASK;

/// The language that a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Yaml,
    Toml,
}

impl Syntax {
    /// By the file's ending.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// A scenario file, or a file that a scenario is made from.
#[derive(Debug, Clone)]
pub struct Source {
    /// As it was given.
    pub path: PathBuf,
    /// The whole text, without a byte order mark. Spans are byte offsets into it.
    pub text: String,
    /// None for a file that isn't a scenario.
    pub(super) syntax: Option<Syntax>,
    /// Byte ranges that are never shown, in order.
    pub(super) masked: Vec<Range<usize>>,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String, syntax: Option<Syntax>) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path, text, syntax, masked: Vec::new(), line_starts }
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.clamp(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The text with secrets masked, line for line.
    pub fn without_secrets(&self) -> String {
        let mut shown = String::with_capacity(self.text.len());
        let mut at = 0;
        for place in &self.masked {
            // Places may lie inside one another: a password in a secret URL.
            shown.push_str(self.text.get(at..place.start).unwrap_or_default());
            if place.end > at {
                shown.push_str(if place.start >= at { MASK } else { "" });
                let hidden = &self.text[place.start.max(at)..place.end];
                shown.extend(hidden.chars().filter(|c| *c == '\n'));
                at = place.end;
            }
        }
        shown.push_str(&self.text[at..]);
        shown
    }

    /// The byte range of a line (from 1), without its line break.
    pub(super) fn line(&self, number: usize) -> Range<usize> {
        let start = self.line_starts[number - 1];
        let end = self.line_starts.get(number).map_or(self.text.len(), |next| next - 1);
        let cut = self.text[start..end].ends_with('\r');
        start..end - usize::from(cut)
    }

    /// The nearest offset at or before this one that is inside the text and between characters.
    pub(super) fn clamp(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let source = Source::new("a.yaml".into(), "ab\r\nçé: x\n".into(), Some(Syntax::Yaml));
        let places = [0, 1, 4, 6, 8, 13, 99].map(|offset| source.line_column(offset));
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 1)]);
        assert_eq!(source.line(1), 0..2);
        assert_eq!(source.line(3), 12..12);
    }

    #[test]
    fn secrets_are_masked_line_for_line() {
        let mut source = Source::new("a.yaml".into(), "a: se\ncret\nb: c\n".into(), Some(Syntax::Yaml));
        assert_eq!(source.without_secrets(), source.text);
        source.masked = vec![3..10, 5..8, 14..15];
        assert_eq!(source.without_secrets(), "a: ***\n\nb: ***\n");
    }
}
