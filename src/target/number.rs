//! Decimals as numbers.

use sqlx::types::Decimal;

use crate::expression::Value;

/// A decimal as a number while its digits survive: fifteen significant ones survive the way through a
/// float and back (IEEE 754, DBL_DIG). A longer one becomes text.
pub(super) fn exact_number(decimal: Decimal) -> Value {
    let decimal = decimal.normalize();
    let digits = decimal.mantissa().unsigned_abs();
    match decimal.to_string().parse::<f64>() {
        Ok(float) if digits < 1_000_000_000_000_000 => Value::from(float),
        _ => Value::from(decimal.to_string()),
    }
}
