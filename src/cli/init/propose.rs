//! From the tables of a database to a scenario for them: what refers is made and locked after what it
//! refers to.
//!
//! Pure: tables in, text out. On PostgreSQL the scenario works on the tables that are there; elsewhere it
//! brings a copy of them as a migration.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    dialect::Dialect,
    expression,
    target::catalog::{CatalogColumn, CatalogTable, ForeignKey},
};

/// Rows of each fixture: row N of one refers to row N of another.
const ROWS: u32 = 10;

/// What is to be written.
pub(super) struct Proposal {
    pub scenario: String,
    /// The statements that make the tables.
    pub migration: Option<String>,
}

/// Writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        writeln!($text, $($argument)*).expect("writing to a string can't fail")
    };
}

pub(super) fn scenario(
    name: &str,
    place: &str,
    schema: &str,
    dialect: Dialect,
    tables: &[CatalogTable],
) -> Proposal {
    let (ordered, in_circle) = topological(tables);
    let has_copy = dialect != Dialect::Postgres;
    let mut text = String::new();
    line!(text, "# yaml-language-server: $schema={schema}");
    line!(text, "# Proposed from the tables of a database: what refers stands after what it refers to.");
    line!(text, "version: 1\nname: {name}");
    line!(text, "description: Rows are locked in the order of the foreign keys, and changed.\n");
    line!(text, "targets:\n  db:\n    database: {}", quoted(&format!("${{DATABASE_URL:-{place}}}")));
    if has_copy {
        line!(
            text,
            "    migrations: migrations/{name}   # the same tables, empty, in a place of the run's own"
        );
    } else {
        line!(text, "    # Rows are made in the tables that are there, noted, and removed again.");
    }
    if !dialect.locks_rows() {
        line!(
            text,
            "    begin: immediate   # takes the lock for writing before it reads, and waits for it"
        );
        line!(text, "    lock_timeout: 10s");
    } else {
        line!(text, "    isolation: read_committed");
        let names: Vec<String> = ordered.iter().map(|table| quoted(&table.name)).collect();
        line!(text, "    lock_order: [{}]", names.join(", "));
    }
    for table in &in_circle {
        line!(
            text,
            "# NB: {table} is part of a circle of foreign keys; what refers forward is left empty."
        );
    }
    line!(text, "\nfixtures:");
    for (at, table) in ordered.iter().enumerate() {
        fixture(&mut text, table, &ordered[..at], has_copy);
    }
    work(&mut text, dialect, &ordered);
    Proposal { scenario: text, migration: has_copy.then(|| migration(&ordered)) }
}

/// The tables with those that they refer to before them, and the names of those for which that can't be.
fn topological(tables: &[CatalogTable]) -> (Vec<&CatalogTable>, BTreeSet<&str>) {
    let mut left: Vec<&CatalogTable> = tables.iter().collect();
    let mut ordered: Vec<&CatalogTable> = Vec::new();
    let mut in_circle = BTreeSet::new();
    while !left.is_empty() {
        let waits = |table: &CatalogTable, nullable: bool| {
            table.foreign_keys.iter().any(|key| {
                let is_later = left.iter().any(|other| other.name == key.table && other.name != table.name);
                is_later && (nullable || !may_be_empty(table, key))
            })
        };
        let next = left.iter().position(|table| !waits(table, true)).unwrap_or_else(|| {
            let next = left.iter().position(|table| !waits(table, false)).unwrap_or(0);
            in_circle.insert(left[next].name.as_str());
            next
        });
        ordered.push(left.remove(next));
    }
    (ordered, in_circle)
}

fn may_be_empty(table: &CatalogTable, key: &ForeignKey) -> bool {
    let nullable =
        |name: &str| table.columns.iter().any(|column| column.name == name && column.is_nullable);
    key.columns.iter().any(|(name, _)| nullable(name))
}

fn fixture(text: &mut String, table: &CatalogTable, earlier: &[&CatalogTable], is_copy: bool) {
    line!(text, "  {}:\n    table: {}\n    rows: {ROWS}", fixture_name(&table.name), quoted(&table.name));
    let mut values = String::new();
    for column in &table.columns {
        let reference = table.foreign_keys.iter().find_map(|key| {
            let known = earlier.iter().any(|table| table.name == key.table);
            let (_, to) = key.columns.iter().find(|(name, _)| *name == column.name).filter(|_| known)?;
            Some(format!("{{{{ {}[n - 1]{} }}}}", fixture_name(&key.table), attribute(to)))
        });
        let refers =
            table.foreign_keys.iter().any(|key| key.columns.iter().any(|(name, _)| *name == column.name));
        let value = match reference {
            Some(reference) => reference,
            None if column.has_default || column.is_nullable => continue,
            None if refers => {
                line!(
                    values,
                    "      # {} refers to a row that isn't there yet: give it a value",
                    column.name
                );
                continue;
            }
            None => match value(column, table.key.contains(&column.name) && !is_copy) {
                Some(value) => value,
                None => {
                    line!(values, "      # {} is of type {}: give it a value", column.name, column.kind);
                    continue;
                }
            },
        };
        line!(values, "      {}: {}", quoted(&column.name), quoted(&value));
    }
    if values.is_empty() {
        line!(text, "    values: {{}}   # every column has a default");
    } else {
        line!(text, "    values:");
        text.push_str(&values);
    }
}

