//! Writes inline SVG: shapes and text, nothing else. Classes are styled by the page, so that a
//! chart follows its light and dark.

use std::fmt::Write as _;

/// Where a text is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture in the making; lengths are in its own pixels.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    pub(super) fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(number);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        );
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        let _ = write!(self.body, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
    }

    pub(super) fn circle(&mut self, class: &str, center: (f64, f64), radius: f64) {
        let [x, y, r] = [center.0, center.1, radius].map(number);
        let _ = write!(self.body, r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}"/>"#);
    }

    pub(super) fn path(&mut self, class: &str, path: &Path) {
        let _ = write!(self.body, r#"<path class="{class}" d="{}"/>"#, path.0);
    }

    /// A path of this width, with an arrow's head where it ends.
    pub(super) fn arrow(&mut self, path: &Path, width: f64, opacity: f64) {
        let [width, opacity] = [width, opacity].map(number);
        let _ = write!(
            self.body,
            r#"<path class="edge" stroke-width="{width}" stroke-opacity="{opacity}" d="{}"/>"#,
            path.0
        );
    }

    pub(super) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let [x, y] = [at.0, at.1].map(number);
        let text = escaped(text);
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// The element. `id` is unique in the page; title and description are what a screen reader
    /// says.
    pub(super) fn finish(self, id: &str, class: &str, title: &str, description: &str) -> String {
        let Self { body, width, height } = self;
        let [width, height] = [width, height].map(number);
        let (title, description) = (escaped(title), escaped(description));
        format!(
            r#"<svg class="{class}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{description}</desc>{body}</svg>"#
        )
    }
}

/// The commands of a path.
#[derive(Debug, Clone, Default)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn go(&mut self, (x, y): (f64, f64)) {
        let _ = write!(self.0, "M{} {}", number(x), number(y));
    }

    pub(super) fn to(&mut self, (x, y): (f64, f64)) {
        let _ = write!(self.0, "L{} {}", number(x), number(y));
    }

    pub(super) fn across(&mut self, x: f64) {
        let _ = write!(self.0, "H{}", number(x));
    }

    pub(super) fn down(&mut self, y: f64) {
        let _ = write!(self.0, "V{}", number(y));
    }

    /// A quadratic curve.
    pub(super) fn bend(&mut self, by: (f64, f64), to: (f64, f64)) {
        let [a, b, x, y] = [by.0, by.1, to.0, to.1].map(number);
        let _ = write!(self.0, "Q{a} {b} {x} {y}");
    }

    /// A cubic curve.
    pub(super) fn curve(&mut self, first: (f64, f64), second: (f64, f64), to: (f64, f64)) {
        let [a, b, c, d, x, y] = [first.0, first.1, second.0, second.1, to.0, to.1].map(number);
        let _ = write!(self.0, "C{a} {b} {c} {d} {x} {y}");
    }

    pub(super) fn close(&mut self) {
        self.0.push('Z');
    }
}

/// A tenth of a pixel is finer than any screen.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        let mut svg = Svg::new(10.0, 5.25);
        svg.text("x", (1.0, 2.04), Anchor::End, "</text><script>\"'&");
        let text = svg.finish("a", "b", "<t>", "</desc>");
        assert!(text.contains("&lt;/text&gt;&lt;script&gt;&quot;&#39;&amp;</text>"), "{text}");
        assert!(text.contains(r#"<title id="a-t">&lt;t&gt;</title><desc id="a-d">&lt;/desc&gt;</desc>"#));
        assert!(text.contains(r#"x="1" y="2" text-anchor="end""#), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 1.25, -0.01, 0.96].map(number), ["1", "1.2", "0", "1"]);
    }
}
