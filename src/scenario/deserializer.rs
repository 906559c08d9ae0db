//! The typed model out of the tree, with a place and a path for every error.
//!
//! Absent on purpose: any knowledge of what a scenario is. A `; ` in a message that a type's own
//! `Deserialize` gives parts it from its hint.

use std::{fmt, ops::Range};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor},
};

use super::{
    node::{Node, NodeKind},
    per_database::DATABASES,
    problem::Problem,
    spanned::{MAP_OR_VALUE, ONE_ENTRY, ONE_OR_MANY, PER_DATABASE, SPANNED, Spanned},
    suggest,
};

/// What went wrong, where in the text, and where in the tree.
#[derive(Debug)]
pub(super) struct TreeError {
    pub problem: Problem,
    /// The required key that a map lacks.
    pub missing: Option<&'static str>,
    /// Indices of entries and elements, from the innermost outwards.
    pub path: Vec<usize>,
}

impl TreeError {
    fn new(problem: Problem) -> Self {
        Self { problem, missing: None, path: Vec::new() }
    }

    fn or_at(mut self, span: &Range<usize>) -> Self {
        self.problem.span.get_or_insert_with(|| span.clone());
        self
    }

    fn below(mut self, index: usize) -> Self {
        self.path.push(index);
        self
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for TreeError {}

impl de::Error for TreeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self::new(match message.split_once("; ") {
            Some((message, hint)) => Problem::error(message).hint(hint),
            None => Problem::error(message),
        })
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plain(&expected.to_string());
        let found = found(&unexpected);
        let problem = Problem::error(format!("expected {expected}, found {found}"));
        let scalar =
            matches!(unexpected, Unexpected::Bool(_) | Unexpected::Signed(_) | Unexpected::Float(_));
        Self::new(match expected.as_str() {
            "text" if scalar => problem.hint("write quotes around it"),
            "a list" if matches!(unexpected, Unexpected::Str(_)) => {
                problem.hint("write `[` and `]` around it")
            }
            "a map" | "a list" if unexpected == Unexpected::Unit => {
                problem.hint("give it content or remove the key")
            }
            _ => problem,
        })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Signed(number) => format!("`{number}`"),
            other => found(&other),
        };
        Self::new(Problem::error(format!("expected {}, found {found}", plain(&expected.to_string()))))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let problem = Problem::error(format!("unknown value `{variant}`"));
        Self::new(match suggest::did_you_mean(variant, expected.iter().copied()) {
            Some(hint) => problem.hint(hint),
            None => problem,
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let problem = Problem::error(format!("unknown key `{field}`"));
        Self::new(match suggest::did_you_mean(field, expected.iter().copied()) {
            Some(hint) => problem.hint(hint),
            None => problem,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field),
            ..Self::new(
                Problem::error(format!("the key `{field}` is missing")).label(format!("needs `{field}`")),
            )
        }
    }
}

/// Serde's words for what it wants, in the words of the language.
fn plain(expected: &str) -> String {
    match expected {
        "a string" | "str" | "string" => "text",
        "a sequence" => "a list",
        "a boolean" | "bool" => "`true` or `false`",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number of at least 0",
        "i64" => "a whole number",
        "f64" => "a number",
        other if other.starts_with("struct ") => "a map",
        other => other,
    }
    .to_owned()
}

/// Never the value itself: it may be a secret.
fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Other(what) => what,
        _ => "something else",
    }
    .to_owned()
}

/// Reads one node. `name` is the place of the key that it stands under.
#[derive(Clone)]
pub(super) struct NodeDeserializer<'de> {
    node: &'de Node,
    name: Option<&'de Range<usize>>,
    root: bool,
}

impl<'de> NodeDeserializer<'de> {
    pub(super) fn new(node: &'de Node) -> Self {
        Self { node, name: None, root: true }
    }

