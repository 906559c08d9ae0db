//! Who may be to blame: for each broken invariant, and for deadlocks, the pairs of operations that
//! touched the tables in question and met there.

use std::collections::BTreeSet;

use crate::{
    measure::{Incident, RunResults, Suspects},
    plan::{Plan, tables_locked, tables_named},
};

/// Pairs that are named for each incident.
const MOST_PAIRS: usize = 12;

/// What a run broke. Without broken invariants and deadlocks there is nothing.
pub fn incidents(plan: &Plan, results: &RunResults) -> Vec<Incident> {
    let locked: Vec<BTreeSet<String>> =
        plan.operations.iter().map(|operation| tables_locked(plan, &operation.steps)).collect();
    let mut incidents = Vec::new();
    for broken in results.invariants.iter().filter(|invariant| invariant.violated > 0) {
        let written = plan.invariants.iter().find(|invariant| invariant.name == broken.name);
        let dialect = plan.database.as_ref().map(|database| database.location.dialect());
        let named = written.zip(dialect).map(|(one, dialect)| tables_named(&one.text, dialect));
        let named = named.unwrap_or_default();
        let blame = |operation: usize| u64::from(!locked[operation].is_disjoint(&named));
        let suspects = ranked(plan, results, &locked, &blame);
        incidents.push(Incident { invariant: Some(broken.name.clone()), suspects });
    }
    if results.totals.deadlocks > 0 {
        let blame = |operation: usize| {
            let name = &plan.operations[operation].name;
            let out_of_order = results.lock_order.violations.iter().any(|one| one.operation == *name);
            let met = results.operations.get(name).is_some_and(|one| one.met_deadlock > 0);
            u64::from(met) + 2 * u64::from(out_of_order)
        };
        incidents.push(Incident { invariant: None, suspects: ranked(plan, results, &locked, &blame) });
    }
    incidents
}

/// The likeliest pairs: first by what speaks against either of them, then by how often they were seen
/// together.
fn ranked(
    plan: &Plan,
    results: &RunResults,
    locked: &[BTreeSet<String>],
    blame: &dyn Fn(usize) -> u64,
) -> Vec<Suspects> {
    let mut pairs = Vec::new();
    for one in 0..plan.operations.len() {
        for other in one..plan.operations.len() {
            let suspects = together(plan, results, locked, one, other);
            let (least, most) = (blame(one).min(blame(other)), blame(one).max(blame(other)));
            let seen = suspects.meetings + suspects.waits;
            pairs.push(((least > 0, least + most, seen), suspects));
        }
    }
    // Stable: what is equal stays in the order of the file.
    pairs.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    pairs.into_iter().map(|(_, suspects)| suspects).take(MOST_PAIRS).collect()
}

fn together(
    plan: &Plan,
    results: &RunResults,
    locked: &[BTreeSet<String>],
    one: usize,
    other: usize,
) -> Suspects {
    let names = [&plan.operations[one].name, &plan.operations[other].name];
    let same = |a: &str, b: &str| [a, b] == names || [b, a] == names;
    let meetings = results.overlap.pairs.iter().filter(|pair| same(&pair.one, &pair.other));
    let waits = results.waits.pairs.iter().filter(|pair| same(&pair.waiting, &pair.blocking));
    Suspects {
        one: names[0].clone(),
        other: names[1].clone(),
        meetings: meetings.map(|pair| pair.meetings).sum(),
        waits: waits.map(|pair| pair.waits).sum(),
        tables: locked[one].intersection(&locked[other]).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        measure::{InvariantResult, LockOrderViolation, OperationResults, OverlapPair, WaitPair},
        scenario::{LoadOptions, load_str},
    };

    const SCENARIO: &str = "
version: 1
name: shop
targets: {db: {database: embedded}}
operations:
  look: {steps: [{sql: SELECT stock FROM products}]}
  sell: {steps: [{transaction: {steps: [{sql: UPDATE products SET stock = 1}, {sql: UPDATE orders SET a = 1}]}}]}
  pay: {steps: [{sql: UPDATE orders SET a = 2}]}
load: {concurrency: 2, iterations: 2}
invariants:
  stock: {sql: SELECT stock FROM products WHERE stock < 0}
";

    fn plan() -> Plan {
        let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
        let loaded = load_str(Path::new("shop.yaml"), SCENARIO, &options).expect("a scenario");
        crate::plan::compile(&loaded).expect("a plan").plan
    }

    fn results() -> RunResults {
        let broken =
            InvariantResult { name: "stock".to_owned(), violated: 1, ..InvariantResult::default() };
        let pair = |one: &str, other: &str, meetings| OverlapPair {
            one: one.to_owned(),
            other: other.to_owned(),
            meetings,
        };
        let mut results = RunResults { invariants: vec![broken], ..RunResults::default() };
        results.overlap.pairs =
            vec![pair("sell", "look", 50), pair("pay", "sell", 3), pair("sell", "sell", 1)];
        results
    }

    fn names(incident: &Incident) -> Vec<(&str, &str)> {
        incident.suspects.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect()
    }

    #[test]
    fn those_that_write_what_an_invariant_reads_come_first() {
        let incidents = incidents(&plan(), &results());
        assert_eq!(incidents.len(), 1);
        assert_eq!(incidents[0].name(), "stock");
        let found = names(&incidents[0]);
        assert_eq!(found[..3], [("sell", "sell"), ("look", "sell"), ("sell", "pay")]);
        assert_eq!(incidents[0].suspects[2].tables, ["orders"]);
        assert_eq!(incidents[0].suspects[1].meetings, 50, "whichever comes first in the pair");
    }

    #[test]
    fn deadlocks_are_blamed_on_those_that_met_them_out_of_order() {
        let mut results = RunResults::default();
        assert_eq!(incidents(&plan(), &results), [], "nothing happened");
        results.totals.deadlocks = 2;
        for name in ["sell", "pay"] {
            let met = OperationResults { met_deadlock: 1, ..OperationResults::default() };
            results.operations.insert(name.to_owned(), met);
        }
        results.lock_order.violations = vec![LockOrderViolation {
            operation: "pay".to_owned(),
            step: "sql 1".to_owned(),
            table: "orders".to_owned(),
            after: "products".to_owned(),
            after_step: None,
            count: 1,
        }];
        results.waits.pairs = vec![WaitPair {
            waiting: "pay".to_owned(),
            blocking: "sell".to_owned(),
            table: None,
            waits: 9,
            total_ms: 1.0,
        }];
        let incidents = incidents(&plan(), &results);
        assert_eq!(incidents[0].what(), "deadlocks");
        let found = names(&incidents[0]);
        assert_eq!(found[..2], [("pay", "pay"), ("sell", "pay")]);
        assert_eq!(incidents[0].suspects[1].waits, 9);
    }
}
