//! Conformance: each cause is provoked on each real database, and the outcome, the retry and the state
//! afterwards are what they should be.

mod support;

use deadheat::{
    dialect::{Begin, Dialect},
    expression::Value,
    outcome::Cause,
    target::{Failure, Session, SessionSettings},
};
use support::{Program, block_on, databases, file, json, session, text};

const TABLES: &str = "
    CREATE TABLE parents (id integer PRIMARY KEY, n integer NOT NULL CHECK (n >= 0));
    CREATE TABLE children (id integer PRIMARY KEY, parent integer NOT NULL, FOREIGN KEY (parent) REFERENCES parents (id));
    INSERT INTO parents VALUES (1, 0), (2, 0);";

/// Every database with the tables in it, two sessions each.
fn on_each(test: impl AsyncFn(Dialect, Session, Session)) {
    for database in databases() {
        block_on(async {
            let (mut one, other) = (session(database.url()).await, session(database.url()).await);
            one.script(TABLES).await.expect("made");
            test(database.dialect(), one, other).await;
        });
    }
}

async fn fails(session: &mut Session, sql: &str) -> Failure {
    session.query(sql, &[]).await.expect_err(sql)
}

async fn n_of(session: &mut Session, id: i64) -> i64 {
    let sql = format!("SELECT n FROM parents WHERE id = {id}");
    session.query(&sql, &[]).await.expect("read").single().as_i64().expect("a number")
}

async fn update(session: &mut Session, id: i64) -> Result<(), Failure> {
    let sql = format!("UPDATE parents SET n = n + 1 WHERE id = {id}");
    session.query(&sql, &[]).await.map(drop)
}

#[test]
fn constraints_are_told_apart() {
    on_each(async |dialect, mut one, _| {
        for (sql, cause) in [
            ("INSERT INTO parents VALUES (1, 0)", Cause::Unique),
            ("INSERT INTO children VALUES (1, 99)", Cause::ForeignKey),
            ("INSERT INTO parents VALUES (3, -1)", Cause::Check),
        ] {
            let failure = fails(&mut one, sql).await;
            assert_eq!(failure.cause, cause, "{dialect:?}: {failure}");
            assert!(failure.code.is_some() && !one.is_lost());
        }
        one.query("INSERT INTO children VALUES (1, 1)", &[]).await.expect("made");
        assert_eq!(fails(&mut one, "DELETE FROM parents WHERE id = 1").await.cause, Cause::ForeignKey);
        let failure = fails(&mut one, "SELECT nothing FROM nowhere").await;
        assert!(matches!(failure.cause, Cause::Other(_)), "{failure}");
        let rows = one.query("SELECT count(*) FROM parents", &[]).await.expect("read");
        assert_eq!(rows.single().as_i64(), Some(2), "nothing of it stayed");
    });
}

#[test]
fn one_of_two_deadlocked_transactions_fails_and_is_rolled_back_whole() {
    on_each(async |dialect, mut one, mut other| {
        if dialect == Dialect::Sqlite {
            return;
        }
        for session in [&mut one, &mut other] {
            session.begin(None, Begin::Deferred).await.expect("begun");
        }
        update(&mut one, 1).await.expect("free");
        update(&mut other, 2).await.expect("free");
        let (first, second) = tokio::join!(update(&mut one, 2), update(&mut other, 1));
        let failed = [&first, &second].map(|result| result.as_ref().err().map(|failure| &failure.cause));
        let victims = failed.iter().filter(|cause| **cause == Some(&Cause::Deadlock)).count();
        assert_eq!(victims, 1, "{dialect:?}: {first:?}, {second:?}");
        for (session, result) in [(&mut one, first), (&mut other, second)] {
            match result {
                Ok(()) => session.commit().await.expect("committed"),
                Err(_) => session.rollback().await.expect("rolled back"),
            }
            assert!(!session.is_lost());
        }
        assert_eq!((n_of(&mut one, 1).await, n_of(&mut one, 2).await), (1, 1), "one transaction's worth");
    });
}

