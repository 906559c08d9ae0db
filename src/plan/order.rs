//! Lock order, checked before anything runs.
//!
//! Each transaction is followed in the order of its steps, both sides of every `if` in turn. A
//! step that locks a table after one that comes later in the declared order is a warning here;
//! the run counts how often it really happens.

use super::{
    model::{Operation, Statement, Step},
    scope::Scope,
};

/// The tables that a transaction has locked so far, as positions in the declared order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocksHeld(u64);

impl LocksHeld {
    /// Tables beyond this many in a declared order aren't followed.
    pub const MOST_TABLES: usize = 64;

    /// Locks a table. Returns the position of the table that should have been locked later, when
    /// there is one and this is the first lock on the table.
    pub fn lock(&mut self, rank: usize) -> Option<usize> {
        if rank >= Self::MOST_TABLES || self.0 & (1 << rank) != 0 {
            return None;
        }
        let latest = (self.0 != 0).then(|| 63 - self.0.leading_zeros() as usize);
        self.0 |= 1 << rank;
        latest.filter(|latest| *latest > rank)
    }
}

/// Warns of every step of a transaction that locks against the declared order.
pub(super) fn check(scope: &mut Scope<'_>, operations: &[Option<Operation>]) {
    if scope.lock_order.len() > LocksHeld::MOST_TABLES {
        let span = scope.loaded.file.name.span.clone();
        scope.error(&span, format!("a lock order of more than {} tables", LocksHeld::MOST_TABLES), None);
    }
    let mut found = Vec::new();
    for operation in operations.iter().flatten() {
        for transaction in transactions(&operation.steps) {
            follow(transaction, &scope.statements, LocksHeld::default(), &mut found);
        }
    }
    found.sort_unstable();
    found.dedup();
    for (statement, table, after) in found {
        let Statement { operation, step, span, .. } = &scope.statements[statement];
        let message = format!(
            "`{}` is locked after `{}`, against the declared lock order (operation {operation}, {step})",
            scope.lock_order[table], scope.lock_order[after],
        );
        let span = span.clone();
        scope.warning(
            &span,
            message,
            Some(format!("the declared order is {}", scope.lock_order.join(", "))),
        );
    }
}

fn transactions(steps: &[Step]) -> Vec<&[Step]> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Transaction(transaction) => found.push(transaction.steps.as_slice()),
            Step::If { then, otherwise, .. } => {
                found.extend(transactions(then));
                found.extend(transactions(otherwise));
            }
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } | Step::Gate { steps, .. } => {
                found.extend(transactions(steps));
            }
            _ => {}
        }
    }
    found
}

/// Returns what is held after the steps.
fn follow(
    steps: &[Step],
    statements: &[Statement],
    mut held: LocksHeld,
    found: &mut Vec<(usize, usize, usize)>,
) -> LocksHeld {
    for step in steps {
        match step {
            Step::Sql(sql) => {
                for rank in &statements[sql.statement.0].lock_ranks {
                    if let Some(after) = held.lock(*rank) {
                        found.push((sql.statement.0, *rank, after));
                    }
                }
            }
            Step::If { then, otherwise, .. } => {
                let one = follow(then, statements, held, found);
                let other = follow(otherwise, statements, held, found);
                held = LocksHeld(one.0 | other.0);
            }
            // Twice: the second round meets what the first one locked.
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } => {
                held = follow(steps, statements, held, found);
                held = follow(steps, statements, held, found);
            }
            _ => {}
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_first_lock_after_a_later_table_is_against_the_order() {
        let mut held = LocksHeld::default();
        assert_eq!(held.lock(1), None);
        assert_eq!(held.lock(2), None);
        assert_eq!(held.lock(0), Some(2));
        assert_eq!(held.lock(0), None, "locked already");
        assert_eq!(held.lock(1), None, "locked already");
        assert_eq!(held.lock(63), None);
        assert_eq!(held.lock(5), Some(63));
    }
}
