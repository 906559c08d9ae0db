//! The tables of a schema, as far as it matters which of them statements touch.

use std::collections::BTreeMap;

use super::{Failure, Session};
use crate::{dialect::Dialect, expression::Row, plan::TableLinks};

/// Plain tables of the first schema on the path: without triggers and rules of their own.
const POSTGRES_PLAIN: &str = "
    SELECT c.relname::text FROM pg_class c
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
       AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
       AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
     ORDER BY 1";

/// Tables that a foreign key connects, or that take their defaults from one sequence.
const POSTGRES_LINKED: &str = "
    SELECT a.relname::text, b.relname::text FROM pg_constraint f
      JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid WHERE f.contype = 'f'
    UNION
    SELECT a.relname::text, b.relname::text
      FROM pg_depend one JOIN pg_depend other ON other.refobjid = one.refobjid
                          AND other.classid = one.classid AND other.refclassid = one.refclassid
      JOIN pg_class s ON s.oid = one.refobjid AND s.relkind = 'S'
      JOIN pg_attrdef d ON d.oid = one.objid JOIN pg_attrdef e ON e.oid = other.objid
      JOIN pg_class a ON a.oid = d.adrelid JOIN pg_class b ON b.oid = e.adrelid
     WHERE one.classid = 'pg_attrdef'::regclass AND one.refclassid = 'pg_class'::regclass AND a.oid <> b.oid";

const MYSQL_PLAIN: &str = "
    SELECT t.table_name FROM information_schema.tables t
     WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND t.engine = 'InnoDB'
       AND NOT EXISTS (SELECT 1 FROM information_schema.triggers g
                        WHERE g.event_object_schema = t.table_schema AND g.event_object_table = t.table_name)
     ORDER BY 1";

const MYSQL_LINKED: &str = "
    SELECT table_name, referenced_table_name FROM information_schema.referential_constraints
     WHERE constraint_schema = DATABASE()";

const SQLITE_PLAIN: &str = "
    SELECT t.name FROM sqlite_schema t WHERE t.type = 'table'
       AND NOT EXISTS (SELECT 1 FROM sqlite_schema g WHERE g.type = 'trigger' AND g.tbl_name = t.name)
     ORDER BY 1";

/// All with the first: one lock and one log serve the whole database.
const SQLITE_LINKED: &str = "
    SELECT (SELECT min(name) FROM sqlite_schema WHERE type = 'table'), name FROM sqlite_schema
     WHERE type = 'table'";

/// Unique indexes of one column, without a condition.
const POSTGRES_UNIQUE: &str = "
    SELECT c.relname::text, a.attname::text
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
     WHERE i.indisunique AND i.indnatts = 1 AND i.indpred IS NULL
       AND c.relnamespace = current_schema()::regnamespace
     ORDER BY 1, 2";

const MYSQL_UNIQUE: &str = "
    SELECT table_name, MAX(column_name) FROM information_schema.statistics
     WHERE table_schema = DATABASE() AND non_unique = 0
     GROUP BY table_name, index_name HAVING COUNT(*) = 1
     ORDER BY 1, 2";

const SQLITE_UNIQUE: &str = "
    SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
     WHERE t.type = 'table' AND c.pk = 1
       AND (SELECT count(*) FROM pragma_table_info(t.name) k WHERE k.pk > 0) = 1
    UNION
    SELECT t.name, c.name
      FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
     WHERE t.type = 'table' AND i.\"unique\" = 1 AND i.partial = 0
       AND (SELECT count(*) FROM pragma_index_info(i.name)) = 1
     ORDER BY 1, 2";

/// Asks for the columns by which at most one row of a table is found.
///
/// # Errors
/// What the server answers instead.
pub async fn unique_columns(session: &mut Session) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let unique = match session.dialect() {
        Dialect::Postgres => POSTGRES_UNIQUE,
        Dialect::MySql => MYSQL_UNIQUE,
        Dialect::Sqlite => SQLITE_UNIQUE,
    };
    let rows = session.query(unique, &[]).await?.rows;
    let text =
        |row: &Row, at: usize| row.values().get(at).and_then(|value| value.as_str().map(str::to_owned));
    Ok(rows.iter().filter_map(|row| Some((text(row, 0)?, vec![text(row, 1)?]))).collect())
}

/// Asks for the plain tables, and which of them belong together.
///
/// # Errors
/// What the server answers instead.
pub async fn table_links(session: &mut Session) -> Result<TableLinks, Failure> {
    let (plain, linked) = match session.dialect() {
        Dialect::Postgres => (POSTGRES_PLAIN, POSTGRES_LINKED),
        Dialect::MySql => (MYSQL_PLAIN, MYSQL_LINKED),
        Dialect::Sqlite => (SQLITE_PLAIN, SQLITE_LINKED),
    };
    let plain = session.query(plain, &[]).await?;
    let mut numbers: BTreeMap<String, usize> = plain
        .rows
        .iter()
        .enumerate()
        .filter_map(|(number, row)| Some((row.values().first()?.as_str()?.to_owned(), number)))
        .collect();
    let linked = session.query(linked, &[]).await?;
    let names = |row: &Row| {
        let name = |at: usize| row.values().get(at).and_then(|value| value.as_str().map(str::to_owned));
        Some((name(0)?, name(1)?))
    };
    let pairs: Vec<(String, String)> = linked.rows.iter().filter_map(names).collect();
    for (one, other) in &pairs {
        if let (Some(from), Some(to)) = (numbers.get(one).copied(), numbers.get(other).copied()) {
            numbers.values_mut().filter(|number| **number == from).for_each(|number| *number = to);
        }
    }
    // What a table with triggers is connected to isn't plain either.
    let opaque: Vec<usize> = pairs
        .iter()
        .filter_map(|(one, other)| match (numbers.get(one), numbers.get(other)) {
            (Some(number), None) | (None, Some(number)) => Some(*number),
            _ => None,
        })
        .collect();
    numbers.retain(|_, number| !opaque.contains(number));
    Ok(TableLinks(numbers))
}
