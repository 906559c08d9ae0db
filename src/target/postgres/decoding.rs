//! Columns of a row as values.
//!
//! Numbers stay numbers: a numeric of at most 15 significant digits becomes a float, whose
//! shortest text is the same number again; a longer one stays text, so that no digit is lost.
//! Moments and UUIDs become text. A type without a form here becomes its bytes in hexadecimal.

use sqlx::{
    Decode, Postgres, Row as _, TypeInfo, ValueRef,
    postgres::{PgRow, PgTypeInfo},
    types::{Decimal, Json, Uuid, chrono},
};

use super::data_type::DataType;
use crate::{
    expression::Value,
    target::{Failure, exact_number},
};

/// How a column that the server sends as text is decoded: what has no form here is its text.
pub(super) fn type_in_text(info: &PgTypeInfo) -> DataType {
    // NB: a type that the driver hasn't met has only a number, and neither name nor kind.
    match info.name() {
        "?" => DataType::Text,
        _ => match DataType::of(info) {
            DataType::Bytea | DataType::Other => DataType::Text,
            known => known,
        },
    }
}

/// Decodes every column of a row.
pub(super) fn decode(row: &PgRow, types: &[DataType]) -> Result<Vec<Value>, Failure> {
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
pub(super) fn decode_texts(row: &PgRow, types: &[DataType]) -> Result<Vec<Value>, Failure> {
    let decoded = types
        .iter()
        .enumerate()
        .map(|(index, kind)| column(row, index, *kind).or_else(|_| column(row, index, DataType::Text)));
    decoded.collect()
}

/// What a column that the server sent as text says.
pub(super) fn read_text<T>(row: &PgRow, index: usize, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    read(row.try_get_raw(index).ok()?.as_str().ok()?)
}

fn column(row: &PgRow, index: usize, kind: DataType) -> Result<Value, Failure> {
    match kind {
        DataType::Bool => plain::<bool>(row, index, Value::from),
        DataType::Int2 => plain::<i16>(row, index, Value::from),
        DataType::Int4 => plain::<i32>(row, index, Value::from),
        DataType::Int8 => plain::<i64>(row, index, Value::from),
        DataType::Float4 => plain::<f32>(row, index, |f| Value::from(f64::from(f))),
        DataType::Float8 => plain::<f64>(row, index, Value::from),
        DataType::Numeric => plain::<Decimal>(row, index, exact_number),
        DataType::Uuid => plain::<Uuid>(row, index, |uuid| Value::from(uuid.to_string())),
        DataType::Json => plain::<Json<serde_json::Value>>(row, index, |json| {
            Value::from(minijinja::value::Serde(json.0))
        }),
        DataType::Timestamptz => plain(row, index, moment),
        DataType::Timestamp => {
            plain::<chrono::NaiveDateTime>(row, index, |moment| Value::from(moment.to_string()))
        }
        DataType::Date => plain::<chrono::NaiveDate>(row, index, |date| Value::from(date.to_string())),
        DataType::Time => plain::<chrono::NaiveTime>(row, index, |time| Value::from(time.to_string())),
        DataType::Text => raw(row, index, |bytes| Value::from(String::from_utf8_lossy(bytes).into_owned())),
        DataType::Void => Ok(Value::from(())),
        DataType::BoolArray => list::<bool>(row, index, Value::from),
        DataType::Int4Array => list::<i32>(row, index, Value::from),
        DataType::Int8Array => list::<i64>(row, index, Value::from),
        DataType::Float8Array => list::<f64>(row, index, Value::from),
        DataType::NumericArray => list::<Decimal>(row, index, exact_number),
        DataType::UuidArray => list::<Uuid>(row, index, |uuid| Value::from(uuid.to_string())),
        DataType::TextArray | DataType::TextLikeArray => list::<String>(row, index, Value::from),
        DataType::TimestamptzArray => list(row, index, moment),
        DataType::Bytea | DataType::Other => raw(row, index, |bytes| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Value::from(format!("\\x{hex}"))
        }),
    }
}

fn moment(moment: chrono::DateTime<chrono::Utc>) -> Value {
    Value::from(moment.to_rfc3339().replace("+00:00", "Z"))
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
