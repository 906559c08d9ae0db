//! The tables of a database as its catalogs tell them: columns, keys, foreign keys.
//!
//! A session comes in, plain data goes out, the same for every kind of database. Absent on purpose:
//! what can be made of it.

use super::{Failure, Session};
use crate::{
    dialect::Dialect,
    expression::{Row, Value},
};

/// A table, without its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogTable {
    pub name: String,
    pub columns: Vec<CatalogColumn>,
    /// Columns of the primary key, in its order.
    pub key: Vec<String>,
    pub foreign_keys: Vec<ForeignKey>,
    /// The statements that make it, where the database tells them.
    pub definition: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogColumn {
    pub name: String,
    /// The type in the database's words, in small letters and without its length.
    pub kind: String,
    /// Longest text, where there is a limit.
    pub length: Option<u64>,
    pub is_nullable: bool,
    /// True when a value is made where none is given.
    pub has_default: bool,
    /// A value of an enumerated type.
    pub example: Option<String>,
}

/// Columns that refer to a key of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKey {
    pub table: String,
    /// Each column with the one that it refers to.
    pub columns: Vec<(String, String)>,
}

const POSTGRES_COLUMNS: &str = "
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL),
           CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
           NOT a.attnotnull, a.atthasdef OR a.attidentity <> '',
           (SELECT k.place FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
             WHERE i.indrelid = c.oid AND i.indisprimary AND k.attnum = a.attnum),
           (SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1)
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
     ORDER BY c.relname, a.attnum";

const POSTGRES_REFERENCES: &str = "
    SELECT f.conname::text, c.relname::text, a.attname::text, r.relname::text, b.attname::text
      FROM pg_constraint f
      JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid
      CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(one, other, place)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.one
      JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.other
     WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace AND f.conparentid = 0
     ORDER BY c.relname, f.conname, k.place";

