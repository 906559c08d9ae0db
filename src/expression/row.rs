//! Rows as values: what a query returned, and what a fixture made.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr, ValueKind},
};

/// A row: columns by name, in their order.
#[derive(Clone)]
pub struct Row {
    columns: Arc<[Box<str>]>,
    values: Vec<Value>,
}

impl Row {
    /// A row; `columns` are shared by all rows of a result.
    pub fn new(columns: Arc<[Box<str>]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[Box<str>] {
        &self.columns
    }

    /// The values, in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        let index = self.columns.iter().position(|name| **name == *column)?;
        self.values.get(index)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.columns.iter().zip(&self.values)).finish()
    }
}

impl Object for Row {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key).cloned()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.columns.iter().map(|name| Value::from(&**name)).collect())
    }
}

/// What a statement returned.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The rows, when the statement was asked for them.
    pub rows: Vec<Row>,
    /// Rows that the server says were inserted, updated, deleted or selected.
    pub affected: u64,
}

impl Rows {
    /// The first row, or null.
    pub fn first(&self) -> Value {
        self.rows.first().map_or(Value::from(()), |row| Value::from_object(row.clone()))
    }

    /// The first column of the first row, or null.
    pub fn single(&self) -> Value {
        self.rows.first().and_then(|row| row.values.first().cloned()).unwrap_or(Value::from(()))
    }

    /// All rows as a list.
    pub fn list(&self) -> Value {
        self.rows.iter().cloned().map(Value::from_object).collect()
    }
}

/// The rows of a fixture, and how many operations are on each of them.
pub struct FixtureRows {
    name: Box<str>,
    rows: Vec<Value>,
    in_use: Vec<AtomicU32>,
}

impl FixtureRows {
    /// The rows of the fixture `name`.
    pub fn new(name: &str, rows: Vec<Row>) -> Self {
        let rows: Vec<Value> = rows.into_iter().map(Value::from_object).collect();
        let in_use = rows.iter().map(|_| AtomicU32::new(0)).collect();
        Self { name: name.into(), rows, in_use }
    }

    /// The fixture's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row by its position.
    pub fn row(&self, index: usize) -> Option<&Value> {
        self.rows.get(index)
    }

    /// Counts an operation in. Returns how many are on the row now.
    pub(super) fn enter(&self, index: usize) -> u32 {
        self.in_use[index].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts an operation out.
    pub(super) fn leave(&self, index: usize) {
        self.in_use[index].fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for FixtureRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fixture {} of {} rows", self.name, self.rows.len())
    }
}

impl Object for FixtureRows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.rows.as_slice() {
            [only] => only.get_attr(key).ok().filter(|value| !value.is_undefined()),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_usize() {
            Some(index) => self.rows.get(index).cloned(),
            None => self.get_value_by_str(key.as_str()?),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.rows.len())
    }
}

/// A value as text: a boolean as SQL and JSON spell it, a structure as JSON.
pub fn to_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::None | ValueKind::Undefined => "null".to_owned(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => to_json(value).to_string(),
        _ => value.to_string(),
    }
}

/// A value as JSON; what JSON has no form for becomes its text.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => serde_json::Value::Null,
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        _ => serde_json::to_value(value).unwrap_or_else(|_| value.to_string().into()),
    }
}
