//! Values as parameters, each in the type that it has: the server tells no types, and converts.
//!
//! A number with a fraction goes as a decimal, so that 38.38 stays 38.38 in a decimal column and in
//! arithmetic; lists and maps go as JSON.

use minijinja::value::ValueKind;
use sqlx::{Arguments, Encode, MySql, Type, mysql::MySqlArguments, types::Decimal};

use crate::expression::{Value, to_json};

/// Adds a value to the arguments.
///
/// # Errors
/// What about the value has no form, for people.
pub(super) fn bind(arguments: &mut MySqlArguments, value: &Value) -> Result<(), String> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => add(arguments, None::<i64>),
        ValueKind::Bool => add(arguments, value.is_true()),
        ValueKind::Number => number(arguments, value),
        ValueKind::String => add(arguments, value.as_str().unwrap_or_default()),
        ValueKind::Bytes => add(arguments, value.as_bytes().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            add(arguments, to_json(value).to_string().as_str())
        }
        other => Err(format!("a value of kind {other} has no form as a parameter")),
    }
}

fn number(arguments: &mut MySqlArguments, value: &Value) -> Result<(), String> {
    if value.is_integer() {
        if let Some(number) = value.as_i64() {
            return add(arguments, number);
        }
        if let Ok(number) = u64::try_from(value.clone()) {
            return add(arguments, number);
        }
        return add(arguments, value.to_string().as_str());
    }
    let number = f64::try_from(value.clone()).map_err(|error| error.to_string())?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        // `LIMIT` takes nothing but integers.
        return add(arguments, number as i64);
    }
    match value.to_string().parse::<Decimal>() {
        Ok(decimal) => add(arguments, decimal),
        Err(_) => add(arguments, number),
    }
}

fn add<'q, T>(arguments: &mut MySqlArguments, value: T) -> Result<(), String>
where
    T: Encode<'q, MySql> + Type<MySql>,
{
    arguments.add(value).map_err(|error| error.to_string())
}
