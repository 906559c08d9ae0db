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
        let Range { start: at, end } = scalar;
        let mut decoder = Decoder { source: self, at, end, from: at, origins: Vec::new() };
        let Some(style) = decoder.open(value) else { return scalar };
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
    /// Where the raw text of the current character begins.
    from: usize,
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
    fn open(&mut self, value: &str) -> Option<Style> {
        let rest = self.rest();
        if self.source.syntax_at(self.at) == Some(Syntax::Toml) {
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
            _ => {
                let Some((content, folds)) = self.block() else { return Some(Style::Plain) };
                self.at = content;
                let leading = |text: &str| {
                    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                    first.len() - first.trim_start_matches(' ').len()
                };
                let indent = leading(self.rest()).saturating_sub(leading(value));
                Some(Style::Block { indent, folds })
            }
        }
    }

    /// Where the content of a block scalar begins, and whether its lines fold. The parser places
    /// such a scalar at its first character that isn't white space.
    fn block(&self) -> Option<(usize, bool)> {
        let text = &self.source.text[..self.at];
        let line = text.rfind('\n')? + 1;
        if !text[line..].trim().is_empty() {
            return None;
        }
        let above = text[..line].trim_end();
        let header =
            above[above.rfind('\n').map_or(0, |newline| newline + 1)..].split(" #").next()?.trim_end();
        let header = header.trim_end_matches(|c: char| c == '-' || c == '+' || c.is_ascii_digit());
        let folds = match header.chars().last()? {
            '|' => false,
            '>' => true,
            _ => return None,
        };
        Some((above.len() + text[above.len()..].find('\n')? + 1, folds))
    }

    /// Notes where the bytes of the value come from, as far as the raw text gives it.
    fn align(&mut self, style: Style, value: &str) {
        if let Style::Block { indent, .. } = style {
            self.indent(indent);
        }
        for c in value.chars() {
            self.from = self.at;
            if !self.next(style, c) {
                return;
            }
            let origin = Origin { start: self.from, end: self.at };
            self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
        }
    }

    /// Steps over the raw text of one character of the value; false when it isn't there.
    fn next(&mut self, style: Style, wanted: char) -> bool {
        if let Style::Double { folds } = style {
            return self.next_double(folds, wanted);
        }
        if self.rest().starts_with("\r\n") && (wanted == '\n' || matches!(style, Style::Block { .. })) {
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
                    let begins = !self.source.text[..self.at].trim_end_matches([' ', '\r']).ends_with('\n');
                    self.line_break(indent);
                    // The first of several line breaks folds away, unless deeper lines follow.
                    let deeper =
                        self.rest().trim_start_matches(['\n', '\r']).starts_with(&" ".repeat(indent + 1));
                    if folds && begins && wanted == '\n' && self.rest().starts_with('\n') && !deeper {
                        self.line_break(indent);
                    }
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
                self.from = self.at;
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

    fn line_break(&mut self, indent: usize) {
        self.at += 1;
        self.indent(indent);
        if self.rest().starts_with("\r\n") {
            self.at += 1;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{LoadOptions, load_str};

    /// Where the file has the `WHERE` of the name.
    fn found(path: &str, text: &str) -> (String, (usize, usize)) {
        let options = LoadOptions {
            environment: &|_| Some("outside".into()),
            vars: &[],
            targets: &[],
            profile: None,
        };
        let loaded = load_str(Path::new(path), text, &options).expect("there is a model");
        let name = &loaded.file.name;
        let at = name.find("WHERE").expect("it is in the value");
        let span = loaded.source.sub_span(&name.span, name, at..at + 5);
        (loaded.source.text[span.clone()].to_owned(), loaded.source.line_column(span.start))
    }

    #[test]
    fn parts_of_yaml_scalars_are_found() {
        for (text, place) in [
            ("name: a WHERE b\n", (1, 9)),
            ("name: 'it''s WHERE b'\n", (1, 14)),
            ("name: \"a \\\"x\\\" \\u00e9 \\t WHERE\"\n", (1, 26)),
            ("name: |\n  SELECT é\n    FROM x\n\n  WHERE b\n", (5, 3)),
            ("name: |-\n\n   SELECT 1\n   WHERE b\n", (4, 4)),
            ("name: |2\n   SELECT 1\n   WHERE b\n", (3, 4)),
            ("name: >\n  SELECT 1\n  FROM x\n\n  WHERE b\n", (5, 3)),
            ("name: SELECT 1\n  FROM x\n\n  WHERE b\n", (4, 3)),
            ("name: \"SELECT 1\n  FROM x \\\n  WHERE b\"\n", (3, 3)),
            ("name:\n  SELECT 1\n  WHERE b\n", (3, 3)),
            ("name: WHERE ${OUTSIDE}\n", (1, 7)),
        ] {
            assert_eq!(found("a.yaml", text), ("WHERE".to_owned(), place), "{text}");
            let windows = text.replace('\n', "\r\n");
            assert_eq!(found("a.yaml", &windows), ("WHERE".to_owned(), place), "{windows:?}");
        }
    }

    #[test]
    fn parts_of_toml_scalars_are_found() {
        for (text, place) in [
            ("name = \"a WHERE b\"\n", (1, 11)),
            ("name = 'a \\ WHERE b'\n", (1, 13)),
            ("name = \"a \\\"x\\\" \\u00e9 \\t WHERE\"\n", (1, 27)),
            ("name = \"\"\"\nSELECT é\n  FROM x\n\nWHERE b\"\"\"\n", (5, 1)),
            ("name = \'\'\'\nSELECT 1\n  WHERE b\'\'\'\n", (3, 3)),
            ("name = \"\"\"a \\\n   WHERE b\"\"\"\n", (2, 4)),
        ] {
            assert_eq!(found("a.toml", text), ("WHERE".to_owned(), place), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_found_is_the_whole_scalar() {
        let (text, place) = found("a.yaml", "name: ${OUTSIDE} WHERE\n");
        assert_eq!((text.as_str(), place), ("${OUTSIDE} WHERE", (1, 7)));
    }
}
