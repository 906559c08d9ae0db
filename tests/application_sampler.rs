//! What a single look at the application's sessions tells, transaction by transaction.

mod support;

#[path = "watching/driver.rs"]
mod driver;

use std::collections::BTreeSet;

use deadheat::{
    application::ApplicationTransaction,
    outcome::LevelEvidence,
    target::{
        ApplicationSample, ApplicationSampler, Endpoint, Session, SessionSettings, application_sessions,
        embedded::EmbeddedServer,
    },
};
use driver::Driver;
use sqlx::{ConnectOptions, Executor, PgConnection};
use support::{block_on, postgres_options, server, sql, value};

const ORDER: [&str; 3] = ["orders", "trackers", "bookings"];
const TABLES: &str = "
    CREATE TABLE orders (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
    CREATE TABLE trackers (id bigint PRIMARY KEY, order_id bigint REFERENCES orders (id), n bigint NOT NULL DEFAULT 0);
    CREATE TABLE bookings (id bigint PRIMARY KEY, order_id bigint REFERENCES orders (id));
    INSERT INTO orders (id) VALUES (1), (2);
    INSERT INTO trackers (id, order_id) VALUES (1, 1), (2, 2);";

struct Watcher {
    session: Session,
    sampler: ApplicationSampler,
}

impl Watcher {
    async fn new(server: &EmbeddedServer) -> Self {
        let endpoint = Endpoint::from_url(&server.url()).expect("a URL");
        let settings = SessionSettings {
            application_name: "deadheat-watch/test".to_owned(),
            ..SessionSettings::default()
        };
        let mut session = Session::connect(&endpoint, &settings).await.expect("a session");
        let order = ORDER.map(String::from);
        let sampler = ApplicationSampler::prepare(&mut session, &order).await.expect("prepared");
        let sampler = sampler.expect("PostgreSQL tells");
        Self { session, sampler }
    }

    async fn sample(&mut self) -> ApplicationSample {
        self.sampler.sample(&mut self.session).await.expect("a sample").expect("always new")
    }

    /// The transaction of the session with this name.
    async fn transaction(&mut self, name: &str) -> ApplicationTransaction {
        let sample = self.sample().await;
        let found = sample.sessions.into_iter().find(|session| session.name == name);
        found.and_then(|session| session.transaction).expect("it is in a transaction")
    }

    /// Asks until the session waits.
    async fn waiting(&mut self, name: &str) -> ApplicationTransaction {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
        );
        for _ in 0..2000 {
            let rows = self.session.query(&sql, &[]).await.expect("an answer");
            if rows.single().as_i64() == Some(1) {
                return self.transaction(name).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{name} never waited");
    }
}

async fn connect(server: &EmbeddedServer, name: &str) -> PgConnection {
    postgres_options(server).application_name(name).connect().await.expect("a connection")
}

async fn run(connection: &mut PgConnection, statements: &[&'static str]) {
    for statement in statements {
        connection.execute(*statement).await.expect("it runs");
    }
}

fn places(places: &[usize]) -> BTreeSet<usize> {
    places.iter().copied().collect()
}

#[test]
fn levels_are_told_by_what_a_transaction_holds() {
    let server = server(&[], 20);
    sql(&server, TABLES);
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        for (statements, expected) in [
            (&["BEGIN"][..], None),
            (&["BEGIN ISOLATION LEVEL SERIALIZABLE", "SET lock_timeout = '1s'"], None),
            (&["BEGIN", "LOCK TABLE orders"], None),
            (&["BEGIN", "SELECT * FROM orders"], Some(LevelEvidence::ReadCommitted)),
            (
                &["BEGIN", "SELECT * FROM orders WHERE id = 1 FOR UPDATE"],
                Some(LevelEvidence::ReadCommitted),
            ),
            (
                &["BEGIN ISOLATION LEVEL READ UNCOMMITTED", "UPDATE orders SET n = 1 WHERE id = 1"],
                Some(LevelEvidence::ReadCommitted),
            ),
            // What returns rows may keep its snapshot at any level.
            (&["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM orders"], None),
            (&["BEGIN ISOLATION LEVEL REPEATABLE READ", "UPDATE orders SET n = 1 RETURNING n"], None),
            (
                &["BEGIN ISOLATION LEVEL REPEATABLE READ", "INSERT INTO orders VALUES (10)"],
                Some(LevelEvidence::SnapshotHeld),
            ),
            (
                &[
                    "BEGIN ISOLATION LEVEL REPEATABLE READ",
                    "SELECT * FROM orders WHERE id = 1",
                    "UPDATE orders SET n = 1 WHERE id = 1",
                ],
                Some(LevelEvidence::RepeatableRead),
            ),
            (
                &["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT * FROM orders"],
                Some(LevelEvidence::Serializable),
            ),
            (
                &["BEGIN ISOLATION LEVEL SERIALIZABLE", "UPDATE orders SET n = 1 WHERE id = 1"],
                Some(LevelEvidence::Serializable),
            ),
            (
                &["BEGIN ISOLATION LEVEL SERIALIZABLE", "INSERT INTO orders VALUES (10)"],
                Some(LevelEvidence::SnapshotHeld),
            ),
            // A cursor is why a held snapshot alone doesn't prove a level: nothing else tells it from one.
            (
                &[
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT * FROM orders",
                    "FETCH 1 FROM c",
                    "INSERT INTO orders VALUES (10)",
                ],
                Some(LevelEvidence::RepeatableRead),
            ),
        ] {
            let mut till = connect(&server, "till").await;
            run(&mut till, statements).await;
            let transaction = watcher.transaction("till").await;
            assert_eq!(transaction.level, expected, "{statements:?}");
            assert!(
                transaction.idle_ms.is_some() && transaction.age_ms >= transaction.idle_ms.unwrap_or(0.0)
            );
            run(&mut till, &["ROLLBACK"]).await;
            sqlx::Connection::close(till).await.expect("closed");
        }
    });
}

/// Most drivers leave what returned rows open until their next statement, and with it a snapshot.
#[test]
fn what_a_driver_leaves_open_is_no_higher_level() {
    let server = server(&[], 20);
    sql(&server, TABLES);
    let holds_snapshot = || {
        let query = "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE application_name = 'till'";
        value(&server, query) == "true"
    };
    let mut till = Driver::connect(&server, "till");
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        for (statement, held, expected) in [
            ("BEGIN", false, None),
            ("SELECT * FROM orders WHERE id = 1 FOR UPDATE", true, None),
            ("UPDATE orders SET n = 1 WHERE id = 1 RETURNING n", true, None),
            ("UPDATE orders SET n = 1 WHERE id = 1", false, Some(LevelEvidence::ReadCommitted)),
            ("SELECT 1", true, None),
        ] {
            till.execute(statement);
            assert_eq!(watcher.transaction("till").await.level, expected, "{statement}");
            assert_eq!(
                std::thread::scope(|scope| scope.spawn(holds_snapshot).join().expect("an answer")),
                held,
                "{statement}"
            );
        }
    });
}

