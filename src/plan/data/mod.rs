//! Data files: what a scenario names becomes rows with typed columns.
//!
//! The files are read while the scenario is compiled, so that `check` finds what is wrong with them, each
//! problem with its line. [`csv`] and [`json`] know a format each; here is what both have in common. Absent
//! on purpose: who gets which row, which is a matter of [`DataRows`] and of the operation.

mod column;
mod csv;
mod json;

use std::{path::Path, sync::Arc};

use super::{
    beside,
    model::{DataFile, Load, Work},
    operation::constant,
    scope::Scope,
};
use crate::{
    expression::{DataRows, Value},
    scenario::{self, Spanned},
};

/// Bytes of one file.
const LARGEST: u64 = 32 << 20;
/// Rows of one file.
const MOST_ROWS: usize = 1_000_000;
/// Columns of one file: rows of more are refused by every database.
const MOST_COLUMNS: usize = 1_000;

/// What a file holds.
#[derive(Debug)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// What a format gives: values with types, or fields that still need some.
enum Content {
    Typed(Table),
    Untyped(csv::Fields),
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    /// From 1; `None` when it is the whole file.
    line: Option<u64>,
    message: String,
}

impl Mistake {
    fn at(line: u64, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    fn too_many_rows(line: u64) -> Self {
        Self::at(line, format!("a data file has at most {MOST_ROWS} rows"))
    }
}

/// Reads the data files of a scenario, and puts their names in scope.
pub(super) fn compile(scope: &mut Scope<'_>) -> Option<Vec<DataFile>> {
    let file = &scope.loaded.file;
    let mut files = Some(Vec::new());
    for (name, written) in &file.data {
        if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
            scope.error(&name.span, format!("`{name}` already stands for something else"), None);
            files = None;
            continue;
        }
        let Some(rows) = read(scope, name, written) else {
            scope.globals.declare(&name.value);
            files = None;
            continue;
        };
        constant(scope, &name.value, Value::from_dyn_object(Arc::clone(&rows)));
        scope.globals.declare_file(&name.value, Arc::clone(rows.columns()));
        scope.data.insert(name.value.clone(), Arc::clone(&rows));
        if let Some(files) = &mut files {
            files.push(DataFile { file: written.file.value.clone(), rows });
        }
    }
    files
}

fn read(scope: &mut Scope<'_>, name: &Spanned<String>, written: &scenario::Data) -> Option<Arc<DataRows>> {
    let ending = Path::new(&written.file.value).extension().and_then(|ending| ending.to_str());
    let is_json = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => false,
        Some("json") => true,
        _ => {
            let message = format!("`{}` is neither a `.csv` nor a `.json` file", written.file);
            scope.error(&written.file.span, message, None);
            return None;
        }
    };
    if let Some((column, _)) = written.types.first().filter(|_| is_json) {
        let hint = "leave `types` out: a JSON file has types of its own";
        scope.error(&column.span, "`types` are for CSV files", Some(hint.into()));
        return None;
    }
    let bytes = beside::read(scope, &written.file, "a data file", LARGEST)?;
    let found = text(&bytes).and_then(|text| match is_json {
        true => json::read(text),
        false => csv::read(text),
    });
    let table = match found {
        Ok(Content::Typed(table)) => Ok(table),
        Ok(Content::Untyped(fields)) => {
            let types = types(scope, written, &fields)?;
            fields.typed(&types)
        }
        Err(mistake) => Err(mistake),
    };
    match table {
        Ok(Table { columns, rows }) => {
            let columns = columns.into_iter().map(String::into_boxed_str).collect();
            Some(Arc::new(DataRows::new(&name.value, columns, rows, written.once, written.per_worker)))
        }
        Err(Mistake { line, message }) => {
            let place = line.map_or_else(String::new, |line| format!(", line {line}"));
            scope.error(&written.file.span, format!("{}{place}: {message}", written.file), None);
            None
        }
    }
}

/// The declared type of each column; `None` after a problem.
fn types(
    scope: &mut Scope<'_>,
    written: &scenario::Data,
    fields: &csv::Fields,
) -> Option<Vec<Option<scenario::ColumnType>>> {
    let mut types = Some(vec![None; fields.columns.len()]);
    for (column, kind) in &written.types {
        match (fields.columns.iter().position(|known| *known == column.value), &mut types) {
            (Some(index), Some(types)) => types[index] = Some(*kind),
            (Some(_), None) => {}
            (None, _) => {
                let hint = scenario::did_you_mean(&column.value, fields.columns.iter().map(String::as_str));
                scope.error(&column.span, format!("{} has no column `{column}`", written.file), hint);
                types = None;
            }
        }
    }
    types
}

fn text(bytes: &[u8]) -> Result<&str, Mistake> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Mistake::at(line_at(bytes, error.valid_up_to()), "it isn't UTF-8 from here on"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The line in which a byte stands, from 1.
fn line_at(bytes: &[u8], offset: usize) -> u64 {
    bytes[..offset].iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}

/// The names of columns: none is empty, none is there twice.
fn check_columns(columns: &[String], line: u64) -> Result<(), Mistake> {
    if columns.len() > MOST_COLUMNS {
        return Err(Mistake::at(line, format!("a data file has at most {MOST_COLUMNS} columns")));
    }
    for (index, column) in columns.iter().enumerate() {
        if column.trim().is_empty() {
            return Err(Mistake::at(line, format!("column {} has no name", index + 1)));
        }
        if columns[..index].contains(column) {
            return Err(Mistake::at(line, format!("the column `{column}` is there twice")));
        }
    }
    Ok(())
}

/// Holds a load against the data that is used once: how many operations there are rows for.
pub(super) fn limit(scope: &mut Scope<'_>, load: &mut Load) {
    let workers = u64::from(load.concurrency);
    let data = &scope.loaded.file.data;
    for (name, written) in data {
        let Some(rows) = scope.data.get(&name.value).cloned() else { continue };
        let is_open = matches!(load.work, Work::Arrivals(_));
        if rows.is_per_worker() && is_open {
            let hint = "leave `per_worker` out, or use `iterations` or `duration`";
            let message = "with `rate` and `stages` an operation belongs to no worker";
            scope.error(&name.span, message, Some(hint.into()));
            continue;
        }
        if !rows.is_once() {
            continue;
        }
        let count = rows.len() as u64;
        let there = if rows.is_per_worker() { count.saturating_mul(workers) } else { count };
        let wanted = match &load.work {
            Work::Iterations(all) if rows.is_per_worker() => all.div_ceil(workers).saturating_mul(workers),
            Work::Iterations(all) => *all,
            Work::Arrivals(arrivals) => arrivals.count(),
            Work::Duration(_) => {
                load.most_operations = Some(load.most_operations.map_or(there, |most| most.min(there)));
                continue;
            }
        };
        if wanted > there {
            let each = if rows.is_per_worker() { "once by each worker" } else { "once" };
            let message = format!(
                "`{name}` has {count} rows, each of them used {each}, which is too few for the load's {} operations",
                match &load.work {
                    Work::Iterations(all) => *all,
                    _ => wanted,
                }
            );
            let hint = "add rows, ask for fewer operations, or leave `once` out";
            scope.error(&written.file.span, message, Some(hint.into()));
        }
    }
}
