//! Columns of a row as values.
//!
//! Numbers stay numbers: a numeric of at most 15 significant digits becomes a float, whose
//! shortest text is the same number again; a longer one stays text, so that no digit is lost.
//! Moments and UUIDs become text. A type without a form here becomes its bytes in hexadecimal.

use sqlx::{
    Decode, Postgres, Row as _, TypeInfo, ValueRef,
    postgres::{PgRow, PgTypeInfo, PgTypeKind},
    types::{Decimal, Json, Uuid, chrono},
};

use crate::{
    expression::Value,
    target::{Failure, exact_number},
};

/// How a column is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Uuid,
    Json,
    Timestamptz,
    Timestamp,
    Date,
    Time,
    Text,
    Void,
    BoolArray,
    Int4Array,
    Int8Array,
    Float8Array,
    NumericArray,
    UuidArray,
    TextArray,
    Unknown,
}

impl ColumnType {
    pub(super) fn of(info: &PgTypeInfo) -> Self {
        match info.name() {
            "BOOL" => Self::Bool,
            "INT2" => Self::Int2,
            "INT4" => Self::Int4,
            "INT8" => Self::Int8,
            "FLOAT4" => Self::Float4,
            "FLOAT8" => Self::Float8,
            "NUMERIC" => Self::Numeric,
            "UUID" => Self::Uuid,
            "JSON" | "JSONB" => Self::Json,
            "TIMESTAMPTZ" => Self::Timestamptz,
            "TIMESTAMP" => Self::Timestamp,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "XML" | "citext" => Self::Text,
            "VOID" => Self::Void,
            "BOOL[]" => Self::BoolArray,
            "INT4[]" => Self::Int4Array,
            "INT8[]" => Self::Int8Array,
            "FLOAT8[]" => Self::Float8Array,
            "NUMERIC[]" => Self::NumericArray,
            "UUID[]" => Self::UuidArray,
            "TEXT[]" | "VARCHAR[]" | "NAME[]" => Self::TextArray,
            _ if matches!(info.kind(), PgTypeKind::Enum(_)) => Self::Text,
            _ => Self::Unknown,
        }
    }

    /// Of a column that the server sends as text: what has no form here is its text.
    pub(super) fn of_text(info: &PgTypeInfo) -> Self {
        // NB: a type that the driver hasn't met has only a number, and neither name nor kind.
        match info.name() {
            "?" => Self::Text,
            _ => match Self::of(info) {
                Self::Unknown => Self::Text,
                known => known,
            },
        }
    }
}

/// Decodes every column of a row.
pub(super) fn decode(row: &PgRow, types: &[ColumnType]) -> Result<Vec<Value>, Failure> {
    types.iter().enumerate().map(|(index, kind)| column(row, index, *kind)).collect()
}

/// Every column of a row that the server sent as text.
pub(super) fn texts(row: &PgRow) -> Vec<Option<String>> {
    let text = |index| {
        row.try_get_raw(index).ok().filter(|raw| !raw.is_null()).map(|raw| {
            raw.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
        })
    };
    (0..row.len()).map(text).collect()
}

/// Decodes every column of a row that the server sent as text. A moment that is written in another style
/// than ISO, as the session may have set it, stays text.
pub(super) fn decode_texts(row: &PgRow, types: &[ColumnType]) -> Result<Vec<Value>, Failure> {
    let decoded = types
        .iter()
        .enumerate()
        .map(|(index, kind)| column(row, index, *kind).or_else(|_| column(row, index, ColumnType::Text)));
    decoded.collect()
}

/// What a column that the server sent as text says.
pub(super) fn read_text<T>(row: &PgRow, index: usize, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    read(row.try_get_raw(index).ok()?.as_str().ok()?)
}

fn column(row: &PgRow, index: usize, kind: ColumnType) -> Result<Value, Failure> {
    match kind {
        ColumnType::Bool => plain::<bool>(row, index, Value::from),
        ColumnType::Int2 => plain::<i16>(row, index, Value::from),
        ColumnType::Int4 => plain::<i32>(row, index, Value::from),
        ColumnType::Int8 => plain::<i64>(row, index, Value::from),
        ColumnType::Float4 => plain::<f32>(row, index, |f| Value::from(f64::from(f))),
        ColumnType::Float8 => plain::<f64>(row, index, Value::from),
        ColumnType::Numeric => plain::<Decimal>(row, index, exact_number),
        ColumnType::Uuid => plain::<Uuid>(row, index, |uuid| Value::from(uuid.to_string())),
        ColumnType::Json => plain::<Json<serde_json::Value>>(row, index, |json| {
            Value::from(minijinja::value::Serde(json.0))
        }),
        ColumnType::Timestamptz => plain::<chrono::DateTime<chrono::Utc>>(row, index, |moment| {
            Value::from(moment.to_rfc3339().replace("+00:00", "Z"))
        }),
        ColumnType::Timestamp => {
            plain::<chrono::NaiveDateTime>(row, index, |moment| Value::from(moment.to_string()))
        }
        ColumnType::Date => plain::<chrono::NaiveDate>(row, index, |date| Value::from(date.to_string())),
        ColumnType::Time => plain::<chrono::NaiveTime>(row, index, |time| Value::from(time.to_string())),
        ColumnType::Text => {
            raw(row, index, |bytes| Value::from(String::from_utf8_lossy(bytes).into_owned()))
        }
        ColumnType::Void => Ok(Value::from(())),
        ColumnType::BoolArray => list::<bool>(row, index, Value::from),
        ColumnType::Int4Array => list::<i32>(row, index, Value::from),
        ColumnType::Int8Array => list::<i64>(row, index, Value::from),
        ColumnType::Float8Array => list::<f64>(row, index, Value::from),
        ColumnType::NumericArray => list::<Decimal>(row, index, exact_number),
        ColumnType::UuidArray => list::<Uuid>(row, index, |uuid| Value::from(uuid.to_string())),
        ColumnType::TextArray => list::<String>(row, index, Value::from),
        ColumnType::Unknown => raw(row, index, |bytes| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Value::from(format!("\\x{hex}"))
        }),
    }
}

fn plain<T>(row: &PgRow, index: usize, value: impl Fn(T) -> Value) -> Result<Value, Failure>
where
    T: for<'r> Decode<'r, Postgres>,
{
    let raw = row.try_get_raw(index).map_err(|error| Failure::from_sqlx(&error))?;
    if raw.is_null() {
        return Ok(Value::from(()));
    }
    T::decode(raw).map(value).map_err(|error| Failure::value(format!("column {}: {error}", index + 1)))
}

fn list<T>(row: &PgRow, index: usize, value: impl Fn(T) -> Value) -> Result<Value, Failure>
where
    Vec<Option<T>>: for<'r> Decode<'r, Postgres>,
{
    plain::<Vec<Option<T>>>(row, index, |items| {
        items.into_iter().map(|item| item.map_or(Value::from(()), &value)).collect()
    })
}

fn raw(row: &PgRow, index: usize, value: impl Fn(&[u8]) -> Value) -> Result<Value, Failure> {
    let raw = row.try_get_raw(index).map_err(|error| Failure::from_sqlx(&error))?;
    if raw.is_null() {
        return Ok(Value::from(()));
    }
    raw.as_bytes().map(value).map_err(|error| Failure::value(format!("column {}: {error}", index + 1)))
}