const MYSQL_COLUMNS: &str = "
    SELECT c.table_name, c.column_name, c.data_type, c.character_maximum_length, c.is_nullable = 'YES',
           (c.column_default IS NOT NULL AND c.column_default <> 'NULL')
             OR c.extra LIKE '%auto_increment%' OR c.extra LIKE '%GENERATED%',
           (SELECT k.ordinal_position FROM information_schema.key_column_usage k
             WHERE k.table_schema = c.table_schema AND k.table_name = c.table_name
               AND k.column_name = c.column_name AND k.constraint_name = 'PRIMARY'),
           CASE WHEN c.data_type = 'enum' THEN substring_index(substring_index(c.column_type, '''', 2), '''', -1) END
      FROM information_schema.columns c
      JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
     WHERE c.table_schema = database() AND t.table_type = 'BASE TABLE'
     ORDER BY c.table_name, c.ordinal_position";

const MYSQL_REFERENCES: &str = "
    SELECT constraint_name, table_name, column_name, referenced_table_name, referenced_column_name
      FROM information_schema.key_column_usage
     WHERE table_schema = database() AND referenced_table_name IS NOT NULL
     ORDER BY table_name, constraint_name, ordinal_position";

const SQLITE_COLUMNS: &str = "
    SELECT m.name, p.name, lower(p.type), NULL, NOT p.\"notnull\" AND p.pk = 0,
           p.dflt_value IS NOT NULL OR p.hidden > 0 OR (p.pk = 1 AND lower(p.type) = 'integer'
             AND (SELECT count(*) FROM pragma_table_info(m.name) k WHERE k.pk > 0) = 1),
           nullif(p.pk, 0), NULL
      FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) p
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     ORDER BY m.name, p.cid";

const SQLITE_REFERENCES: &str = "
    SELECT m.name || ' ' || f.id, m.name, f.\"from\", f.\"table\",
           coalesce(f.\"to\", (SELECT k.name FROM pragma_table_info(f.\"table\") k WHERE k.pk = f.seq + 1))
      FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
     WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq";

/// Asks for the tables of the database, or of the schema that the session looks names up in first.
///
/// # Errors
/// What the server answers instead.
pub async fn tables(session: &mut Session) -> Result<Vec<CatalogTable>, Failure> {
    let (columns, references) = match session.dialect() {
        Dialect::Postgres => (POSTGRES_COLUMNS, POSTGRES_REFERENCES),
        Dialect::MySql => (MYSQL_COLUMNS, MYSQL_REFERENCES),
        Dialect::Sqlite => (SQLITE_COLUMNS, SQLITE_REFERENCES),
    };
    let mut tables = with_columns(&session.query(columns, &[]).await?.rows);
    add_references(&mut tables, &session.query(references, &[]).await?.rows);
    for table in &mut tables {
        table.definition = definition(session, &table.name).await?;
    }
    Ok(tables)
}

fn with_columns(rows: &[Row]) -> Vec<CatalogTable> {
    let mut tables: Vec<CatalogTable> = Vec::new();
    let mut keys: Vec<Vec<(i64, String)>> = Vec::new();
    for row in rows {
        let (Some(table), Some(column)) = (text(row, 0), text(row, 1)) else { continue };
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(CatalogTable { name: table, ..CatalogTable::default() });
            keys.push(Vec::new());
        }
        if let (Some(place), Some(key)) = (number(row, 6), keys.last_mut()) {
            key.push((place, column.clone()));
        }
        let Some(table) = tables.last_mut() else { continue };
        table.columns.push(CatalogColumn {
            name: column,
            kind: text(row, 2).unwrap_or_default().to_lowercase(),
            length: number(row, 3).and_then(|length| u64::try_from(length).ok()),
            is_nullable: truth(row, 4),
            has_default: truth(row, 5),
            example: text(row, 7),
        });
    }
    for (table, mut key) in tables.iter_mut().zip(keys) {
        key.sort();
        table.key = key.into_iter().map(|(_, column)| column).collect();
    }
    tables
}

fn add_references(tables: &mut [CatalogTable], rows: &[Row]) {
    let mut last = None;
    for row in rows {
        let parts: Option<Vec<String>> = (0..5).map(|at| text(row, at)).collect();
        let Some([name, table, column, referred, to]) = parts.and_then(five) else {
            continue;
        };
        let Some(table) = tables.iter_mut().find(|one| one.name == table) else { continue };
        let constraint = Some((table.name.clone(), name));
        if constraint != last {
            table.foreign_keys.push(ForeignKey { table: referred, columns: Vec::new() });
            last = constraint;
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push((column, to));
        }
    }
}

fn five(parts: Vec<String>) -> Option<[String; 5]> {
    parts.try_into().ok()
}

/// PostgreSQL tells no table's statement.
async fn definition(session: &mut Session, table: &str) -> Result<Vec<String>, Failure> {
    let (sql, at) = match session.dialect() {
        Dialect::Postgres => return Ok(Vec::new()),
        Dialect::MySql => (format!("SHOW CREATE TABLE {}", Dialect::MySql.quote(table)), 1),
        Dialect::Sqlite => {
            let name = table.replace('\'', "''");
            let made = "type IN ('table', 'index') AND sql IS NOT NULL";
            (
                format!(
                    "SELECT sql FROM sqlite_schema WHERE tbl_name = '{name}' AND {made} ORDER BY rowid"
                ),
                0,
            )
        }
    };
    let rows = session.query(&sql, &[]).await?.rows;
    Ok(rows.iter().filter_map(|row| text(row, at)).collect())
}

fn value(row: &Row, at: usize) -> Option<&Value> {
    row.values().get(at).filter(|value| !value.is_none() && !value.is_undefined())
}

fn text(row: &Row, at: usize) -> Option<String> {
    value(row, at)?.as_str().map(str::to_owned)
}

fn number(row: &Row, at: usize) -> Option<i64> {
    value(row, at)?.as_i64()
}

fn truth(row: &Row, at: usize) -> bool {
    value(row, at).is_some_and(Value::is_true)
}
