//! A small application on PostgreSQL with habits.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use deadheat::target::embedded::EmbeddedServer;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgPool, Postgres, pool::PoolConnection, postgres::PgPoolOptions,
};

use super::{
    service::{Service, answer},
    support::postgres_options,
};

/// What it does between two statements.
const THINKING: Duration = Duration::from_millis(20);
const DAYDREAM: Duration = Duration::from_millis(200);

/// How it goes about a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// READ COMMITTED, orders before trackers.
    Right,
    /// The level is set when the transaction has begun, for the next one.
    Late,
    /// Trackers before orders.
    Wrong,
    /// It does something else in the middle.
    Idle,
}

impl Habit {
    pub fn named(name: &str) -> Self {
        match name {
            "right" => Self::Right,
            "late" => Self::Late,
            "wrong" => Self::Wrong,
            "idle" => Self::Idle,
            other => panic!("no habit {other}"),
        }
    }
}

/// Starts it: `/right/ORDER` and the path of the habit are answered.
pub fn start(server: &EmbeddedServer, habit: Habit) -> Service {
    let options = postgres_options(server).application_name("till");
    Service::start(async move {
        let pool = PgPoolOptions::new().max_connections(6).connect_with(options).await.expect("a pool");
        Router::new().route("/{habit}/{order}", post(pay)).with_state(Arc::new((pool, habit)))
    })
}

async fn pay(
    State(state): State<Arc<(PgPool, Habit)>>,
    Path((habit, order)): Path<(String, i64)>,
) -> (StatusCode, String) {
    let (pool, known) = &*state;
    let habit = Habit::named(&habit);
    assert!(habit == Habit::Right || habit == *known);
    let mut connection = pool.acquire().await.expect("a connection");
    let outcome = transaction(&mut connection, habit, order).await;
    if outcome.is_err() {
        connection.execute("ROLLBACK").await.expect("rolled back");
    }
    answer(outcome)
}

async fn transaction(
    connection: &mut PoolConnection<Postgres>,
    habit: Habit,
    order: i64,
) -> Result<(), sqlx::Error> {
    let begin: &[&str] = match habit {
        Habit::Late => &["BEGIN", "SET default_transaction_isolation = 'read committed'"],
        _ => &["BEGIN ISOLATION LEVEL READ COMMITTED"],
    };
    let lock_order = format!("SELECT n FROM orders WHERE id = {order} FOR UPDATE");
    let lock_tracker = format!("SELECT n FROM trackers WHERE order_id = {order} FOR UPDATE");
    let write = format!("UPDATE trackers SET n = n + 1 WHERE order_id = {order}");
    let book = format!("INSERT INTO bookings (order_id) VALUES ({order})");
    let locks = match habit {
        Habit::Wrong => [lock_tracker, lock_order],
        // At REPEATABLE READ a row that another has changed can't be written.
        Habit::Late => [format!("SELECT n FROM orders WHERE id = {order}"), book.clone()],
        _ => [lock_order, lock_tracker],
    };
    for statement in begin {
        connection.execute(*statement).await?;
    }
    let mut statements = locks.to_vec();
    if habit != Habit::Late {
        statements.extend([write, book]);
    }
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut **connection).await?;
        tokio::time::sleep(if habit == Habit::Idle { DAYDREAM } else { THINKING }).await;
    }
    connection.execute("COMMIT").await?;
    if habit == Habit::Late {
        // As poolers do between one client and the next.
        connection.execute("RESET default_transaction_isolation").await?;
    }
    connection.ping().await
}
