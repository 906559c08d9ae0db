//! Logs as sessions write them, and what is found in them.

use super::*;
use crate::application::LoggedWait;

const ORDER: [&str; 2] = ["orders", "trackers"];
const LOCK_ORDER: &str = "SELECT 1 FROM orders WHERE id = 1 FOR UPDATE";
const LOCK_TRACKER: &str = "UPDATE trackers SET n = 1 WHERE id = 1";

fn recorder(dialect: Dialect) -> StatementLogRecorder {
    StatementLogRecorder::new(dialect, ORDER.map(str::to_owned).into(), true)
}

fn event(process: i32, transaction: Option<&str>, what: Logged) -> LoggedEvent {
    let transaction = transaction.map(str::to_owned);
    LoggedEvent { process, name: "shop".to_owned(), is_ours: false, transaction, what }
}

/// A session's statements in one transaction of PostgreSQL's.
fn run(recorder: &mut StatementLogRecorder, process: i32, transaction: &str, statements: &[&str]) {
    for text in statements {
        recorder.add(event(process, Some(transaction), Logged::Statement((*text).to_owned())));
    }
}

/// A session's statements, of MySQL.
fn run_mysql(recorder: &mut StatementLogRecorder, process: i32, statements: &[&str]) {
    for text in statements {
        recorder.add(event(process, None, Logged::Statement((*text).to_owned())));
    }
}

/// Transactions, judged ones and violating ones.
fn counts(recorder: StatementLogRecorder) -> (u64, u64, u64) {
    let results = recorder.finish().results.expect("statements were read");
    (results.transactions, results.judged, results.violating)
}

#[test]
fn a_violation_is_counted_once_for_a_transaction_with_both_statements() {
    let mut recorder = recorder(Dialect::Postgres);
    for number in ["3/1", "3/2"] {
        run(&mut recorder, 7, number, &["BEGIN", LOCK_TRACKER, LOCK_ORDER, LOCK_ORDER, "COMMIT"]);
    }
    run(&mut recorder, 7, "3/3", &["BEGIN", LOCK_ORDER, LOCK_TRACKER, LOCK_ORDER, "COMMIT"]);
    run(&mut recorder, 7, "3/4", &["SELECT 1"]);
    let StatementLogFindings { results, violations, .. } = recorder.finish();
    let results = results.expect("statements were read");
    assert_eq!((results.transactions, results.judged, results.violating), (3, 3, 2));
    let expected = LockOrderViolation {
        operation: "shop".to_owned(),
        step: "SELECT ? FROM orders WHERE id = ? FOR UPDATE".to_owned(),
        table: "orders".to_owned(),
        after: "trackers".to_owned(),
        after_step: Some("UPDATE trackers SET n = ? WHERE id = ?".to_owned()),
        count: 2,
    };
    assert_eq!(violations, [expected]);
}

#[test]
fn sessions_and_transactions_are_not_mixed_up() {
    let mut recorder = recorder(Dialect::Postgres);
    run(&mut recorder, 7, "3/1", &["BEGIN", LOCK_TRACKER]);
    run(&mut recorder, 8, "4/1", &["BEGIN", LOCK_ORDER]);
    run(&mut recorder, 7, "3/2", &[LOCK_ORDER]);
    run(&mut recorder, 8, "4/1", &[LOCK_TRACKER]);
    assert_eq!(counts(recorder), (3, 3, 0));
}

#[test]
fn what_is_ours_or_not_understood_is_not_judged() {
    let mut recorder = recorder(Dialect::Postgres);
    run(&mut recorder, 7, "3/1", &["BEGIN", LOCK_TRACKER, "CALL pay(1)", LOCK_ORDER]);
    for text in [LOCK_TRACKER, LOCK_ORDER] {
        let ours = event(9, Some("5/1"), Logged::Statement(text.to_owned()));
        recorder.add(LoggedEvent { is_ours: true, ..ours });
    }
    let results = recorder.finish().results.expect("statements were read");
    assert_eq!((results.transactions, results.judged, results.violating), (1, 0, 0));
    assert_eq!((results.statements, results.not_understood), (4, vec!["CALL pay(?)".to_owned()]));
}

#[test]
fn a_savepoint_gives_locks_back_on_postgres_alone() {
    let statements =
        ["BEGIN", "SAVEPOINT s", LOCK_TRACKER, "ROLLBACK TO SAVEPOINT s", LOCK_ORDER, "COMMIT"];
    let mut postgres = recorder(Dialect::Postgres);
    run(&mut postgres, 7, "3/1", &statements);
    assert_eq!(counts(postgres), (1, 1, 0));
    let mut mysql = recorder(Dialect::MySql);
    run_mysql(&mut mysql, 7, &statements);
    assert_eq!(counts(mysql), (1, 1, 1));
}

