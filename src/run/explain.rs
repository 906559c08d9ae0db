//! Asks the database how it carries out a plan's statements (`--explain-statements`), after the load, when
//! the tables are as the load left them.

use std::sync::OnceLock;

use crate::{
    dialect::Dialect,
    engine::StatementSamples,
    expression::Value,
    measure::{ScanAdvice, TuningResults},
    plan::{Plan, Statement, tables_named},
    target::{FullScan, Session, full_scans},
};

/// Reading fewer rows than this costs less than an index.
const LEAST_ROWS: u64 = 1_000;
/// Statements that are named when their plan isn't told.
const MOST_UNEXPLAINED: usize = 10;

/// Room for the values of each statement.
pub(super) fn samples(plan: &Plan) -> StatementSamples {
    plan.statements.iter().map(|_| OnceLock::new()).collect()
}

/// Statements that read a table whole to find some rows.
pub(super) async fn explain(
    plan: &Plan,
    samples: &StatementSamples,
    session: &mut Session,
) -> TuningResults {
    let mut tuning = TuningResults::default();
    for (statement, sample) in plan.statements.iter().zip(samples) {
        // What was never carried out needs no index.
        let Some(values) = sample.get() else { continue };
        match scans_of(statement, values, session).await {
            Ok(scans) => {
                tuning.explained += 1;
                tuning.scans.extend(scans);
            }
            Err(why) if tuning.unexplained.len() < MOST_UNEXPLAINED => {
                tuning.unexplained.push(format!("{} of {}: {why}", statement.step, statement.operation));
            }
            Err(_) => {}
        }
        if session.is_lost() {
            break;
        }
    }
    tuning.scans.sort_by_key(|scan| std::cmp::Reverse(scan.rows));
    tuning
}

async fn scans_of(
    statement: &Statement,
    values: &[Value],
    session: &mut Session,
) -> Result<Vec<ScanAdvice>, String> {
    let dialect = session.dialect();
    let found = full_scans(session, &statement.text, &statement.placeholders, values).await;
    let mut advice: Vec<ScanAdvice> = Vec::new();
    for scan in found.map_err(|failure| failure.to_string())? {
        // SQLite doesn't tell whether a scan looks for some rows or wants all.
        if dialect == Dialect::Sqlite && !statement.text.to_ascii_uppercase().contains("WHERE") {
            continue;
        }
        let FullScan { table, rows, plan } = scan;
        let table = table_of(statement, table, dialect);
        let rows = count(session, &table).await.or(rows).unwrap_or_default();
        if rows >= LEAST_ROWS && advice.iter().all(|one| one.table != table) {
            let (operation, step) = (statement.operation.clone(), statement.step.clone());
            advice.push(ScanAdvice { operation, step, table, rows, plan });
        }
    }
    Ok(advice)
}

/// A plan may call a table by its alias, which is told apart when the statement names only one table.
fn table_of(statement: &Statement, called: String, dialect: Dialect) -> String {
    let named = tables_named(&statement.text, dialect);
    match named.first() {
        Some(only) if named.len() == 1 => only.clone(),
        _ => called,
    }
}

async fn count(session: &mut Session, table: &str) -> Option<u64> {
    let is_name = table.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_name {
        return None;
    }
    let counted = session.query(&format!("SELECT count(*) FROM {table}"), &[]).await.ok()?;
    counted.single().as_i64().and_then(|count| u64::try_from(count).ok())
}
