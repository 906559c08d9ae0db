//! A file's text, with what is needed to point into it, and the texts of the files that it includes.
//!
//! Included texts stand behind the file's own, so that a place stays a range of byte offsets
//! wherever it is.

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
    /// The whole text, without a byte order mark, and behind it those of the included files. Spans are
    /// byte offsets into it.
    pub text: String,
    /// Byte ranges that are never shown, in order.
    pub(super) masked: Vec<Range<usize>>,
    /// The file itself, then each included one, in the order of their texts.
    parts: Vec<Part>,
    line_starts: Vec<usize>,
}

/// The text of one file within the whole.
#[derive(Debug, Clone)]
struct Part {
    path: PathBuf,
    span: Range<usize>,
    /// None for a file that isn't a scenario.
    syntax: Option<Syntax>,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String, syntax: Option<Syntax>) -> Self {
        let line_starts = line_starts(&text);
        let parts = vec![Part { path: path.clone(), span: 0..text.len(), syntax }];
        Self { path, text, masked: Vec::new(), parts, line_starts }
    }

    /// Puts the text of an included file behind the others. Returns the offset at which it begins.
    pub(super) fn append(&mut self, included: Self) -> usize {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(&included.text);
        let moved = |place: &Range<usize>| place.start + start..place.end + start;
        self.masked.extend(included.masked.iter().map(moved));
        self.parts.extend(included.parts.into_iter().map(|part| Part { span: moved(&part.span), ..part }));
        self.line_starts = line_starts(&self.text);
        start
    }

    fn part(&self, offset: usize) -> &Part {
        let next = self.parts.partition_point(|part| part.span.start <= offset);
        &self.parts[next.saturating_sub(1)]
    }

    /// The file in which an offset lies, as it was given.
    pub fn path_at(&self, offset: usize) -> &Path {
        &self.part(offset).path
    }

    /// The folder of the file in which an offset lies: what is written there is relative to it.
    pub fn folder_at(&self, offset: usize) -> &Path {
        self.path_at(offset).parent().unwrap_or(Path::new(""))
    }

    /// True for a place in the file itself, and not in an included one.
    pub fn is_own(&self, offset: usize) -> bool {
        offset <= self.parts[0].span.end
    }

    /// The included files, as they were given.
    pub fn included(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().skip(1).map(|part| part.path.as_path())
    }

    /// The language in which an offset is written.
    pub(super) fn syntax_at(&self, offset: usize) -> Option<Syntax> {
        self.part(offset).syntax
    }

    /// Line and column of a byte offset in its own file, both from 1; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.clamp(offset);
        let line = self.line_index(offset);
        let first = self.line_index(self.part(offset).span.start);
        (line - first + 1, self.text[self.line_starts[line]..offset].chars().count() + 1)
    }

    fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }

    /// The file's own text with secrets masked, line for line.
    pub fn without_secrets(&self) -> String {
        let own = &self.parts[0].span;
        let mut shown = String::with_capacity(own.len());
        let mut at = 0;
        for place in self.masked.iter().filter(|place| place.end <= own.end) {
            // Places may lie inside one another: a password in a secret URL.
            shown.push_str(self.text.get(at..place.start).unwrap_or_default());
            if place.end > at {
                shown.push_str(if place.start >= at { MASK } else { "" });
                let hidden = &self.text[place.start.max(at)..place.end];
                shown.extend(hidden.chars().filter(|c| *c == '\n'));
                at = place.end;
            }
        }
        shown.push_str(&self.text[at..own.end]);
        shown
    }

    /// The byte range of the line in which an offset lies, without its line break.
    pub(super) fn line_at(&self, offset: usize) -> Range<usize> {
        let index = self.line_index(self.clamp(offset));
        let start = self.line_starts[index];
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
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

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let source = Source::new("a.yaml".into(), "ab\r\nçé: x\n".into(), Some(Syntax::Yaml));
        let places = [0, 1, 4, 6, 8, 13, 99].map(|offset| source.line_column(offset));
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 1)]);
        assert_eq!(source.line_at(0), 0..2);
        assert_eq!(source.line_at(99), 12..12);
    }

    #[test]
    fn an_included_text_has_lines_of_its_own() {
        let mut source = Source::new("a.yaml".into(), "a: 1\nb: 2".into(), Some(Syntax::Yaml));
        let mut included = Source::new("c/d.toml".into(), "x = 1\ny = 's'\n".into(), Some(Syntax::Toml));
        included.masked = vec![4..5, 10..13];
        let start = source.append(included);
        assert_eq!((source.path_at(8), source.line_column(8)), (Path::new("a.yaml"), (2, 4)));
        let y = start + 6;
        assert_eq!((source.path_at(y), source.line_column(y)), (Path::new("c/d.toml"), (2, 1)));
        assert_eq!(&source.text[source.line_at(y)], "y = 's'");
        assert_eq!((source.syntax_at(y), source.folder_at(y)), (Some(Syntax::Toml), Path::new("c")));
        assert!(source.is_own(8) && !source.is_own(start));
        assert_eq!(source.without_secrets(), "a: 1\nb: 2");
        assert_eq!(&source.text[source.masked[1].clone()], "'s'");
    }

    #[test]
    fn secrets_are_masked_line_for_line() {
        let mut source = Source::new("a.yaml".into(), "a: se\ncret\nb: c\n".into(), Some(Syntax::Yaml));
        assert_eq!(source.without_secrets(), source.text);
        source.masked = vec![3..10, 5..8, 14..15];
        assert_eq!(source.without_secrets(), "a: ***\n\nb: ***\n");
    }
}