#[test]
fn mysql_transactions_are_told_apart_by_their_statements() {
    for (statements, expected) in [
        (&[LOCK_TRACKER, LOCK_ORDER][..], (2, 2, 0)),
        (&["BEGIN", LOCK_TRACKER, LOCK_ORDER], (1, 1, 1)),
        (&["BEGIN", LOCK_TRACKER, "COMMIT", LOCK_ORDER], (2, 2, 0)),
        (&["BEGIN", LOCK_TRACKER, "START TRANSACTION", LOCK_ORDER], (2, 2, 0)),
        (&["SET autocommit=0", LOCK_TRACKER, LOCK_ORDER, "COMMIT", LOCK_ORDER, LOCK_TRACKER], (2, 2, 1)),
        (&["BEGIN", LOCK_TRACKER, "CREATE TABLE t (a int)", LOCK_ORDER], (2, 2, 0)),
        (&["BEGIN", LOCK_ORDER, "COMMIT AND CHAIN", LOCK_TRACKER, LOCK_ORDER], (2, 2, 1)),
    ] {
        let mut recorder = recorder(Dialect::MySql);
        run_mysql(&mut recorder, 7, statements);
        assert_eq!(counts(recorder), expected, "{statements:?}");
    }
}

#[test]
fn what_is_under_way_where_the_log_has_a_gap_is_not_judged() {
    let mut recorder = recorder(Dialect::Postgres);
    run(&mut recorder, 7, "3/1", &["BEGIN", LOCK_TRACKER]);
    recorder.add(event(0, None, Logged::Gap));
    run(&mut recorder, 7, "3/1", &[LOCK_ORDER]);
    let results = recorder.finish().results.expect("statements were read");
    assert_eq!((results.violating, results.gaps), (0, 1));
}

/// A deadlock of sessions 7, the victim, and 8.
fn deadlock() -> Logged {
    let wait = |process, statement: &str| LoggedWait {
        process,
        statement: statement.to_owned(),
        mode: "ShareLock".to_owned(),
        table: None,
    };
    Logged::Deadlock(vec![wait(7, LOCK_ORDER), wait(8, LOCK_TRACKER)])
}

#[test]
fn a_deadlock_names_what_each_session_held_and_wanted() {
    let mut recorder = recorder(Dialect::Postgres);
    run(&mut recorder, 7, "3/1", &["BEGIN", LOCK_TRACKER, LOCK_ORDER]);
    run(&mut recorder, 8, "4/1", &["BEGIN", LOCK_ORDER, LOCK_TRACKER]);
    recorder.add(event(7, Some("3/1"), deadlock()));
    let findings = recorder.finish();
    assert_eq!(findings.results.map(|results| results.deadlocks), Some(1));
    assert_eq!(shown(&findings.deadlocks), EXPLAINED);
}

#[test]
fn a_deadlock_that_is_told_late_finds_the_transactions_that_have_ended() {
    let mut recorder = recorder(Dialect::MySql);
    run_mysql(&mut recorder, 7, &["BEGIN", LOCK_TRACKER]);
    run_mysql(&mut recorder, 8, &["BEGIN", LOCK_ORDER, LOCK_TRACKER, "COMMIT"]);
    run_mysql(&mut recorder, 7, &[LOCK_ORDER, "ROLLBACK"]);
    run_mysql(&mut recorder, 8, &["BEGIN", "DELETE FROM trackers", "COMMIT"]);
    recorder.add(event(7, None, deadlock()));
    assert_eq!(shown(&recorder.finish().deadlocks), EXPLAINED);
}

#[test]
fn without_an_order_deadlocks_are_told_by_the_statements_that_waited() {
    let mut recorder = StatementLogRecorder::new(Dialect::Postgres, Vec::new(), false);
    recorder.add(event(7, Some("3/1"), deadlock()));
    let findings = recorder.finish();
    assert_eq!(findings.results, None);
    assert_eq!(
        shown(&findings.deadlocks),
        "shop: ? -> orders with SELECT ? FROM orders WHERE id = ? FOR UPDATE; application: ? -> trackers with UPDATE trackers SET n = ? WHERE id = ?"
    );
}

const EXPLAINED: &str = "shop: trackers -> orders with SELECT ? FROM orders WHERE id = ? FOR UPDATE; shop: orders -> trackers with UPDATE trackers SET n = ? WHERE id = ?";

/// `WHO: HELD -> WANTED with STATEMENT`, of the only cycle.
fn shown(deadlocks: &DeadlockRecorder) -> String {
    let cycles = deadlocks.results_in(&[], &[]).cycles;
    assert_eq!(cycles.len(), 1);
    let parties = cycles[0].parties.iter().map(|party| {
        let held = party.held.as_ref().map_or("?", |held| held.table.as_str());
        let wanted = party.wanted.as_ref().map_or("?", |wanted| wanted.table.as_str());
        format!("{}: {held} -> {wanted} with {}", party.operation, party.step)
    });
    let mut parties: Vec<String> = parties.collect();
    parties.sort_by_key(|party| !party.contains("orders with"));
    parties.join("; ")
}