/// Noted reads outlive their transaction while another serializable one is under way.
#[test]
fn the_reads_of_the_transaction_before_tell_nothing() {
    let server = server(&[], 20);
    sql(&server, TABLES);
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        let mut other = connect(&server, "other").await;
        run(&mut other, &["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT * FROM orders"]).await;
        let mut till = connect(&server, "till").await;
        let before = ["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT * FROM orders", "COMMIT"];
        run(&mut till, &before).await;
        run(&mut till, &["BEGIN", "SELECT * FROM orders"]).await;
        assert_eq!(watcher.transaction("till").await.level, Some(LevelEvidence::ReadCommitted));
    });
}

#[test]
fn what_a_foreign_key_locks_is_doubtful() {
    let server = server(&[], 20);
    sql(&server, TABLES);
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        let mut till = connect(&server, "till").await;
        run(&mut till, &["BEGIN", "INSERT INTO bookings VALUES (1, 1)"]).await;
        let inserted = watcher.transaction("till").await;
        assert_eq!((inserted.locked, inserted.doubtful), (places(&[2]), places(&[0])));
        run(&mut till, &["ROLLBACK", "BEGIN", "SELECT * FROM trackers FOR UPDATE"]).await;
        let locked = watcher.transaction("till").await;
        assert_eq!((locked.locked, locked.doubtful), (places(&[1]), places(&[])));
        run(&mut till, &["ROLLBACK", "BEGIN", "SELECT * FROM orders"]).await;
        assert_eq!(watcher.transaction("till").await.locked, places(&[]), "reading locks nothing");
    });
}

#[test]
fn who_waits_tells_what_it_holds_and_what_it_wants() {
    let server = server(&[], 20);
    sql(&server, TABLES);
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        let mut holder = connect(&server, "holder").await;
        run(&mut holder, &["BEGIN", "SELECT * FROM orders WHERE id = 1 FOR UPDATE"]).await;
        for (first, then, waits_for, earlier) in [
            (
                "SELECT * FROM trackers WHERE id = 1 FOR UPDATE",
                "SELECT * FROM orders WHERE id = 1 FOR UPDATE",
                Some(0),
                places(&[1]),
            ),
            (
                "SELECT 1",
                "SELECT * FROM trackers t JOIN orders o ON o.id = t.order_id WHERE o.id = 1 FOR UPDATE",
                Some(0),
                places(&[]),
            ),
            // The foreign key waits for the order, not the application.
            ("SELECT 1", "INSERT INTO bookings VALUES (1, 1)", None, places(&[])),
        ] {
            let mut till = connect(&server, "till").await;
            run(&mut till, &["BEGIN", first]).await;
            let waiting = tokio::spawn(async move {
                till.execute(then).await.expect("it runs when the holder lets go");
                till
            });
            let seen = watcher.waiting("till").await;
            assert_eq!((seen.waits_for, seen.locked_earlier), (waits_for, earlier), "{then}");
            run(&mut holder, &["ROLLBACK", "BEGIN", "SELECT * FROM orders WHERE id = 2 FOR UPDATE"]).await;
            let mut till = waiting.await.expect("it ended");
            run(&mut till, &["ROLLBACK"]).await;
            sqlx::Connection::close(till).await.expect("closed");
            run(&mut holder, &["SELECT * FROM orders WHERE id = 1 FOR UPDATE"]).await;
        }
    });
}

#[test]
fn only_the_application_is_looked_at() {
    let server = server(&[], 20);
    block_on(async {
        let mut watcher = Watcher::new(&server).await;
        let _worker = connect(&server, "deadheat/run/w1").await;
        assert_eq!(watcher.sample().await, ApplicationSample::default());
        assert_eq!(application_sessions(&mut watcher.session).await.expect("a count"), 0);
        let _till = connect(&server, "").await;
        assert_eq!(watcher.sample().await.sessions.len(), 1);
        assert_eq!(application_sessions(&mut watcher.session).await.expect("a count"), 1);
    });
}
