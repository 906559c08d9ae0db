//! Where a part of a scalar's value stands in the file.
//!
//! The raw text is decoded again, noting where each byte of the value comes from: escapes, folded
//! lines, the indentation of block scalars. When that doesn't give the value that the parser gave
//! (the environment was put in, say), the part before the first difference is still exact; beyond
//! it the place is the whole scalar.

use std::ops::Range;

use super::source::{Source, Syntax};

impl Source {
    /// The place of `value[within]`, for a scalar that stands at `scalar` and has this value.
    pub fn sub_span(&self, scalar: &Range<usize>, value: &str, within: Range<usize>) -> Range<usize> {
        let scalar = self.clamp(scalar.start)..self.clamp(scalar.end.max(scalar.start));
        let mut decoder = Decoder { source: self, end: scalar.end, at: scalar.start, origins: Vec::new() };
        let Some(style) = decoder.open() else { return scalar };
        decoder.align(style, value);
        let origin = |index: usize| decoder.origins.get(index).copied();
        match (origin(within.start), within.end.checked_sub(1).and_then(origin)) {
            (Some(from), Some(to)) if within.start < within.end => from.start..to.end,
            (Some(from), _) => from.start..from.start,
            _ => scalar,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// YAML plain: line breaks fold.
    Plain,
    /// YAML `'…'`: `''` is a quote, line breaks fold.
    Single,
    /// YAML `"…"` (folds) or TOML basic (doesn't).
    Double { folds: bool },
    /// TOML `'…'` and `'''…'''`.
    Literal,
    /// YAML `|` and `>`, with the indentation of the content.
    Block { indent: usize, folds: bool },
}

struct Decoder<'a> {
    source: &'a Source,
    at: usize,
    end: usize,
    /// For each byte of the value read so far, where it comes from.
    origins: Vec<Origin>,
}

#[derive(Clone, Copy)]
struct Origin {
    start: usize,
    end: usize,
}

impl Decoder<'_> {
    fn rest(&self) -> &str {
        &self.source.text[self.at..self.end]
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(wanted).len();
    }

    /// Steps over what opens a scalar.
    fn open(&mut self) -> Option<Style> {
        let rest = self.rest();
        if self.source.syntax == Syntax::Toml {
            let (skip, style) = match rest {
                _ if rest.starts_with("\"\"\"") => (3, Style::Double { folds: false }),
                _ if rest.starts_with("'''") => (3, Style::Literal),
                _ if rest.starts_with('"') => (1, Style::Double { folds: false }),
                _ if rest.starts_with('\'') => (1, Style::Literal),
                _ => (0, Style::Literal),
            };
            self.at += skip;
            if skip == 3 {
                self.at += if self.rest().starts_with("\r\n") {
                    2
                } else {
                    usize::from(self.rest().starts_with('\n'))
                };
            }
            return Some(style);
        }
        match rest.chars().next()? {
            '"' => {
                self.at += 1;
                Some(Style::Double { folds: true })
            }
            '\'' => {
                self.at += 1;
                Some(Style::Single)
            }
            marker @ ('|' | '>') => {
                let header = rest.lines().next().unwrap_or_default();
                self.at += (header.len() + 1).min(rest.len());
                Some(Style::Block { indent: self.indentation(), folds: marker == '>' })
            }
            _ => {
                let line = self.source.line(self.source.line_column(self.at).0);
                let before = self.source.text[line.start..self.at].trim_end();
                let header = before.trim_end_matches(|c: char| c == '-' || c == '+' || c.is_ascii_digit());
                let block = before.is_empty().then(|| self.previous_header()).flatten();
                match block {
                    Some(folds) if header.is_empty() => {
                        Some(Style::Block { indent: self.at - line.start, folds })
                    }
                    _ => Some(Style::Plain),
                }
            }
        }
    }