    /// A missing key is shown at the name of the map that lacks it, anything else at the value.
    fn place(&self, error: TreeError) -> TreeError {
        match (error.missing.is_some(), self.name) {
            (true, Some(name)) => error.or_at(name),
            (true, None) if self.root => error,
            _ => error.or_at(&self.node.span),
        }
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = TreeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.node.kind {
            NodeKind::Null => visitor.visit_unit(),
            NodeKind::Bool(value) => visitor.visit_bool(*value),
            NodeKind::Int(value) => visitor.visit_i64(*value),
            NodeKind::Float(value) => visitor.visit_f64(*value),
            NodeKind::Text(value) => visitor.visit_borrowed_str(value),
            NodeKind::List(items) => visitor.visit_seq(Elements { items: items.iter().enumerate() }),
            NodeKind::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter().enumerate(), current: None })
            }
        }
        .map_err(|error| self.place(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match self.node.kind {
            NodeKind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match (name, &self.node.kind) {
            (ONE_OR_MANY, NodeKind::List(_)) | (MAP_OR_VALUE, NodeKind::Map(_)) => {
                self.deserialize_any(visitor)
            }
            (ONE_ENTRY, NodeKind::Map(entries)) if entries.len() == 1 => self.deserialize_any(visitor),
            (PER_DATABASE, NodeKind::Map(entries))
                if entries.first().is_some_and(|(key, _)| DATABASES.contains(&key.value.as_str())) =>
            {
                self.deserialize_any(visitor)
            }
            _ => visitor.visit_newtype_struct(self.clone()).map_err(|error| self.place(error)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        if name != SPANNED {
            return self.deserialize_any(visitor);
        }
        let span = self.node.span.clone();
        visitor.visit_seq(SpanParts { span, given: 0, value: self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match &self.node.kind {
            NodeKind::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            other => Err(de::Error::invalid_type(Unexpected::Other(other.describe()), &"text")),
        }
        .map_err(|error| self.place(error))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple map struct identifier ignored_any
    }
}

struct Elements<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = TreeError;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, TreeError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let deserializer = NodeDeserializer { node, name: None, root: false };
        seed.deserialize(deserializer).map(Some).map_err(|error| error.below(index))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::iter::Enumerate<std::slice::Iter<'de, (Spanned<String>, Node)>>,
    current: Option<(usize, &'de (Spanned<String>, Node))>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = TreeError;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TreeError> {
        self.current = self.entries.next();
        let Some((index, (key, _))) = self.current else { return Ok(None) };
        seed.deserialize(KeyDeserializer(key)).map(Some).map_err(|error| error.below(index))
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TreeError> {
        let (index, (key, node)) = self.current.expect("serde asks for a value after its key");
        seed.deserialize(NodeDeserializer { node, name: Some(&key.span), root: false })
            .map_err(|error| error.below(index))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The parts of a [`Spanned`]: start, end, value.
struct SpanParts<D> {
    span: Range<usize>,
    given: u8,
    value: D,
}

impl<'de, D: Deserializer<'de, Error = TreeError> + Clone> de::SeqAccess<'de> for SpanParts<D> {
    type Error = TreeError;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, TreeError> {
        self.given += 1;
        match self.given {
            1 => seed.deserialize(self.span.start.into_deserializer()).map(Some),
            2 => seed.deserialize(self.span.end.into_deserializer()).map(Some),
            3 => seed.deserialize(self.value.clone()).map(Some),
            _ => Ok(None),
        }
    }
}

#[derive(Clone)]
struct KeyDeserializer<'de>(&'de Spanned<String>);

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = TreeError;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        visitor.visit_borrowed_str(&self.0.value).map_err(|error: TreeError| error.or_at(&self.0.span))
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match name {
            SPANNED => visitor.visit_seq(SpanParts { span: self.0.span.clone(), given: 0, value: self }),
            _ => self.deserialize_any(visitor),
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple map struct enum identifier ignored_any
    }
}
