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

/// The rows of a fixture, and which operations are on each of them.
pub struct FixtureRows {
    name: Box<str>,
    rows: Vec<Value>,
    /// For each row and each kind of operation how many are on it.
    in_use: Vec<AtomicU32>,
    /// For each row how often one came to it.
    entries: Vec<AtomicU32>,
    /// Kinds of operations that are told apart.
    kinds: usize,
}

/// Counters of one fixture at most; with more rows the kinds of operations aren't told apart.
const MOST_COUNTERS: usize = 16_000_000;

/// What an operation found on a row when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Operations on it, this one included.
    pub crowd: u32,
    /// Which entry of the row this is.
    number: u32,
}

impl FixtureRows {
    /// The rows of the fixture `name`, for this many kinds of operations.
    pub fn new(name: &str, rows: Vec<Row>, kinds: usize) -> Self {
        let rows: Vec<Value> = rows.into_iter().map(Value::from_object).collect();
        let kinds = if rows.len().saturating_mul(kinds) > MOST_COUNTERS { 1 } else { kinds.max(1) };
        let counters = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            name: name.into(),
            in_use: counters(rows.len() * kinds),
            entries: counters(rows.len()),
            rows,
            kinds,
        }
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

    /// Counts an operation of a kind in. `met` learns the kinds of those that are there already.
    pub(super) fn enter(&self, index: usize, kind: usize, met: &mut Vec<usize>) -> Entry {
        let counters = &self.in_use[index * self.kinds..(index + 1) * self.kinds];
        let kind = kind.min(self.kinds - 1);
        let mine = counters[kind].fetch_add(1, Ordering::Relaxed);
        let mut crowd = 1;
        for (other, counter) in counters.iter().enumerate() {
            let there = if other == kind { mine } else { counter.load(Ordering::Relaxed) };
            crowd += there;
            if there > 0 {
                met.push(other);
            }
        }
        Entry { crowd, number: self.entries[index].fetch_add(1, Ordering::Relaxed) }
    }

    /// Counts an operation out. True when another one came after it and before it left.
    pub(super) fn leave(&self, index: usize, kind: usize, entry: Entry) -> bool {
        self.in_use[index * self.kinds + kind.min(self.kinds - 1)].fetch_sub(1, Ordering::Relaxed);
        self.entries[index].load(Ordering::Relaxed) != entry.number.wrapping_add(1)
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

/// JSON as a value.
pub fn from_json(json: &serde_json::Value) -> Value {
    Value::from(minijinja::value::Serde(json))
}

/// A value as JSON; what JSON has no form for becomes its text.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => serde_json::Value::Null,
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        _ => serde_json::to_value(value).unwrap_or_else(|_| value.to_string().into()),
    }
}
