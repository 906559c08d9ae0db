//! What the fields of a CSV column are: numbers, booleans or texts.

use crate::{expression::Value, scenario::ColumnType};

/// Digits that a float keeps whatever they are; numbers of more, like those of cards, stay text.
const MOST_DIGITS: usize = 15;

/// The type that all fields have, those that are empty aside.
pub(super) fn shown_by<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> ColumnType {
    let filled = || fields.clone().filter(|field| !field.is_empty());
    let all = |is: fn(&str) -> bool| filled().all(is);
    if filled().next().is_none() {
        ColumnType::Text
    } else if all(is_whole) {
        ColumnType::Integer
    } else if all(is_number) {
        ColumnType::Number
    } else if all(|field| matches!(field, "true" | "false")) {
        ColumnType::Boolean
    } else {
        ColumnType::Text
    }
}

fn is_whole(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let leads_with_zero = digits.starts_with('0') && field != "0";
    (1..=MOST_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !leads_with_zero
}

fn is_number(field: &str) -> bool {
    let Some((whole, fraction)) = field.split_once('.') else { return is_whole(field) };
    let is_start = is_whole(whole) || whole == "-0";
    let digits = whole.trim_start_matches('-').len() + fraction.len();
    is_start
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && digits <= MOST_DIGITS
}

/// A field as a value of a type; `None` when it isn't of it.
pub(super) fn value(field: &str, kind: ColumnType) -> Option<Value> {
    match kind {
        ColumnType::Text => Some(Value::from(field)),
        _ if field.is_empty() => Some(Value::from(())),
        ColumnType::Integer => field.parse::<i64>().ok().map(Value::from),
        ColumnType::Number => {
            field.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        }
        ColumnType::Boolean => field.parse::<bool>().ok().map(Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_all_its_fields_are() {
        for (fields, kind) in [
            (&["1", "-2", "0", ""][..], ColumnType::Integer),
            (&["999999999999999"], ColumnType::Integer),
            (&["4242424242424242"], ColumnType::Text),
            (&["1", "2.5", "-0.5"], ColumnType::Number),
            (&["1.", "2"], ColumnType::Text),
            (&["01067", "10115"], ColumnType::Text),
            (&["-0"], ColumnType::Text),
            (&["1e5"], ColumnType::Text),
            (&["+1"], ColumnType::Text),
            (&[" 1"], ColumnType::Text),
            (&["NaN", "1"], ColumnType::Text),
            (&["true", "", "false"], ColumnType::Boolean),
            (&["true", "True"], ColumnType::Text),
            (&["", ""], ColumnType::Text),
        ] {
            assert_eq!(shown_by(fields.iter().copied()), kind, "{fields:?}");
        }
    }
}
