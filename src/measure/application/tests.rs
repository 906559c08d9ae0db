//! Transactions, sample by sample.

use super::*;

fn recorder(isolation: Option<Isolation>) -> ApplicationRecorder {
    let lock_order = ["orders", "trackers", "bookings"].map(String::from).to_vec();
    ApplicationRecorder::new(ApplicationRules { isolation, lock_order })
}

fn transaction(begun: &str) -> ApplicationTransaction {
    ApplicationTransaction {
        begun: begun.to_owned(),
        statement: "SELECT 1".to_owned(),
        ..ApplicationTransaction::default()
    }
}

fn add(recorder: &mut ApplicationRecorder, transaction: ApplicationTransaction) {
    let seen = ApplicationSession { process: 7, name: "shop".to_owned(), transaction: Some(transaction) };
    recorder.add(vec![seen], Duration::from_millis(1), Duration::from_millis(30));
}

fn locked(places: &[usize]) -> ApplicationTransaction {
    ApplicationTransaction { locked: places.iter().copied().collect(), ..transaction("a") }
}

fn level(declared: Option<Isolation>, evidence: &[LevelEvidence]) -> Option<Isolation> {
    let mut recorder = recorder(declared);
    for level in evidence {
        add(&mut recorder, ApplicationTransaction { level: Some(*level), ..transaction("a") });
    }
    recorder.finish().isolation.first().map(|one| one.in_force)
}

#[test]
fn levels_are_told_from_all_samples_of_a_transaction() {
    use Isolation::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};
    use LevelEvidence as Seen;
    assert_eq!(level(Some(ReadCommitted), &[Seen::ReadCommitted]), Some(ReadCommitted));
    assert_eq!(level(Some(ReadUncommitted), &[Seen::ReadCommitted]), Some(ReadUncommitted));
    assert_eq!(level(Some(ReadCommitted), &[Seen::SnapshotHeld]), Some(RepeatableRead));
    assert_eq!(level(Some(Serializable), &[Seen::SnapshotHeld]), None, "it may well be serializable");
    assert_eq!(level(Some(RepeatableRead), &[Seen::SnapshotHeld]), None);
    assert_eq!(level(None, &[Seen::SnapshotHeld]), None);
    assert_eq!(level(Some(Serializable), &[Seen::RepeatableRead]), Some(RepeatableRead));
    assert_eq!(level(None, &[Seen::RepeatableRead, Seen::Serializable]), Some(Serializable));
    let cursor_closed = [Seen::SnapshotHeld, Seen::ReadCommitted];
    assert_eq!(level(Some(ReadCommitted), &cursor_closed), Some(ReadCommitted));
}

#[test]
fn a_cursor_makes_a_held_snapshot_worthless() {
    let mut recorder = recorder(Some(Isolation::ReadCommitted));
    let statement = "FETCH 10 FROM c".to_owned();
    let level = Some(LevelEvidence::SnapshotHeld);
    add(&mut recorder, ApplicationTransaction { level, statement, ..transaction("a") });
    let found = recorder.finish();
    assert!(found.isolation.is_empty());
    assert!(
        found.results.unknown.iter().any(|why| why.contains("a cursor")),
        "{:?}",
        found.results.unknown
    );
}

#[test]
fn a_table_that_appears_later_was_locked_later() {
    let mut recorder = recorder(None);
    add(&mut recorder, locked(&[1]));
    add(
        &mut recorder,
        ApplicationTransaction { statement: "SELECT 5 FROM orders /* refund */".into(), ..locked(&[0, 1]) },
    );
    add(&mut recorder, locked(&[0, 1]));
    add(&mut recorder, ApplicationTransaction { begun: "b".to_owned(), ..locked(&[0, 1]) });
    let found = recorder.finish();
    assert_eq!((found.results.transactions, found.results.orders_told), (2, 1));
    let violation = &found.violations[0];
    assert_eq!(
        (violation.table.as_str(), violation.after.as_str(), violation.count),
        ("orders", "trackers", 1)
    );
    assert_eq!((violation.operation.as_str(), violation.step.as_str()), ("refund", "SELECT ? FROM orders"));
}

#[test]
fn the_declared_order_is_no_violation_and_neither_is_a_doubtful_one() {
    let mut right = recorder(None);
    add(&mut right, locked(&[0]));
    add(&mut right, locked(&[0, 2]));
    let found = right.finish();
    assert_eq!((found.results.orders_told, found.violations.len()), (1, 0));
    let mut doubtful = recorder(None);
    add(&mut doubtful, ApplicationTransaction { doubtful: [0].into(), ..locked(&[2]) });
    add(&mut doubtful, locked(&[0, 2]));
    let found = doubtful.finish();
    assert_eq!((found.results.orders_told, found.violations.len()), (0, 0), "orders may have been first");
}

#[test]
fn who_holds_one_table_and_waits_for_another_has_an_order() {
    let waiting = |table, earlier: &[usize]| ApplicationTransaction {
        waits_for: Some(table),
        locked_earlier: earlier.iter().copied().collect(),
        ..locked(&[0, 1])
    };
    let mut wrong = recorder(None);
    add(&mut wrong, waiting(0, &[1]));
    assert_eq!(wrong.finish().violations.len(), 1);
    let mut right = recorder(None);
    add(&mut right, waiting(1, &[0]));
    let found = right.finish();
    assert_eq!((found.results.orders_told, found.violations.len()), (1, 0));
    let mut same_statement = recorder(None);
    add(&mut same_statement, waiting(0, &[]));
    assert_eq!(same_statement.finish().results.orders_told, 0);
}

#[test]
fn what_the_server_hides_is_said() {
    let mut hidden = recorder(None);
    hidden.add(
        vec![ApplicationSession { process: 1, ..ApplicationSession::default() }],
        Duration::ZERO,
        Duration::ZERO,
    );
    hidden.unseen(1, 0);
    let results = hidden.finish().results;
    assert_eq!((results.sessions, results.transactions), (1, 0));
    assert!(results.unknown[0].contains("pg_read_all_stats"), "{:?}", results.unknown);
}

#[test]
fn times_are_the_longest_seen() {
    let mut recorder = recorder(None);
    add(&mut recorder, ApplicationTransaction { age_ms: 50.0, idle_ms: Some(20.0), ..transaction("a") });
    add(&mut recorder, ApplicationTransaction { age_ms: 90.0, ..transaction("a") });
    let results = recorder.finish().results;
    assert_eq!((results.longest_transaction_ms, results.longest_idle_ms), (90.0, 20.0));
    assert_eq!((results.samples, results.interval_ms, results.sample_ms), (2, 30.0, 1.0));
}
