//! YAML 1.2 into the tree: the only place that knows the YAML parser.
//!
//! Plain scalars follow the core schema, so `no` and `010` and `1_000` are text. Aliases and merge
//! keys are expanded within a budget. Absent on purpose: tags other than the standard ones, several
//! documents, keys that aren't text.

use std::{collections::BTreeSet, fmt, ops::Range};

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{
    Location,
    options::{DuplicateKeyPolicy, Options},
};

use super::{
    node::{Node, NodeKind},
    problem::Problem,
    reader::{DEEPEST, MOST_NODES},
    spanned::Spanned,
};

/// Reads a text: a tree where one can be made, and what is wrong.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    match serde_saphyr::from_str_with_options::<Option<Wide>>(text, options()) {
        Ok(Some(wide)) => {
            let mut problems = Vec::new();
            let node = narrow(wide, text, &mut problems);
            (Some(node), problems)
        }
        Ok(None) => {
            (None, vec![Problem::error("the file holds no scenario").hint("start with `version: 1`")])
        }
        Err(error) => (None, vec![explain(&error, text)]),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_events: MOST_NODES * 4,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
        },
    }
}

/// What the parser can give, before it is narrowed to what a scenario may say.
struct Wide {
    place: Range<usize>,
    kind: WideKind,
}

enum WideKind {
    Plain(NodeKind),
    TooLarge,
    List(Vec<Wide>),
    Map(Vec<(Wide, Wide)>),
}

fn place(location: Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    start..start + span.byte_len().unwrap_or(0) as usize
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<WideKind>::deserialize(deserializer)?;
        Ok(Self { place: place(spanned.referenced), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for WideKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WideVisitor)
    }
}

struct WideVisitor;

impl<'de> de::Visitor<'de> for WideVisitor {
    type Value = WideKind;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Null))
    }
    fn visit_none<E>(self) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<WideKind, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Int(value)))
    }
    fn visit_u64<E>(self, value: u64) -> Result<WideKind, E> {
        Ok(i64::try_from(value).map_or(WideKind::TooLarge, |value| WideKind::Plain(NodeKind::Int(value))))
    }
    fn visit_f64<E>(self, value: f64) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Float(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Text(value.to_owned())))
    }
    fn visit_string<E>(self, value: String) -> Result<WideKind, E> {
        Ok(WideKind::Plain(NodeKind::Text(value)))
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<WideKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(WideKind::List(items))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<WideKind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(WideKind::Map(entries))
    }
}

fn narrow(wide: Wide, text: &str, problems: &mut Vec<Problem>) -> Node {
    let Wide { place, kind } = wide;
    match kind {
        WideKind::Plain(NodeKind::Float(value)) if is_long_integer(&text[place.clone()], value) => {
            problems.push(too_large(place.clone()));
            Node::new(place, NodeKind::Int(0))
        }
        WideKind::Plain(kind) => Node::new(place, kind),
        WideKind::TooLarge => {
            problems.push(too_large(place.clone()));
            Node::new(place, NodeKind::Int(0))
        }
        WideKind::List(items) => {
            let items: Vec<Node> = items.into_iter().map(|item| narrow(item, text, problems)).collect();
            let ends = items.first().zip(items.last());
            let place = ends.map_or(place.clone(), |(first, last)| around(&place, &first.span, &last.span));
            Node::new(place, NodeKind::List(items))
        }
        WideKind::Map(entries) => narrow_map(place, entries, text, problems),
    }
}