#[test]
fn a_lock_that_is_not_granted_in_time_is_a_lock_timeout_and_the_rest_can_be_rolled_back() {
    for database in databases() {
        block_on(async {
            let mut one = session(database.url()).await;
            one.script(TABLES).await.expect("made");
            let endpoint = deadheat::target::Endpoint::from_url(database.url()).expect("a URL");
            let settings = SessionSettings {
                lock_timeout: Some(std::time::Duration::from_millis(100)),
                ..SessionSettings::default()
            };
            let mut impatient = Session::connect(&endpoint, &settings).await.expect("a session");
            one.begin(None, Begin::Immediate).await.expect("begun");
            update(&mut one, 1).await.expect("free");
            let expected = match database.dialect() {
                Dialect::Postgres | Dialect::MySql => Cause::LockTimeout,
                Dialect::Sqlite => Cause::Busy,
            };
            if database.dialect() != Dialect::Sqlite {
                impatient.begin(None, Begin::Deferred).await.expect("begun");
                update(&mut impatient, 2).await.expect("free");
            }
            let failure = update(&mut impatient, 1).await.expect_err("locked");
            assert_eq!(failure.cause, expected, "{failure}");
            if database.dialect() == Dialect::MySql {
                // Only the statement was rolled back: the transaction is open, with its other change.
                assert_eq!(n_of(&mut impatient, 2).await, 1);
            }
            impatient.rollback().await.expect("rolled back");
            assert!(!impatient.is_lost());
            one.commit().await.expect("committed");
            assert_eq!((n_of(&mut impatient, 1).await, n_of(&mut impatient, 2).await), (1, 0));
        });
    }
}

#[test]
fn the_latest_deadlock_is_told_as_a_cycle_and_counted() {
    on_each(async |dialect, mut one, mut other| {
        if dialect != Dialect::MySql {
            assert_eq!(one.latest_deadlock().await.expect("asked"), None);
            return;
        }
        assert_eq!(one.latest_deadlock().await.expect("asked"), None, "none so far");
        let before = one.deadlocks_so_far().await.expect("asked").expect("counted");
        for session in [&mut one, &mut other] {
            session.begin(None, Begin::Deferred).await.expect("begun");
        }
        update(&mut one, 1).await.expect("free");
        update(&mut other, 2).await.expect("free");
        let _ = tokio::join!(update(&mut one, 2), update(&mut other, 1));
        let deadlock = one.latest_deadlock().await.expect("asked").expect("a deadlock");
        let mut threads: Vec<i32> = deadlock.transactions.iter().map(|one| one.thread).collect();
        threads.sort_unstable();
        assert_eq!(threads, [one.server_id(), other.server_id()]);
        for (index, transaction) in deadlock.transactions.iter().enumerate() {
            assert_eq!(transaction.blocked_by, Some(1 - index), "{deadlock:?}");
            let lock = transaction.waits_for.as_ref().expect("a lock");
            assert_eq!((lock.table.as_str(), lock.index.as_deref()), ("parents", Some("PRIMARY")));
            assert!(transaction.statement.starts_with("UPDATE parents"), "{}", transaction.statement);
        }
        assert!(deadlock.victim.is_some());
        assert_eq!(one.deadlocks_so_far().await.expect("asked"), Some(before + 1));
    });
}

