//! Statements as the servers parsed them: their columns, their parameters, and the values for these.

use std::sync::Arc;

use sqlx::{Column, Either, Statement};

use super::Failure;
use crate::expression::Value;

/// The names of columns.
pub(super) fn names<C: Column>(columns: &[C]) -> Arc<[Box<str>]> {
    columns.iter().map(|column| column.name().into()).collect()
}

/// How many values a statement takes.
pub(super) fn count_parameters(statement: &impl Statement) -> usize {
    match statement.parameters() {
        Some(Either::Right(count)) => count,
        Some(Either::Left(types)) => types.len(),
        None => 0,
    }
}

/// Binds the values for a statement that takes `count` of them: `bind` is given the place of each, from 0.
///
/// # Errors
/// When there are more or fewer, or one of them doesn't fit its place.
pub(super) fn bind_each(
    values: &[Value],
    count: usize,
    mut bind: impl FnMut(usize, &Value) -> Result<(), String>,
) -> Result<(), Failure> {
    if values.len() != count {
        return Err(Failure::value(format!(
            "the statement takes {count} values and {} were given",
            values.len()
        )));
    }
    for (n, value) in values.iter().enumerate() {
        bind(n, value).map_err(|message| Failure::value(format!("value {}: {message}", n + 1)))?;
    }
    Ok(())
}
