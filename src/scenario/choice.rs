//! Values that may be written in two ways: a text or a map.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de, de::value::MapAccessDeserializer};

use super::{
    http::{Body, StructuredBody},
    model::{Advice, Literal, Named, Retry},
    node::NodeKind,
    spanned::{MAP_OR_VALUE, Spanned},
    step::{Capture, Repeat, SqlText, SqlTexts},
    variant::RetryChoice,
};

impl<'de> Deserialize<'de> for Capture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CaptureVisitor;
        impl<'de> de::Visitor<'de> for CaptureVisitor {
            type Value = Capture;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, or a map of names to what they hold")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Capture, D::Error> {
                String::deserialize(value).map(Capture::First)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Capture, A::Error> {
                Named::deserialize(MapAccessDeserializer::new(map)).map(Capture::Each)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, CaptureVisitor)
    }
}

impl JsonSchema for Capture {
    fn schema_name() -> Cow<'static, str> {
        "Capture".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A name for the first row or the answer, or what each name holds.",
            "anyOf": [
                {"type": "string", "description": "The first row, or the answer, under this name."},
                {"type": "object", "additionalProperties": {
                    "type": "string",
                    "description": "With `sql`: first, all or value. With `http`: status, headers, body, json, a JSONPath like $.id, or `header ETag`.",
                    "anyOf": [
                        {"enum": ["first", "all", "value", "status", "headers", "body", "json"]},
                        {"pattern": "^\\$"},
                        {"pattern": "^header "},
                    ],
                }},
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BodyVisitor;
        impl<'de> de::Visitor<'de> for BodyVisitor {
            type Value = Body;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a map with `json`, `form`, `text`, `file` or `template`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Body, D::Error> {
                Spanned::deserialize(value).map(Body::Text)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Body, A::Error> {
                StructuredBody::deserialize(MapAccessDeserializer::new(map))
                    .map(Box::new)
                    .map(Body::Structured)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, BodyVisitor)
    }
}

impl JsonSchema for Body {
    fn schema_name() -> Cow<'static, str> {
        "Body".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a request sends.",
            "anyOf": [
                {"type": "string", "description": "Text, as it is."},
                generator.subschema_for::<StructuredBody>(),
            ],
        })
    }
}

impl<'de> Deserialize<'de> for SqlText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SqlVisitor;
        impl<'de> de::Visitor<'de> for SqlVisitor {
            type Value = SqlText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement, or a map with `postgres`, `mysql`, `sqlite` and `default`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<SqlText, D::Error> {
                Spanned::deserialize(value).map(SqlText::Same)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SqlText, A::Error> {
                SqlTexts::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(SqlText::Each)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, SqlVisitor)
    }
}

impl JsonSchema for SqlText {
    fn schema_name() -> Cow<'static, str> {
        "SqlText".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A statement. `{{ expression }}` is a bound parameter, `@{name}` a checked identifier.",
            "anyOf": [
                {"type": "string", "description": "For every kind of database."},
                generator.subschema_for::<SqlTexts>(),
            ],
        })
    }
}

/// In the schema: a number of things, or an expression that gives one.
pub(super) struct Quantity;

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number, or an expression that gives one: `{{ 3 * concurrency }}`.",
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}],
        })
    }
}

impl<'de> Deserialize<'de> for RetryChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RetryVisitor;
        impl<'de> de::Visitor<'de> for RetryVisitor {
            type Value = RetryChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `default`, or a map as `retry` has it")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<RetryChoice, D::Error> {
                match String::deserialize(value)?.as_str() {
                    "none" => Ok(RetryChoice::None),
                    "default" => Ok(RetryChoice::Default),
                    other => Err(de::Error::invalid_value(de::Unexpected::Str(other), &RetryVisitor)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RetryChoice, A::Error> {
                Retry::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(RetryChoice::Policy)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, RetryVisitor)
    }
}

impl JsonSchema for RetryChoice {
    fn schema_name() -> Cow<'static, str> {
        "RetryChoice".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A retry policy to compare.",
            "anyOf": [{"enum": ["none", "default"]}, generator.subschema_for::<Retry>()],
        })
    }
}

/// In the schema: what is added to a sum or to a number of rows.
pub(super) struct EffectAmount;

impl JsonSchema for EffectAmount {
    fn schema_name() -> Cow<'static, str> {
        "EffectAmount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or an expression over the operation's names: `-quantity`.",
            "anyOf": [{"type": "number"}, {"type": "string"}],
        })
    }
}

/// The map form of [`Repeat`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Each {
    /// The name that the element goes by.
    #[serde(rename = "for")]
    variable: Spanned<String>,
    /// The list: an expression or a literal list.
    #[serde(rename = "in")]
    list: Literal,
}

impl<'de> Deserialize<'de> for Repeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RepeatVisitor;
        impl<'de> de::Visitor<'de> for RepeatVisitor {
            type Value = Repeat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, an expression, or a map with `for` and `in`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Repeat, D::Error> {
                let times = Literal::deserialize(value)?;
                match &times.kind {
                    NodeKind::Int(_) | NodeKind::Text(_) => Ok(Repeat::Times(times)),
                    other => Err(de::Error::invalid_type(
                        de::Unexpected::Other(other.describe()),
                        &RepeatVisitor,
                    )),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Repeat, A::Error> {
                let Each { variable, list } = Each::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Repeat::Each { variable, list })
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, RepeatVisitor)
    }
}

impl JsonSchema for Repeat {
    fn schema_name() -> Cow<'static, str> {
        "Repeat".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How often: a number or an expression; or once for each element of a list.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "description": "An expression: `{{ n }}`."},
                generator.subschema_for::<Each>(),
            ],
        })
    }
}

/// The map form of [`Advice`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Conditional {
    /// Like `lock_order_violations > 0`.
    #[serde(rename = "when")]
    condition: Spanned<String>,
    /// What to do.
    text: Spanned<String>,
}

impl<'de> Deserialize<'de> for Advice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AdviceVisitor;
        impl<'de> de::Visitor<'de> for AdviceVisitor {
            type Value = Advice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a map with `when` and `text`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Advice, D::Error> {
                Spanned::deserialize(value).map(Advice::Text)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Advice, A::Error> {
                let Conditional { condition, text } =
                    Conditional::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Advice::When { condition, text })
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, AdviceVisitor)
    }
}

impl JsonSchema for Advice {
    fn schema_name() -> Cow<'static, str> {
        "Advice".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What to do; with `when`, given only when a condition holds.",
            "anyOf": [
                {"type": "string", "description": "Always given with its band."},
                generator.subschema_for::<Conditional>(),
            ],
        })
    }
}