/// A value that a column of this type takes; `must_be_new` beside rows that are there already.
fn value(column: &CatalogColumn, must_be_new: bool) -> Option<String> {
    if let Some(example) = &column.example {
        return Some(example.clone());
    }
    let kind = column.kind.split('(').next().unwrap_or_default().trim();
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    Some(match kind {
        "boolean" => "{{ false }}".to_owned(),
        "uuid" => "{{ uuid() }}".to_owned(),
        "date" => "2026-01-01".to_owned(),
        "year" => "2026".to_owned(),
        "time" | "time without time zone" => "12:00:00".to_owned(),
        _ if has(&["timestamp", "datetime"]) => "2026-01-01 00:00:00".to_owned(),
        _ if has(&["json"]) => "{}".to_owned(),
        "smallint" | "tinyint" => "{{ n }}".to_owned(),
        _ if has(&["int", "serial"]) && must_be_new => "{{ random(1000000, 2000000000) }}".to_owned(),
        _ if has(&["int", "serial", "numeric", "decimal", "real", "double", "float", "money"]) => {
            "{{ n }}".to_owned()
        }
        _ if has(&["char", "text", "clob", "blob", "binary", "bytea"]) || kind.is_empty() => {
            match column.length {
                Some(0..=2) => "x".to_owned(),
                Some(3..=13) => "{{ n }}".to_owned(),
                _ => "{{ run.id }}-{{ n }}".to_owned(),
            }
        }
        _ => return None,
    })
}

/// One operation that locks a row and those that it refers to in their order, one that reads, a load.
fn work(text: &mut String, dialect: Dialect, ordered: &[&CatalogTable]) {
    let keyed = ordered.iter().enumerate().filter(|(_, table)| !table.key.is_empty());
    let Some((at, table)) = keyed.max_by_key(|(_, table)| table.foreign_keys.len()) else {
        line!(text, "\n# No table has a primary key: add `operations` and a `load` by hand.");
        return;
    };
    line!(
        text,
        "\nretry: {{on: [deadlock, serialization], max_retries: 3, backoff: exponential, delay: 10ms}}"
    );
    line!(text, "\noperations:\n  change:\n    weight: 60");
    let drawn = format!("    let: {{drawn: \"{{{{ pick({}) }}}}\"}}", fixture_name(&table.name));
    line!(text, "{drawn}\n    steps:\n      - transaction:\n          steps:");
    for earlier in &ordered[..at] {
        for key in table.foreign_keys.iter().filter(|key| key.table == earlier.name) {
            lock(text, dialect, &earlier.name, &key.columns);
        }
    }
    let own: Vec<(String, String)> =
        table.key.iter().map(|column| (column.clone(), column.clone())).collect();
    lock(text, dialect, &table.name, &own);
    let refers = |name: &str| {
        table.foreign_keys.iter().any(|key| key.columns.iter().any(|(column, _)| column == name))
    };
    let changed =
        table.columns.iter().find(|column| !table.key.contains(&column.name) && !refers(&column.name));
    let column = changed.map_or(table.key.first(), |column| Some(&column.name));
    let column = column.map(|column| dialect.quote(column)).unwrap_or_default();
    let (name, condition) = (dialect.quote(&table.name), condition(dialect, &own));
    line!(text, "            # The same value again: put what your application does here.");
    line!(text, "            - sql: UPDATE {name} SET {column} = {column} WHERE {condition}");
    line!(text, "  read:\n    weight: 40\n{drawn}");
    line!(text, "    steps:\n      - sql: SELECT * FROM {name} WHERE {condition}");
    line!(text, "        assert: row_count == 1");
    line!(text, "\nload: {{concurrency: 8, iterations: 400, release: together}}");
    line!(text, "\ninvariants:\n  no_row_is_lost:   # put what must hold of your data here");
    line!(text, "    sql: SELECT count(*) AS total FROM {name}\n    expect: total == before.total");
    line!(text, "\nthresholds:\n  success_rate: \"> 99%\"");
    if dialect.locks_rows() {
        line!(text, "  lock_order_violations: \"== 0\"");
    }
}

/// Locks the row to which columns of the drawn row lead.
fn lock(text: &mut String, dialect: Dialect, table: &str, columns: &[(String, String)]) {
    let name = dialect.quote(table);
    let first = columns.first().map(|(_, to)| dialect.quote(to)).unwrap_or_default();
    let lock = if dialect.locks_rows() { " FOR UPDATE" } else { "" };
    let condition = condition(dialect, columns);
    line!(text, "            - sql: SELECT {first} FROM {name} WHERE {condition}{lock}");
    line!(text, "              assert: row_count == 1");
}

/// Each column with the one that it is found by.
fn condition(dialect: Dialect, columns: &[(String, String)]) -> String {
    let each = columns
        .iter()
        .map(|(own, to)| format!("{} = {{{{ drawn{} }}}}", dialect.quote(to), attribute(own)));
    each.collect::<Vec<_>>().join(" AND ")
}

fn migration(ordered: &[&CatalogTable]) -> String {
    let statements = ordered.iter().flat_map(|table| &table.definition);
    statements
        .map(|statement| format!("{};\n", statement.trim_end_matches(';')))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A name that expressions can hold and that stands for nothing else.
fn fixture_name(table: &str) -> String {
    let mut name: String = table.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    const TAKEN: [&str; 10] =
        ["n", "drawn", "run", "worker", "iteration", "concurrency", "secrets", "parent", "before", "row"];
    const WORDS: [&str; 8] = ["in", "not", "and", "or", "is", "if", "else", "true"];
    if name.starts_with(|c: char| c.is_ascii_digit())
        || TAKEN.contains(&name.as_str())
        || WORDS.contains(&name.as_str())
        || expression::is_function(&name)
    {
        name = format!("rows_of_{name}");
    }
    name
}

fn attribute(column: &str) -> String {
    let is_plain = column.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { format!(".{column}") } else { format!("['{}']", column.replace('\'', "\\'")) }
}

/// A YAML scalar.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
