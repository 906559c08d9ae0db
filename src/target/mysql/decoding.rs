//! Columns of a row as values.
//!
//! As on PostgreSQL: a decimal of at most 15 significant digits becomes a float, a longer one stays
//! text. `tinyint(1)` is a boolean while it is 0 or 1. Moments become text, in the session's time zone.
//! Binary columns become bytes, which can be bound again. MariaDB's JSON is text, and stays text.

use sqlx::{
    Decode, MySql, Row as _, Type, TypeInfo, ValueRef,
    mysql::{MySqlRow, MySqlTypeInfo},
    types::{Decimal, Json, chrono},
};

use crate::{
    expression::Value,
    target::{Failure, exact_number},
};

/// How a column is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bool,
    Signed,
    Unsigned,
    Float,
    Double,
    Decimal,
    Json,
    Moment,
    Date,
    Time,
    Bytes,
    Null,
    /// Text, enums and sets.
    Text,
}

impl ColumnType {
    pub(super) fn of(info: &MySqlTypeInfo) -> Self {
        // NB: the driver calls a column of a binary collation (MariaDB's JSON has one) a BLOB.
        let is_text = <str as Type<MySql>>::compatible(info);
        match info.name() {
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" if is_text => {
                Self::Text
            }
            "BOOLEAN" => Self::Bool,
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Self::Signed,
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED"
            | "BIGINT UNSIGNED" | "YEAR" | "BIT" => Self::Unsigned,
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => Self::Decimal,
            "JSON" => Self::Json,
            "DATETIME" | "TIMESTAMP" => Self::Moment,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "GEOMETRY" => {
                Self::Bytes
            }
            "NULL" => Self::Null,
            _ => Self::Text,
        }
    }
}

/// Decodes every column of a row.
pub(super) fn decode(row: &MySqlRow, types: &[ColumnType]) -> Result<Vec<Value>, Failure> {
    types.iter().enumerate().map(|(index, kind)| column(row, index, *kind)).collect()
}

fn column(row: &MySqlRow, index: usize, kind: ColumnType) -> Result<Value, Failure> {
    match kind {
        ColumnType::Bool => plain::<i64>(row, index, |number| match number {
            0 => Value::from(false),
            1 => Value::from(true),
            other => Value::from(other),
        }),
        ColumnType::Signed => plain::<i64>(row, index, Value::from),
        ColumnType::Unsigned => plain::<u64>(row, index, Value::from),
        ColumnType::Float => plain::<f32>(row, index, |number| {
            // Through its shortest text, so that 1.1 doesn't become 1.100000023841858.
            Value::from(number.to_string().parse().unwrap_or(f64::from(number)))
        }),
        ColumnType::Double => plain::<f64>(row, index, Value::from),
        ColumnType::Decimal => match plain::<Decimal>(row, index, exact_number) {
            Ok(value) => Ok(value),
            // More digits than the driver's decimals have.
            Err(_) => text(row, index),
        },
        ColumnType::Json => plain::<Json<serde_json::Value>>(row, index, |json| {
            Value::from(minijinja::value::Serde(json.0))
        }),
        ColumnType::Moment => {
            plain::<chrono::NaiveDateTime>(row, index, |moment| Value::from(moment.to_string()))
        }
        ColumnType::Date => plain::<chrono::NaiveDate>(row, index, |date| Value::from(date.to_string())),
        ColumnType::Time => {
            match plain::<chrono::NaiveTime>(row, index, |time| Value::from(time.to_string())) {
                Ok(value) => Ok(value),
                // A span of more than a day, or below zero.
                Err(_) => {
                    plain::<sqlx::mysql::types::MySqlTime>(row, index, |time| Value::from(time.to_string()))
                }
            }
        }
        ColumnType::Bytes => plain::<Vec<u8>>(row, index, Value::from_bytes),
        ColumnType::Null => Ok(Value::from(())),
        ColumnType::Text => text(row, index),
    }
}

fn text(row: &MySqlRow, index: usize) -> Result<Value, Failure> {
    plain::<Vec<u8>>(row, index, |bytes| Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

fn plain<'r, T: Decode<'r, MySql>>(
    row: &'r MySqlRow,
    index: usize,
    value: impl FnOnce(T) -> Value,
) -> Result<Value, Failure> {
    let raw = row.try_get_raw(index).map_err(|error| Failure::from_sqlx(&error))?;
    if raw.is_null() {
        return Ok(Value::from(()));
    }
    T::decode(raw).map(value).map_err(|error| Failure::value(format!("column {}: {error}", index + 1)))
}
