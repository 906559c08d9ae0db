//! Tables that a statement reads from end to end to find some of their rows, as the database plans it.
//!
//! The database is asked with the values that the statement was carried out with, and doesn't carry it out.

use super::{Failure, Session};
use crate::{
    dialect::Dialect,
    expression::{Row, Value, to_json, to_text},
};

/// A table that is read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullScan {
    /// As the plan calls it: on MySQL and SQLite the statement's alias.
    pub table: String,
    /// Rows that the database expects there, where it tells.
    pub rows: Option<u64>,
    /// The line of the plan: `Seq Scan`, `type=ALL`, `SCAN`.
    pub plan: String,
}

/// Asks for a statement's plan; `placeholders` tells where in the text its values stand.
///
/// # Errors
/// What the database answers instead.
pub async fn full_scans(
    session: &mut Session,
    sql: &str,
    placeholders: &[usize],
    values: &[Value],
) -> Result<Vec<FullScan>, Failure> {
    let dialect = session.dialect();
    let prefix = match dialect {
        Dialect::Postgres => "EXPLAIN (FORMAT JSON) ",
        Dialect::MySql => "EXPLAIN ",
        Dialect::Sqlite => "EXPLAIN QUERY PLAN ",
    };
    let placeholders: Vec<usize> = placeholders.iter().map(|at| at + prefix.len()).collect();
    let prepared = session.prepare(&format!("{prefix}{sql}"), &placeholders).await?;
    let rows = session.execute(&prepared, values, true).await?.rows;
    Ok(match dialect {
        Dialect::Postgres => rows.iter().flat_map(of_json).collect(),
        Dialect::MySql => rows.iter().filter_map(of_row).collect(),
        Dialect::Sqlite => rows.iter().filter_map(of_detail).collect(),
    })
}

/// PostgreSQL: sequential scans with a filter, without which all rows are wanted.
fn of_json(row: &Row) -> Vec<FullScan> {
    let plan = row.values().first().map(to_json).unwrap_or_default();
    let mut scans = Vec::new();
    let mut open = vec![&plan];
    while let Some(node) = open.pop() {
        if node["Node Type"] == "Seq Scan"
            && !node["Filter"].is_null()
            && let Some(table) = node["Relation Name"].as_str()
        {
            scans.push(FullScan { table: table.to_owned(), rows: None, plan: "Seq Scan".to_owned() });
        }
        match node {
            serde_json::Value::Array(nodes) => open.extend(nodes),
            serde_json::Value::Object(fields) => {
                open.extend(
                    fields.iter().filter(|(name, _)| *name == "Plan" || *name == "Plans").map(|(_, v)| v),
                );
            }
            _ => {}
        }
    }
    scans
}

/// MySQL and MariaDB: no key that could be used, and a condition.
fn of_row(row: &Row) -> Option<FullScan> {
    let text = |column: &str| row.get(column).filter(|value| !value.is_none()).map(to_text);
    let kind = text("type")?;
    let is_whole = kind == "ALL" || (kind == "index" && text("possible_keys").is_none());
    let has_condition = text("Extra")?.contains("Using where");
    (is_whole && has_condition).then(|| FullScan {
        table: text("table").unwrap_or_default(),
        rows: text("rows").and_then(|rows| rows.parse().ok()),
        plan: format!("type={kind}"),
    })
}

/// SQLite: `SCAN orders`; not `SCAN o USING INDEX …`, `SCAN CONSTANT ROW` or `SCAN (subquery-1)`.
fn of_detail(row: &Row) -> Option<FullScan> {
    let detail = to_text(row.get("detail")?);
    let table = detail.strip_prefix("SCAN ")?;
    let is_table = !table.contains(' ') && !table.starts_with('(');
    is_table.then(|| FullScan { table: table.to_owned(), rows: None, plan: "SCAN".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::from_json;

    fn row(columns: &[&str], values: &[serde_json::Value]) -> Row {
        let columns = columns.iter().map(|name| (*name).into()).collect();
        Row::new(columns, values.iter().map(from_json).collect())
    }

    fn tables(scans: impl IntoIterator<Item = FullScan>) -> Vec<String> {
        scans.into_iter().map(|scan| scan.table).collect()
    }

    #[test]
    fn only_scans_that_look_for_rows_count() {
        let plan = serde_json::json!([{"Plan": {"Node Type": "ModifyTable", "Plans": [
            {"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(n = 1)"},
            {"Node Type": "Seq Scan", "Relation Name": "all_of_it"},
            {"Node Type": "Index Scan", "Relation Name": "users", "Filter": "(n = 1)"}]}}]);
        assert_eq!(tables(of_json(&row(&["QUERY PLAN"], &[plan]))), ["orders"]);
        let mysql = |kind: &str, keys: serde_json::Value, extra: &str| {
            let values = [kind.into(), "o".into(), keys, "2000".into(), extra.into()];
            of_row(&row(&["type", "table", "possible_keys", "rows", "Extra"], &values))
        };
        assert_eq!(
            mysql("ALL", serde_json::Value::Null, "Using where").map(|scan| scan.rows),
            Some(Some(2000))
        );
        assert!(mysql("index", serde_json::Value::Null, "Using where").is_some(), "an update's");
        assert_eq!(mysql("ALL", serde_json::Value::Null, ""), None);
        assert_eq!(mysql("ref", "by_email".into(), "Using where"), None);
        for (detail, is_one) in [
            ("SCAN orders", true),
            ("SCAN orders USING INDEX by_email", false),
            ("SEARCH orders USING INTEGER PRIMARY KEY (rowid=?)", false),
            ("SCAN CONSTANT ROW", false),
            ("SCAN (subquery-1)", false),
        ] {
            assert_eq!(of_detail(&row(&["detail"], &[detail.into()])).is_some(), is_one, "{detail}");
        }
    }
}
