//! Values as parameters, each in the type that the server found for its place.
//!
//! Every type that has an encoder here is sent in its binary form. The others are not
//! [bindable](is_bindable): the session sends them as text and lets the server cast.

use minijinja::value::ValueKind;
use sqlx::{
    Arguments, Encode, Postgres, Type, TypeInfo,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo},
    types::{Decimal, Json, Uuid, chrono},
};

use super::data_type::DataType;
use crate::expression::{Value, to_json, to_text};

/// Bytes under a type that the server chose: right for types whose binary form is their text.
struct AsText<'a>(&'a str, &'a PgTypeInfo);

/// Null under a type that the server chose.
struct TypedNull<'a>(&'a PgTypeInfo);

macro_rules! text_like {
    ($type:ident) => {
        impl Type<Postgres> for $type<'_> {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }
        }
    };
}
text_like!(AsText);
text_like!(TypedNull);

impl<'q> Encode<'q, Postgres> for AsText<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.1.clone())
    }
}

impl<'q> Encode<'q, Postgres> for TypedNull<'_> {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.0.clone())
    }
}

/// False for a type whose values are sent as text and cast by the server.
pub(super) fn is_bindable(kind: DataType) -> bool {
    !matches!(kind, DataType::Void | DataType::TextLikeArray | DataType::Other)
}

/// Adds a value to the arguments.
///
/// # Errors
/// What about the value doesn't fit the type, for people.
pub(super) fn bind(
    arguments: &mut PgArguments,
    kind: DataType,
    info: &PgTypeInfo,
    value: &Value,
) -> Result<(), String> {
    if value.is_none() || value.is_undefined() {
        return add(arguments, TypedNull(info));
    }
    match kind {
        DataType::Bool => add(arguments, boolean(value)?),
        DataType::Int2 => {
            add(arguments, i16::try_from(integer(value)?).map_err(|_| too_large(value, "smallint"))?)
        }
        DataType::Int4 => {
            add(arguments, i32::try_from(integer(value)?).map_err(|_| too_large(value, "integer"))?)
        }
        DataType::Int8 => add(arguments, integer(value)?),
        #[expect(clippy::cast_possible_truncation, reason = "the column holds no more than this")]
        DataType::Float4 => add(arguments, float(value)? as f32),
        DataType::Float8 => add(arguments, float(value)?),
        DataType::Numeric => add(arguments, decimal(value)?),
        DataType::Uuid => add(arguments, uuid(value)?),
        DataType::Json => add(arguments, Json(to_json(value))),
        DataType::Timestamptz => add(arguments, timestamptz(value)?),
        DataType::Timestamp => {
            let text = to_text(value);
            let parsed = text.trim_end_matches('Z').replace(' ', "T").parse::<chrono::NaiveDateTime>();
            add(arguments, parsed.map_err(|_| no_form(value, "timestamp"))?)
        }
        DataType::Date => {
            add(arguments, to_text(value).parse::<chrono::NaiveDate>().map_err(|_| no_form(value, "date"))?)
        }
        DataType::Time => {
            add(arguments, to_text(value).parse::<chrono::NaiveTime>().map_err(|_| no_form(value, "time"))?)
        }
        DataType::Bytea => match value.as_bytes() {
            Some(bytes) => add(arguments, bytes.to_vec()),
            None => Err(no_form(value, "bytea")),
        },
        DataType::Text => match value.as_str() {
            Some(text) => add(arguments, AsText(text, info)),
            None => add(arguments, AsText(&to_text(value), info)),
        },
        DataType::BoolArray => add(arguments, list(value, boolean)?),
        DataType::Int4Array => add(
            arguments,
            list(value, |item| i32::try_from(integer(item)?).map_err(|_| too_large(item, "integer")))?,
        ),
        DataType::Int8Array => add(arguments, list(value, integer)?),
        DataType::Float8Array => add(arguments, list(value, float)?),
        DataType::NumericArray => add(arguments, list(value, decimal)?),
        DataType::UuidArray => add(arguments, list(value, uuid)?),
        DataType::TextArray => add(arguments, list(value, |item| Ok(to_text(item)))?),
        DataType::TimestamptzArray => add(arguments, list(value, timestamptz)?),
        DataType::Void | DataType::TextLikeArray | DataType::Other => {
            Err(format!("a value of type {} can't be bound; cast it in the statement", info.name()))
        }
    }
}

fn add<'q, T>(arguments: &mut PgArguments, value: T) -> Result<(), String>
where
    T: Encode<'q, Postgres> + Type<Postgres>,
{
    arguments.add(value).map_err(|error| error.to_string())
}

fn no_form(value: &Value, kind: &str) -> String {
    let shown: String = value.to_string().chars().take(60).collect();
    format!("`{shown}` ({}) has no form as {kind}", value.kind())
}

fn too_large(value: &Value, kind: &str) -> String {
    format!("{value} is out of range for {kind}")
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true()),
        _ => match value.as_str() {
            Some("true" | "t") => Ok(true),
            Some("false" | "f") => Ok(false),
            _ => Err(no_form(value, "boolean")),
        },
    }
}

/// A whole number; also one that arithmetic left as a float, or that stands in a text.
fn integer(value: &Value) -> Result<i64, String> {
    if value.kind() == ValueKind::Number {
        if let Some(number) = value.as_i64() {
            return Ok(number);
        }
        let number = f64::try_from(value.clone()).map_err(|_| no_form(value, "a whole number"))?;
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        return if number.fract() == 0.0 && number.abs() < 9e15 {
            Ok(number as i64)
        } else {
            Err(no_form(value, "a whole number"))
        };
    }
    value.as_str().and_then(|text| text.trim().parse().ok()).ok_or_else(|| no_form(value, "a whole number"))
}

fn float(value: &Value) -> Result<f64, String> {
    match value.as_str() {
        Some(text) => text.trim().parse().map_err(|_| no_form(value, "a number")),
        None => f64::try_from(value.clone()).map_err(|_| no_form(value, "a number")),
    }
}

/// Through the shortest text of a number, so that 38.38 stays 38.38.
fn decimal(value: &Value) -> Result<Decimal, String> {
    let number = matches!(value.kind(), ValueKind::Number | ValueKind::String);
    let parsed = number.then(|| to_text(value)).and_then(|text| {
        let text = text.trim();
        text.parse::<Decimal>().ok().or_else(|| Decimal::from_scientific(text).ok())
    });
    parsed.ok_or_else(|| no_form(value, "numeric"))
}

fn uuid(value: &Value) -> Result<Uuid, String> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| no_form(value, "uuid"))
}

/// RFC 3339, or seconds since 1970.
fn timestamptz(value: &Value) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let parsed = match value.as_str() {
        Some(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()),
        None => value.as_i64().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0)),
    };
    parsed.ok_or_else(|| no_form(value, "timestamptz"))
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<Option<T>>, String> {
    let items = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().map_err(|error| error.to_string())?,
        _ => return Err(no_form(value, "a list")),
    };
    items.map(|element| if element.is_none() { Ok(None) } else { item(&element).map(Some) }).collect()
}
