//! Expressions of a shape that is evaluated without minijinja, and how they are recognised.

use super::Names;

/// How an expression is evaluated.
pub(super) enum Kind {
    /// A slot of the frame, then attributes.
    Path {
        slot: usize,
        attributes: Box<[Box<str>]>,
    },
    /// `random` of two numbers.
    Random {
        low: i64,
        high: i64,
    },
    /// `pick` of a name.
    Pick {
        slot: usize,
    },
    /// `fake.id` of a prefix.
    FakeId {
        prefix: Box<str>,
    },
    Now,
    /// A name compared with a whole number.
    Equals {
        slot: usize,
        number: i64,
        equal: bool,
    },
    /// `(path * factor) | round | int` of a number with a fraction: an amount in cents.
    Scaled {
        slot: usize,
        attributes: Box<[Box<str>]>,
        factor: i64,
        /// For any other value.
        compiled: Box<minijinja::Expression<'static, 'static>>,
    },
    Compiled(Box<minijinja::Expression<'static, 'static>>),
}

/// The kinds that need no minijinja, when the expression is nothing else.
pub(super) fn simple(source: &str, names: &Names) -> Option<Kind> {
    if let Some(arguments) = call(source, "random") {
        let (low, high) = arguments.split_once(',')?;
        let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        return (low <= high).then_some(Kind::Random { low, high });
    }
    if let Some(name) = call(source, "pick") {
        return names.slot(name.trim()).map(|slot| Kind::Pick { slot });
    }
    if let Some(prefix) = call(source, "fake.id") {
        let prefix = prefix.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        return is_identifier(prefix).then(|| Kind::FakeId { prefix: prefix.into() });
    }
    if call(source, "now").is_some_and(|arguments| arguments.trim().is_empty()) {
        return Some(Kind::Now);
    }
    for (sign, equal) in [(" == ", true), (" != ", false)] {
        if let Some((name, number)) = source.split_once(sign) {
            let (slot, number) = (names.slot(name.trim())?, number.trim().parse().ok()?);
            return Some(Kind::Equals { slot, number, equal });
        }
    }
    let (slot, attributes) = path(source, names)?;
    Some(Kind::Path { slot, attributes })
}

/// A slot, and attributes of its value.
pub(super) type Path = (usize, Box<[Box<str>]>);

/// A name and attributes after dots.
fn path(source: &str, names: &Names) -> Option<Path> {
    let mut parts = source.split('.');
    let slot = names.slot(parts.next()?)?;
    let attributes: Option<Box<[Box<str>]>> =
        parts.map(|part| is_identifier(part).then(|| part.into())).collect();
    Some((slot, attributes?))
}

/// `(path * factor) | round | int`.
pub(super) fn scaled(source: &str, names: &Names) -> Option<(Path, i64)> {
    let (product, filters) = source.strip_prefix('(')?.split_once(')')?;
    let mut filters = filters.split('|').map(str::trim);
    if !["", "round", "int"].into_iter().all(|name| filters.next() == Some(name))
        || filters.next().is_some()
    {
        return None;
    }
    let (value, factor) = product.split_once('*')?;
    Some((path(value.trim(), names)?, factor.trim().parse().ok()?))
}

/// What stands between the brackets of a call of `function`.
fn call<'a>(source: &'a str, function: &str) -> Option<&'a str> {
    source.strip_prefix(function)?.trim_start().strip_prefix('(')?.strip_suffix(')')
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
