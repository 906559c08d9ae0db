//! Which of a transaction's table locks the application itself took.
//!
//! A foreign key makes the server look at rows of another table, under a `RowShareLock` that looks like a
//! `SELECT … FOR UPDATE` of the application's. Such a lock is told apart by the tables that the
//! transaction has written: without a write on the other end of a key, nobody but the application takes it.

use std::collections::{BTreeMap, BTreeSet};

/// Tables of the declared order and the foreign keys of the database.
#[derive(Debug, Default)]
pub(super) struct OrderedTables {
    /// Place in the declared order, by the table's OID. Partitions have the place of their root.
    pub ranks: BTreeMap<i64, usize>,
    /// Names, by place.
    pub names: Vec<String>,
    /// Each foreign key as (referring table, table that it refers to).
    pub foreign_keys: Vec<(i64, i64)>,
}

/// Table locks of one transaction, by OID.
#[derive(Debug, Default)]
pub(super) struct TableLocks {
    /// `RowShareLock`: rows locked by a select, or looked at for a foreign key.
    pub shared: Vec<i64>,
    /// `RowExclusiveLock` and stronger: rows written, or the table locked.
    pub exclusive: Vec<i64>,
}

/// Places in the declared order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ranked {
    /// The application locked these.
    pub sure: BTreeSet<usize>,
    /// The application or a foreign key did.
    pub doubtful: BTreeSet<usize>,
}

impl OrderedTables {
    pub fn rank(&self, locks: &TableLocks) -> Ranked {
        let rank = |table: &i64| self.ranks.get(table).copied();
        let sure: BTreeSet<usize> = locks.exclusive.iter().filter_map(rank).collect();
        let mut ranked = Ranked { sure, doubtful: BTreeSet::new() };
        for table in &locks.shared {
            let Some(place) = rank(table) else { continue };
            if self.is_the_applications(*table, &locks.exclusive) {
                ranked.sure.insert(place);
            } else {
                ranked.doubtful.insert(place);
            }
        }
        let Ranked { sure, doubtful } = &mut ranked;
        doubtful.retain(|place| !sure.contains(place));
        ranked
    }

    /// Both ends of a key: an insert looks at the table that it refers to, a delete at those that refer to it.
    fn is_the_applications(&self, shared: i64, written: &[i64]) -> bool {
        !self.foreign_keys.iter().any(|(from, to)| {
            (*to == shared && written.contains(from)) || (*from == shared && written.contains(to))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: i64 = 20_001;
    const TRACKERS: i64 = 20_002;
    const BOOKINGS: i64 = 20_003;
    const EVENTS: i64 = 20_004;

    /// Trackers and bookings refer to orders; events are in no order.
    fn tables() -> OrderedTables {
        OrderedTables {
            ranks: [(ORDERS, 0), (TRACKERS, 1), (BOOKINGS, 2)].into(),
            names: ["orders", "trackers", "bookings"].map(String::from).to_vec(),
            foreign_keys: vec![(TRACKERS, ORDERS), (BOOKINGS, ORDERS)],
        }
    }

    fn ranked(shared: &[i64], exclusive: &[i64]) -> (Vec<usize>, Vec<usize>) {
        let locks = TableLocks { shared: shared.to_vec(), exclusive: exclusive.to_vec() };
        let Ranked { sure, doubtful } = tables().rank(&locks);
        (sure.into_iter().collect(), doubtful.into_iter().collect())
    }

    #[test]
    fn a_lock_that_a_foreign_key_may_have_taken_is_doubtful() {
        assert_eq!(ranked(&[TRACKERS], &[]), (vec![1], vec![]), "nothing was written yet");
        assert_eq!(ranked(&[TRACKERS], &[EVENTS]), (vec![1], vec![]), "no key between them");
        assert_eq!(ranked(&[ORDERS], &[BOOKINGS]), (vec![2], vec![0]), "an insert looks at its order");
        assert_eq!(ranked(&[TRACKERS], &[ORDERS]), (vec![0], vec![1]), "a delete looks at trackers");
        assert_eq!(ranked(&[ORDERS], &[ORDERS, BOOKINGS]), (vec![0, 2], vec![]), "written as well");
        assert_eq!(ranked(&[EVENTS], &[EVENTS]), (vec![], vec![]), "not in the order");
    }
}
