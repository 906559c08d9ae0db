//! The tables that operations and invariants name: enough to tell who may be to blame for what.
//!
//! Less strict than [`super::Footprint`], from which interleavings are left out: what can't be read is
//! taken for nothing.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{ObjectName, Visit, Visitor};

use super::{
    locks,
    model::{Plan, Step},
    parse::parse,
};
use crate::dialect::Dialect;

/// The tables that steps lock or write, by the names that the server folds.
pub fn tables_locked(plan: &Plan, steps: &[Step]) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for step in steps {
        match step {
            Step::Sql(sql) => {
                let facts = plan.statements[sql.statement.0].facts.iter();
                tables.extend(facts.flat_map(|facts| &facts.locks).map(|lock| lock.table.clone()));
            }
            Step::Transaction(transaction) => tables.extend(tables_locked(plan, &transaction.steps)),
            Step::If { then, otherwise, .. } => {
                tables.extend(tables_locked(plan, then));
                tables.extend(tables_locked(plan, otherwise));
            }
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
                tables.extend(tables_locked(plan, steps));
            }
            Step::Http(_)
            | Step::Sleep(_)
            | Step::Think(_)
            | Step::Let(_)
            | Step::Check { .. }
            | Step::Barrier(_)
            | Step::Rollback => {}
        }
    }
    tables
}

/// The tables that a query names.
pub fn tables_named(sql: &str, dialect: Dialect) -> BTreeSet<String> {
    struct Named(BTreeSet<String>);
    impl Visitor for Named {
        type Break = std::convert::Infallible;
        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Self::Break> {
            self.0.insert(locks::table_name(name));
            ControlFlow::Continue(())
        }
    }
    let mut named = Named(BTreeSet::new());
    for statement in parse(sql, dialect).unwrap_or_default() {
        let ControlFlow::Continue(()) = statement.visit(&mut named);
    }
    named.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_tables_wherever_they_stand() {
        let sql =
            "SELECT (SELECT sum(stock) FROM products) + count(*) FROM Orders o JOIN shop.items i ON true";
        assert_eq!(
            tables_named(sql, Dialect::Postgres).into_iter().collect::<Vec<_>>(),
            ["items", "orders", "products"]
        );
        assert!(tables_named("nonsense", Dialect::Postgres).is_empty());
    }
}
