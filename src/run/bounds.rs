//! What a plan takes of this machine, told before it begins.

use super::Trouble;
use crate::plan::Plan;

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
