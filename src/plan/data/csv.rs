//! CSV: a header and records of as many fields.

use super::{Content, MOST_ROWS, Mistake, Table, check_columns, column};
use crate::scenario::ColumnType;

/// The fields of a file as they stand there.
pub(super) struct Fields {
    pub columns: Vec<String>,
    /// Each with its line.
    records: Vec<(u64, csv::StringRecord)>,
}

/// Reads a header and the records under it.
pub(super) fn read(text: &str) -> Result<Content, Mistake> {
    // Lengths are compared here, where the message can say what was expected.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| mistake(&error))?.clone();
    if header.is_empty() {
        return Err(Mistake::whole("the file is empty"));
    }
    let line = line_of(text, header.position());
    let columns: Vec<String> = header.iter().map(str::to_owned).collect();
    check_columns(&columns, line)?;
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| mistake(&error))?;
        let line = line_of(text, record.position());
        if record.len() != columns.len() {
            let (found, expected) = (record.len(), columns.len());
            return Err(Mistake::at(
                line,
                format!("{} and not {expected} as in the header", fields(found)),
            ));
        }
        if records.len() == MOST_ROWS {
            return Err(Mistake::too_many_rows(line));
        }
        records.push((line, record));
    }
    match records.last() {
        None => Err(Mistake::at(line, "there is a header and no row under it")),
        // Inside quotes a quote is doubled: an odd one opens a field that nothing closes, which swallows the rest.
        Some((line, _)) if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 => {
            Err(Mistake::at(*line, "a quote without its second one: a quoted field ends with `\"`"))
        }
        Some(_) => Ok(Content::Untyped(Fields { columns, records })),
    }
}

/// The line in which a record begins; empty lines before it count as a part of it.
fn line_of(text: &str, position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + ends.filter(|byte| **byte == b'\n').count() as u64
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}

fn mistake(error: &csv::Error) -> Mistake {
    match error.position() {
        Some(position) => Mistake::at(position.line(), error.to_string()),
        None => Mistake::whole(error.to_string()),
    }
}

impl Fields {
    /// The fields as values: each column of the type that is declared for it, or that its fields show.
    ///
    /// # Errors
    /// The first field that isn't of its column's declared type.
    pub(super) fn typed(self, declared: &[Option<ColumnType>]) -> Result<Table, Mistake> {
        let fields = |index: usize| self.records.iter().map(move |(_, record)| &record[index]);
        let types: Vec<ColumnType> = declared
            .iter()
            .enumerate()
            .map(|(index, declared)| declared.unwrap_or_else(|| column::shown_by(fields(index))))
            .collect();
        let mut rows = Vec::with_capacity(self.records.len());
        for (line, record) in &self.records {
            let values = record.iter().zip(&types).zip(&self.columns).map(|((field, kind), column)| {
                column::value(field, *kind).ok_or_else(|| {
                    let message = format!("`{field}` in column `{column}` is not of type {}", kind.name());
                    Mistake::at(*line, message)
                })
            });
            rows.push(values.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Table { columns: self.columns, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, declared: &[Option<ColumnType>]) -> Result<Table, Mistake> {
        match read(text)? {
            Content::Untyped(fields) => fields.typed(declared),
            Content::Typed(table) => Ok(table),
        }
    }

    fn shown(text: &str, declared: &[Option<ColumnType>]) -> Vec<String> {
        let table = table(text, declared).expect("it is valid");
        table.rows.iter().map(|row| format!("{row:?}")).collect()
    }

    #[test]
    fn columns_have_the_type_that_their_fields_show() {
        let text =
            "id,price,zip,ok,note\n1,2.50,01067,true,\"a, \"\"b\"\"\"\r\n\n-20,3,10115,false,\n,,,,x\n";
        assert_eq!(
            shown(text, &[None; 5]),
            [
                r#"[1, 2.5, '01067', True, 'a, "b"']"#,
                "[-20, 3.0, '10115', False, '']",
                "[None, None, '', None, 'x']"
            ]
        );
    }

    #[test]
    fn declared_types_come_first() {
        let declared = [Some(ColumnType::Text), Some(ColumnType::Integer)];
        assert_eq!(shown("a,b\n1,007\n", &declared), ["['1', 7]"]);
        let mistake = table("a,b\n1,2\n3,4.5\n", &declared).expect_err("a fraction");
        assert_eq!(mistake, Mistake::at(3, "`4.5` in column `b` is not of type integer"));
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        for (text, line, message) in [
            ("", None, "the file is empty"),
            ("\n\n", None, "the file is empty"),
            ("a,b\n", Some(1), "there is a header and no row under it"),
            ("a,b,a\n1,2,3\n", Some(1), "the column `a` is there twice"),
            ("a,,c\n1,2,3\n", Some(1), "column 2 has no name"),
            ("a,b\n1,2\n\n3\n", Some(4), "1 field and not 2 as in the header"),
            ("a,b\n\"1\n1\",2\n3,4,5\n", Some(4), "3 fields and not 2 as in the header"),
            ("a,b\n1,2\n3,\"4\n", Some(3), "a quote without its second one: a quoted field ends with `\"`"),
        ] {
            let mistake = table(text, &[None; 3]).expect_err(text);
            assert_eq!((mistake.line, mistake.message.as_str()), (line, message), "{text:?}");
        }
    }
}
