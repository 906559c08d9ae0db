//! What a plan takes of this machine and of the server, told before it begins.

use super::Trouble;
use crate::{
    dialect::Dialect,
    plan::Plan,
    target::{Connections, ServerFacts},
};

/// Connections of deadheat's own beside the workers': control, sampling, cleanup, and one to spare.
const OWN_CONNECTIONS: u32 = 4;
/// Connections of a server of ours that are left to the services under test.
const FOR_SERVICES: u32 = 110;
/// File descriptors beside the workers' connections.
const OWN_DESCRIPTORS: u64 = 100;

/// Of a worker with its connection and its frame, estimated generously.
const OF_A_WORKER: u64 = 100_000;
/// Of a fixture's row, and of each of its values beside that.
const OF_A_ROW: u64 = 200;
const OF_A_VALUE: u64 = 100;
/// What everything else takes.
const OF_THE_REST: u64 = 50_000_000;

/// Refuses a plan whose workers and fixtures don't fit into the memory that is free. Where the machine doesn't
/// tell, everything fits.
///
/// # Errors
/// When it doesn't fit.
pub(super) fn check_memory(plan: &Plan) -> Result<(), Trouble> {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    match free {
        Some(free) => fits(plan, free),
        None => Ok(()),
    }
}

fn fits(plan: &Plan, free: u64) -> Result<(), Trouble> {
    let workers = u64::from(plan.load.concurrency) * OF_A_WORKER;
    let mut rows = Vec::with_capacity(plan.fixtures.len());
    let mut fixtures = 0_u64;
    for fixture in &plan.fixtures {
        let parents = fixture.per.and_then(|parent| rows.get(parent).copied()).unwrap_or(1_u64);
        let count = fixture.rows.saturating_mul(parents);
        rows.push(count);
        let each = OF_A_ROW + OF_A_VALUE * fixture.columns.len() as u64;
        fixtures = fixtures.saturating_add(count.saturating_mul(each));
    }
    let needed = workers.saturating_add(fixtures).saturating_add(OF_THE_REST);
    if needed <= free {
        return Ok(());
    }
    let count = rows.iter().fold(0_u64, |sum, rows| sum.saturating_add(*rows));
    let megabytes = |bytes: u64| bytes / 1_000_000;
    Err(Trouble::new(format!(
        "{} workers and {count} rows of fixtures need about {} MB of memory, and {} MB are free",
        plan.load.concurrency,
        megabytes(needed),
        megabytes(free)
    ))
    .hint("lower `load.concurrency`, or make fewer rows"))
}

/// Bytes that a process may still take.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Workers that have a session of their own, and one more each where there are gates.
fn database_workers(plan: &Plan) -> u32 {
    let gates = plan.statements.iter().any(|statement| statement.is_gate);
    if plan.statements.is_empty() { 0 } else { plan.load.concurrency * (1 + u32::from(gates)) }
}

/// Connections that a server of ours takes.
pub(super) fn most_connections(plan: &Plan) -> u32 {
    database_workers(plan) + OWN_CONNECTIONS + FOR_SERVICES
}

/// Refuses a plan that needs more connections than the server has left.
///
/// # Errors
/// When it does.
pub(super) fn check_connections(plan: &Plan, facts: &ServerFacts, dialect: Dialect) -> Result<(), Trouble> {
    let Some(Connections { free, most }) = facts.connections else { return Ok(()) };
    // The control session is connected already.
    let needed = i64::from(database_workers(plan) + OWN_CONNECTIONS) - 1;
    if free >= needed {
        return Ok(());
    }
    let to_set = most + needed - free;
    let place = match dialect {
        Dialect::MySql => "my.cnf",
        Dialect::Postgres | Dialect::Sqlite => "postgresql.conf",
    };
    Err(Trouble::new(format!(
        "{} workers need {needed} connections and the server has {free} left of its {most}",
        plan.load.concurrency
    ))
    .hint(format!("set `max_connections = {to_set}` in {place}, or lower `load.concurrency`")))
}

/// Refuses a plan that needs more file descriptors than this process may have. Linux tells the limit;
/// elsewhere a connection fails when it is reached.
///
/// # Errors
/// When it does.
pub(super) fn check_descriptors(plan: &Plan) -> Result<(), Trouble> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let copies = plan
        .requests
        .iter()
        .map(|request| u64::from(request.delivery.copies) * request.bodies.len() as u64);
    let each = u64::from(!plan.statements.is_empty()) + copies.max().unwrap_or(0);
    let needed = u64::from(plan.load.concurrency) * each + OWN_DESCRIPTORS;
    match limit {
        Some(limit) if limit < needed => Err(Trouble::new(format!(
            "{} workers need {needed} file descriptors and this process may have {limit}",
            plan.load.concurrency
        ))
        .hint(format!("run `ulimit -n {needed}` first, or lower `load.concurrency`"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{LoadOptions, load_str};

    fn plan(load: &str) -> Plan {
        let text = format!(
            "version: 1\nname: a\ntargets: {{db: {{database: embedded}}}}\nfixtures:\n  one: {{table: ones, rows: 1000, values: {{a: 1}}}}\n  \
             many: {{table: manys, rows: 5000, per: one, values: {{a: 1, b: 2}}}}\n\
             operations: {{o: {{steps: [{{sql: SELECT 1}}]}}}}\nload: {{{load}}}\n"
        );
        let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
        let loaded = load_str(Path::new("a.yaml"), &text, &options).expect("it is read");
        crate::plan::compile(&loaded).expect("it compiles").plan
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let plan = plan("concurrency: 1000, iterations: 1");
        assert!(fits(&plan, 4_000_000_000).is_ok());
        let trouble = fits(&plan, 1_000_000_000).expect_err("it doesn't fit");
        assert_eq!(
            trouble.message,
            "1000 workers and 5001000 rows of fixtures need about 2150 MB of memory, and 1000 MB are free"
        );
    }

    #[test]
    fn free_memory_is_read() {
        let text = "MemTotal:        8000 kB\nMemFree:          1 kB\nMemAvailable:    2000 kB\n";
        assert_eq!(available(text), Some(2_048_000));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
