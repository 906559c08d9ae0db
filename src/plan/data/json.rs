//! JSON: a list of objects that have the same keys.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Content, MOST_ROWS, Mistake, Table, check_columns, line_at};
use crate::expression::{Value, from_json};

/// Reads the objects of a list as rows; the first one's keys are the columns.
pub(super) fn read(text: &str) -> Result<Content, Mistake> {
    if text.trim().is_empty() {
        return Err(Mistake::whole("the file is empty"));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Mistake::whole("it isn't a list of objects"),
        _ => {
            let told = error.to_string();
            // Its place is told as any other's.
            let message = told.rsplit_once(" at line ").map_or(told.as_str(), |(message, _)| message);
            Mistake::at(error.line() as u64, message)
        }
    })?;
    // An element is a part of the text, so that its place is known.
    let line_of = |element: &RawValue| {
        let offset = element.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
        line_at(text.as_bytes(), offset)
    };
    if let Some(element) = elements.get(MOST_ROWS) {
        return Err(Mistake::too_many_rows(line_of(element)));
    }
    let mut columns: Option<Vec<String>> = None;
    let mut rows = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let number = index + 1;
        let object: Entries = serde_json::from_str(element.get())
            .map_err(|_| Mistake::at(line_of(element), format!("element {number} is not an object")))?;
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let keys: Vec<String> = object.0.iter().map(|(key, _)| key.clone()).collect();
                check_columns(&keys, line_of(element))?;
                columns.insert(keys)
            }
        };
        let row = row(object, columns, number).map_err(|message| Mistake::at(line_of(element), message))?;
        rows.push(row);
    }
    match columns {
        None => Err(Mistake::whole("the list is empty")),
        Some(columns) if columns.is_empty() => Err(Mistake::whole("its objects have no keys")),
        Some(columns) => Ok(Content::Typed(Table { columns, rows })),
    }
}

/// The values of an object in the order of the columns.
fn row(object: Entries, columns: &[String], number: usize) -> Result<Vec<Value>, String> {
    let mut values: Vec<Option<Value>> = vec![None; columns.len()];
    for (key, value) in &object.0 {
        let Some(index) = columns.iter().position(|column| column == key) else {
            return Err(format!("element {number} has `{key}`, which the first one doesn't have"));
        };
        if values[index].replace(from_json(value)).is_some() {
            return Err(format!("element {number} has `{key}` twice"));
        }
    }
    let missing = values.iter().position(Option::is_none);
    match missing {
        Some(index) => {
            Err(format!("element {number} has no `{}`, which the first one has", columns[index]))
        }
        None => Ok(values.into_iter().flatten().collect()),
    }
}

/// An object with all its keys, those that are there twice too.
struct Entries(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                    if entries.len() > 2 * super::MOST_COLUMNS {
                        return Err(de::Error::custom("too many keys"));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table, Mistake> {
        match read(text)? {
            Content::Typed(table) => Ok(table),
            Content::Untyped(_) => unreachable!("JSON has types"),
        }
    }

    #[test]
    fn values_keep_their_types_and_keys_may_come_in_any_order() {
        let found = table(r#"[{"a": "01", "b": 2}, {"b": null, "a": true}]"#).expect("it is valid");
        assert_eq!(found.columns, ["a", "b"]);
        let rows: Vec<String> = found.rows.iter().map(|row| format!("{row:?}")).collect();
        assert_eq!(rows, ["['01', 2]", "[True, None]"]);
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        for (text, line, message) in [
            ("", None, "the file is empty"),
            ("[]", None, "the list is empty"),
            ("[{}]", None, "its objects have no keys"),
            ("{\"a\": 1}", None, "it isn't a list of objects"),
            ("[{\"a\": 1},\n 2]", Some(2), "element 2 is not an object"),
            ("[{\"a\": 1},\n{\"b\": 2}]", Some(2), "element 2 has `b`, which the first one doesn't have"),
            (
                "[{\"a\": 1, \"b\": 2},\n\n{\"b\": 2}]",
                Some(3),
                "element 2 has no `a`, which the first one has",
            ),
            ("[{\"a\": 1},\n{\"a\": 1, \"a\": 2}]", Some(2), "element 2 has `a` twice"),
            ("[{\"a\": 1, \"a\": 2}]", Some(1), "the column `a` is there twice"),
            ("[{\"a\": 1},\n{\"a\": 1]", Some(2), "expected `,` or `}`"),
        ] {
            let mistake = table(text).expect_err(text);
            assert_eq!((mistake.line, mistake.message.as_str()), (line, message), "{text:?}");
        }
    }
}