    /// When the scalar's place begins at its content: whether the line before opened a block.
    fn previous_header(&self) -> Option<bool> {
        let before = self.source.text[..self.at].trim_end();
        let header = before.lines().last()?.split(" #").next()?.trim_end();
        let header = header.trim_end_matches(|c: char| c == '-' || c == '+' || c.is_ascii_digit());
        match header.chars().last()? {
            '|' => Some(false),
            '>' => Some(true),
            _ => None,
        }
    }

    /// The indentation of the first line with content.
    fn indentation(&self) -> usize {
        let first =
            self.source.text[self.at..].lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        first.len() - first.trim_start_matches(' ').len()
    }

    /// Notes where the bytes of the value come from, as far as the raw text gives it.
    fn align(&mut self, style: Style, value: &str) {
        if let Style::Block { indent, .. } = style {
            self.indent(indent);
        }
        for c in value.chars() {
            let from = self.at;
            if !self.next(style, c) {
                return;
            }
            let origin = Origin {
                start: from.max(self.at.saturating_sub(self.width(style, c, from))),
                end: self.at,
            };
            self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
        }
    }

    /// How many raw bytes before `self.at` belong to the character, without what was skipped.
    fn width(&self, style: Style, c: char, from: usize) -> usize {
        let folded = matches!(style, Style::Literal | Style::Plain | Style::Block { .. });
        if folded && c != '\n' && c != ' ' { c.len_utf8() } else { self.at - from }
    }

    /// Steps over the raw text of one character of the value; false when it isn't there.
    fn next(&mut self, style: Style, wanted: char) -> bool {
        if let Style::Double { folds } = style {
            return self.next_double(folds, wanted);
        }
        if self.rest().starts_with("\r\n") && wanted == '\n' {
            self.at += 1;
        }
        let Some(found) = self.rest().chars().next() else { return false };
        match style {
            Style::Single if found == '\'' && wanted == '\'' => {
                let doubled = self.rest().starts_with("''");
                self.at += 2;
                doubled
            }
            Style::Plain | Style::Single if found.is_whitespace() => self.fold(wanted),
            Style::Block { indent, folds } if found == '\n' => {
                let breaks = wanted == '\n' || (folds && wanted == ' ');
                if breaks {
                    self.at += 1;
                    self.indent(indent);
                }
                breaks
            }
            _ if found == wanted => {
                self.at += found.len_utf8();
                true
            }
            _ => false,
        }
    }

    /// White space in a flow scalar: within a line as it is; a line break is a space, an empty
    /// line a line break.
    fn fold(&mut self, wanted: char) -> bool {
        let rest = self.rest();
        let white = &rest[..rest.len() - rest.trim_start().len()];
        let breaks = white.matches('\n').count();
        match breaks {
            0 => {
                let same = rest.starts_with(wanted);
                self.at += rest.chars().next().map_or(0, char::len_utf8);
                same
            }
            1 => {
                self.at += white.len();
                wanted == ' '
            }
            _ => {
                // The last of the breaks takes the indentation with it.
                let first = white.find('\n').map_or(0, |at| at + 1);
                let step = if breaks == 2 { white.len() } else { first };
                self.at += step;
                wanted == '\n'
            }
        }
    }

    fn next_double(&mut self, folds: bool, wanted: char) -> bool {
        let rest = self.rest();
        if let Some(escape) = rest.strip_prefix('\\') {
            let Some(kind) = escape.chars().next() else { return false };
            if kind == '\n' || kind == '\r' || (!folds && kind.is_whitespace()) {
                self.at += 1;
                self.skip(char::is_whitespace);
                return self.next_double(folds, wanted);
            }
            let digits = match kind {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            self.at = (self.at + 1 + kind.len_utf8() + digits).min(self.end);
            return true;
        }
        match rest.chars().next() {
            Some(found) if folds && found.is_whitespace() => self.fold(wanted),
            Some('\r') if wanted == '\n' => {
                self.at += 2;
                true
            }
            Some(found) if found == wanted => {
                self.at += found.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn indent(&mut self, indent: usize) {
        for _ in 0..indent {
            if self.rest().starts_with(' ') {
                self.at += 1;
            }
        }
    }
}
