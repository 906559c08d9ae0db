//! Values as parameters, each in the storage class that it has (sqlite.org/datatype3.html); the
//! affinity of a column converts. Lists and maps go as JSON.

use minijinja::value::ValueKind;
use sqlx::{Arguments, Encode, Sqlite, Type, sqlite::SqliteArguments};

use crate::expression::{Value, to_json};

/// Adds a value to the arguments.
///
/// # Errors
/// What about the value has no form, for people.
pub(super) fn bind(arguments: &mut SqliteArguments, value: &Value) -> Result<(), String> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => add(arguments, None::<i64>),
        ValueKind::Bool => add(arguments, value.is_true()),
        ValueKind::Number if value.is_integer() => match value.as_i64() {
            Some(number) => add(arguments, number),
            None => add(arguments, value.to_string()),
        },
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).map_err(|error| error.to_string())?;
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
            if number.fract() == 0.0 && number.abs() < 9e15 {
                // As text 7 and 7.0 would differ.
                add(arguments, number as i64)
            } else {
                add(arguments, number)
            }
        }
        ValueKind::String => add(arguments, value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bytes => add(arguments, value.as_bytes().unwrap_or_default().to_vec()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => add(arguments, to_json(value).to_string()),
        other => Err(format!("a value of kind {other} has no form as a parameter")),
    }
}

fn add<'q, T>(arguments: &mut SqliteArguments, value: T) -> Result<(), String>
where
    T: Encode<'q, Sqlite> + Type<Sqlite>,
{
    arguments.add(value).map_err(|error| error.to_string())
}