fn narrow_map(
    place: Range<usize>,
    wide: Vec<(Wide, Wide)>,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Node {
    let mut entries: Vec<(Spanned<String>, Node)> = Vec::with_capacity(wide.len());
    let mut names = BTreeSet::new();
    for (key, value) in wide {
        let WideKind::Plain(NodeKind::Text(name)) = key.kind else {
            problems.push(not_text(&key, text));
            continue;
        };
        let value = narrow(value, text, problems);
        if names.insert(name.clone()) {
            entries.push((Spanned::new(name, key.place), value));
        } else {
            problems.push(Problem::error(format!("duplicate key `{name}`")).at(key.place));
        }
    }
    let ends = entries.first().zip(entries.last());
    let place = ends.map_or(place.clone(), |(first, last)| around(&place, &first.0.span, &last.1.span));
    Node::new(place, NodeKind::Map(entries))
}

/// The parser places a list or a map where it begins; for messages it spans its content.
fn around(start: &Range<usize>, first: &Range<usize>, last: &Range<usize>) -> Range<usize> {
    let start = start.start.min(first.start);
    start..last.end.max(start)
}

fn is_long_integer(raw: &str, value: f64) -> bool {
    value.fract() == 0.0
        && raw.len() > 18
        && raw.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn too_large(place: Range<usize>) -> Problem {
    Problem::error("a whole number beyond 64 bits").at(place).hint("write quotes around it to make it text")
}

fn not_text(key: &Wide, text: &str) -> Problem {
    let braces =
        text[..key.place.start].trim_end().ends_with('{') || text[key.place.start..].starts_with('{');
    let problem = Problem::error("a key must be text").at(key.place.start..key.place.end);
    match &key.kind {
        WideKind::Map(_) if braces => problem.hint("write quotes around an expression: `\"{{ … }}\"`"),
        _ => problem.hint("write quotes around it"),
    }
}

/// Errors of the scanner count characters, not bytes.
fn error_place(location: Location, text: &str) -> Range<usize> {
    if location.span().byte_offset().is_some() {
        return place(location);
    }
    let offset = location.span().offset() as usize;
    let start = text.char_indices().nth(offset).map_or(text.len(), |(at, _)| at);
    start..start
}

fn explain(error: &serde_saphyr::Error, text: &str) -> Problem {
    use serde_saphyr::Error;
    let cause = match error.without_snippet() {
        Error::AliasError { error, .. } => error.without_snippet(),
        other => other,
    };
    let problem = match cause {
        Error::MultipleDocuments { .. } => Problem::error("the file holds more than one YAML document")
            .hint("write one scenario to a file, without `---` between"),
        Error::Budget { breach, .. } => over_budget(breach),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            Problem::error("aliases expand to more than a scenario may hold")
        }
        Error::UnsupportedTag { tag, .. } => {
            Problem::error(format!("the tag `{tag}` has no meaning here")).hint("remove it")
        }
        Error::NonFiniteFloat { .. } => Problem::error("a number must be finite"),
        Error::UnknownAnchor { .. } => Problem::error("an alias without its anchor"),
        Error::Eof { .. } => Problem::error("the file ends too early"),
        other => {
            let message = other.to_string();
            let cut = message.find(" at line ").or_else(|| message.find("\n")).unwrap_or(message.len());
            match &message[..cut] {
                "recursion limit exceeded" => too_deep(),
                reason => Problem::error(format!("this is not YAML: {reason}")),
            }
        }
    };
    let problem = match error.location().map(|location| error_place(location, text)) {
        Some(place) => problem.at(place),
        None => problem,
    };
    match &problem.span {
        Some(span) if problem.hint.is_none() => with_syntax_hint(problem.clone(), text, span.start),
        _ => problem,
    }
}

fn over_budget(breach: &serde_saphyr::budget::BudgetBreach) -> Problem {
    use serde_saphyr::budget::BudgetBreach as Breach;
    match breach {
        Breach::Depth { .. } => too_deep(),
        Breach::Nodes { .. } | Breach::Events { .. } => too_many(),
        Breach::Documents { .. } => Problem::error("the file holds more than one YAML document"),
        _ => Problem::error("aliases expand to more than a scenario may hold"),
    }
}

pub(super) fn too_many() -> Problem {
    Problem::error(format!("more than {MOST_NODES} values in one file"))
}

pub(super) fn too_deep() -> Problem {
    Problem::error(format!("nested deeper than {DEEPEST} levels"))
}

/// The two mistakes that cost people most time in YAML.
fn with_syntax_hint(problem: Problem, text: &str, at: usize) -> Problem {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    if line.trim_start_matches(' ').starts_with('\t') {
        problem.hint("indent with spaces; YAML doesn't take tabs")
    } else if line.contains("{{") {
        problem.hint("write quotes around a text with an expression in it: `\"{{ … }}\"`")
    } else {
        problem
    }
}
