//! Columns of a row as values: each value has a storage class of its own, whatever its column's
//! declared type is. Only what is declared `BOOLEAN` becomes true and false.

use sqlx::{
    Decode, Row as _, Sqlite, TypeInfo, ValueRef,
    sqlite::{SqliteRow, SqliteTypeInfo},
};

use crate::{expression::Value, target::Failure};

/// What a column's declared type adds to its values' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bool,
    AsStored,
}

impl ColumnType {
    pub(super) fn of(declared: &SqliteTypeInfo) -> Self {
        if declared.name() == "BOOLEAN" { Self::Bool } else { Self::AsStored }
    }
}

/// Decodes every column of a row.
pub(super) fn decode(row: &SqliteRow, types: &[ColumnType]) -> Result<Vec<Value>, Failure> {
    types.iter().enumerate().map(|(index, kind)| column(row, index, *kind)).collect()
}

fn column(row: &SqliteRow, index: usize, kind: ColumnType) -> Result<Value, Failure> {
    let raw = row.try_get_raw(index).map_err(|error| Failure::from_sqlx(&error))?;
    if raw.is_null() {
        return Ok(Value::from(()));
    }
    let failed = |error: sqlx::error::BoxDynError| Failure::value(format!("column {}: {error}", index + 1));
    let stored = raw.type_info().name().to_owned();
    match stored.as_str() {
        "INTEGER" => {
            let number = <i64 as Decode<Sqlite>>::decode(raw).map_err(failed)?;
            Ok(match (kind, number) {
                (ColumnType::Bool, 0 | 1) => Value::from(number == 1),
                _ => Value::from(number),
            })
        }
        "REAL" => <f64 as Decode<Sqlite>>::decode(raw).map(Value::from).map_err(failed),
        "BLOB" => <Vec<u8> as Decode<Sqlite>>::decode(raw).map(Value::from_bytes).map_err(failed),
        _ => <String as Decode<Sqlite>>::decode(raw).map(Value::from).map_err(failed),
    }
}