/// Asks until the answer is this one.
async fn until_blocked(control: &mut Session, sessions: &[i32], expected: &[(i32, Vec<i32>)]) {
    let begun = std::time::Instant::now();
    loop {
        let blocked = control.blocked(sessions).await.expect("asked");
        let blocked: Vec<_> = blocked.into_iter().map(|one| (one.session, one.by)).collect();
        if blocked == expected {
            return;
        }
        assert!(begun.elapsed().as_secs() < 10, "{blocked:?} and not {expected:?}");
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_server_tells_who_is_blocked_by_whom() {
    for database in databases().into_iter().filter(|one| one.dialect() != Dialect::Sqlite) {
        block_on(async {
            let mut control = session(database.url()).await;
            control.script(TABLES).await.expect("made");
            let (mut one, mut other) = (session(database.url()).await, session(database.url()).await);
            let sessions = [one.server_id(), other.server_id()];
            one.begin(None, Begin::Deferred).await.expect("begun");
            update(&mut one, 1).await.expect("free");
            until_blocked(&mut control, &sessions, &[]).await;
            let waits = async { update(&mut other, 1).await.expect("granted in the end") };
            let looks = async {
                until_blocked(&mut control, &sessions, &[(sessions[1], vec![sessions[0]])]).await;
                until_blocked(&mut control, &sessions[..1], &[]).await;
                assert_eq!(one.count_blocked().await.expect("asked"), 1);
                one.commit().await.expect("committed");
            };
            tokio::join!(waits, looks);
            until_blocked(&mut control, &sessions, &[]).await;
        });
    }
}

#[test]
fn waits_beside_the_engine_are_seen_on_mysql() {
    for database in databases().into_iter().filter(|one| one.dialect() == Dialect::MySql) {
        block_on(async {
            let mut control = session(database.url()).await;
            let (mut one, mut other) = (session(database.url()).await, session(database.url()).await);
            let sessions = [one.server_id(), other.server_id()];
            one.query("SELECT GET_LOCK('door', 1)", &[]).await.expect("free");
            let waits = async { other.query("SELECT GET_LOCK('door', 20)", &[]).await.expect("granted") };
            let looks = async {
                until_blocked(&mut control, &sessions, &[(sessions[1], vec![])]).await;
                one.query("SELECT RELEASE_LOCK('door')", &[]).await.expect("released");
            };
            tokio::join!(waits, looks);
        });
    }
}

#[test]
fn nowait_is_a_lock_timeout() {
    on_each(async |dialect, mut one, mut other| {
        if dialect == Dialect::Sqlite {
            return;
        }
        one.begin(None, Begin::Deferred).await.expect("begun");
        update(&mut one, 1).await.expect("free");
        let failure = fails(&mut other, "SELECT n FROM parents WHERE id = 1 FOR UPDATE NOWAIT").await;
        assert_eq!(failure.cause, Cause::LockTimeout, "{dialect:?}: {failure}");
        one.rollback().await.expect("rolled back");
        update(&mut other, 1).await.expect("free again");
    });
}

#[test]
fn a_write_after_somebody_elses_is_a_serialization_failure_where_there_are_snapshots() {
    on_each(async |dialect, mut one, mut other| {
        let level = Some(deadheat::outcome::Isolation::RepeatableRead);
        if dialect == Dialect::MySql {
            // Only newer versions of MariaDB know it; off, the update goes through (a lost update).
            let set = one.script("SET SESSION innodb_snapshot_isolation = ON").await;
            if let Err(failure) = set {
                assert_eq!(failure.code.as_deref(), Some("1193"), "an unknown variable: {failure}");
                return;
            }
        }
        one.begin(level, Begin::Deferred).await.expect("begun");
        assert_eq!(n_of(&mut one, 1).await, 0);
        update(&mut other, 1).await.expect("free");
        let failure = update(&mut one, 1).await.expect_err("what was read isn't the newest");
        assert_eq!(failure.cause, Cause::Serialization, "{dialect:?}: {failure}");
        one.rollback().await.expect("rolled back");
        assert_eq!(n_of(&mut one, 1).await, 1);
    });
}

#[test]
fn sqlite_is_busy_when_somebody_writes() {
    on_each(async |dialect, mut one, mut other| {
        if dialect != Dialect::Sqlite {
            return;
        }
        one.script("PRAGMA busy_timeout = 20").await.expect("set");
        other.begin(None, Begin::Immediate).await.expect("begun");
        for begin in [Begin::Immediate, Begin::Deferred] {
            let failed = match one.begin(None, begin).await {
                Err(failure) => failure,
                Ok(_) => update(&mut one, 1).await.expect_err("busy"),
            };
            assert_eq!(
                (failed.cause.clone(), failed.code.as_deref()),
                (Cause::Busy, Some("5")),
                "{failed}"
            );
            one.rollback().await.expect("rolled back, or nothing was begun");
        }
        other.rollback().await.expect("rolled back");
        update(&mut one, 1).await.expect("free again");
    });
}

#[test]
fn a_killed_connection_is_lost() {
    on_each(async |dialect, mut one, mut other| {
        let sql = match dialect {
            Dialect::Postgres => format!("SELECT pg_terminate_backend({})", one.server_id()),
            Dialect::MySql => format!("KILL CONNECTION {}", one.server_id()),
            Dialect::Sqlite => return,
        };
        other.script(&sql).await.expect("killed");
        let failure = fails(&mut one, "SELECT 1").await;
        assert_eq!(failure.cause, Cause::Connection, "{dialect:?}: {failure}");
        assert!(failure.connection_lost && one.is_lost());
    });
}

#[test]
fn a_statement_that_takes_too_long_is_a_timeout() {
    for database in databases().into_iter().filter(|one| one.dialect() != Dialect::Sqlite) {
        block_on(async {
            let endpoint = deadheat::target::Endpoint::from_url(database.url()).expect("a URL");
            let settings = SessionSettings {
                statement_timeout: Some(std::time::Duration::from_millis(100)),
                ..SessionSettings::default()
            };
            let mut session = Session::connect(&endpoint, &settings).await.expect("a session");
            let sql = match database.dialect() {
                Dialect::Postgres => "SELECT pg_sleep(20)",
                // SLEEP() isn't a failure when it is interrupted.
                Dialect::MySql | Dialect::Sqlite => {
                    "SELECT count(*) FROM information_schema.collations a, information_schema.collations b,
                     information_schema.collations c, information_schema.collations d"
                }
            };
            let failure = fails(&mut session, sql).await;
            assert_eq!(failure.cause, Cause::Timeout, "{failure}");
            assert_eq!(session.query("SELECT 1", &[]).await.expect("alive").single().as_i64(), Some(1));
        });
    }
}

/// A retried operation on a database: the first attempt meets a lock, a later one doesn't.
#[test]
fn a_retry_after_a_lock_timeout_starts_from_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let tables = "CREATE TABLE log (what varchar(20) NOT NULL);
                  CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL);
                  INSERT INTO counters VALUES (1, 0);";
    for kind in ["mysql", "sqlite"] {
        file(folder.path(), &format!("migrations/{kind}/0001.sql"), tables);
    }
    let scenario = "version: 1
name: held
targets: {db: {database: embedded, migrations: migrations, lock_timeout: 1s, begin: immediate}}
retry: {on: [lock_timeout, busy], max_retries: 8, delay: 10ms, backoff: fixed}
operations:
  hold:
    steps:
      - transaction:
          steps:
            - sql: INSERT INTO log VALUES ('before')
            - sql: UPDATE counters SET n = n + 1 WHERE id = 1
            - sleep: 1200ms
load: {concurrency: 2, iterations: 2, release: together}
invariants:
  a_failed_attempt_leaves_nothing:
    sql: SELECT (SELECT count(*) FROM log) AS logged, (SELECT n FROM counters) AS n
    expect: logged == 2 and n == 2
";
    let path = file(folder.path(), "held.yaml", scenario);
    for target in ["db=embedded:mysql", "db=sqlite:"] {
        let result = folder.path().join("result.json");
        let program = Program::new();
        let arguments = ["run", "--quiet", text(&path), "--target", target, "--json", text(&result)];
        program.run(&arguments).expect_status(0);
        let document = json(&result);
        let totals = &document["totals"];
        assert_eq!((&totals["ok"], &totals["recovered"]), (&1.into(), &1.into()), "{target}: {totals}");
        let causes = &document["retries"]["attempts"][0]["causes"];
        let met = ["lock_timeout", "busy"].iter().any(|cause| causes[cause].as_u64() >= Some(1));
        assert!(met, "{target}: {causes}");
        assert_eq!(document["invariants"][0]["violated"], 0, "{target}: {}", document["invariants"]);
    }
}

#[test]
fn a_value_without_a_form_is_no_failure_of_the_database() {
    on_each(async |dialect, mut one, _| {
        let sql = format!("SELECT {}", dialect.placeholder(1));
        let failure = one.query(&sql, &[Value::from(1), Value::from(2)]).await.expect_err("too many");
        assert_eq!(failure.cause, Cause::Value, "{failure}");
        assert!(!one.is_lost());
    });
}
