//! A small application on MySQL or MariaDB with habits.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use sqlx::{AssertSqlSafe, Executor, MySql, MySqlPool, mysql::MySqlPoolOptions, pool::PoolConnection};

use super::service::{Service, answer};

/// What it does between two statements: longer than the engine shows the same.
const THINKING: Duration = Duration::from_millis(60);
const DAYDREAM: Duration = Duration::from_millis(400);

/// Starts it: `/HABIT/ORDER` is answered.
pub fn start(database: &str) -> Service {
    let url = database.to_owned();
    Service::start(async move {
        let pool = MySqlPoolOptions::new().max_connections(6).connect(&url).await.expect("a pool");
        Router::new().route("/{habit}/{order}", post(pay)).with_state(Arc::new(pool))
    })
}

async fn pay(
    State(pool): State<Arc<MySqlPool>>,
    Path((habit, order)): Path<(String, i64)>,
) -> (StatusCode, String) {
    let mut connection = pool.acquire().await.expect("a connection");
    let outcome = transaction(&mut connection, &habit, order).await;
    if outcome.is_err() {
        connection.execute("ROLLBACK").await.expect("rolled back");
    }
    answer(outcome)
}

/// Statements of a habit, one after the other; `…` is where it thinks.
fn statements(habit: &str) -> &'static [&'static str] {
    match habit {
        // The level is asked for before the transaction begins.
        "right" => &[
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "START TRANSACTION",
            "SELECT n FROM orders WHERE id = ORDER FOR UPDATE",
            "…",
            "SELECT n FROM trackers WHERE order_id = ORDER FOR UPDATE",
            "…",
            "UPDATE trackers SET n = n + 1 WHERE order_id = ORDER",
            "INSERT INTO bookings (order_id) VALUES (ORDER)",
            "COMMIT",
        ],
        // The level is asked for when the transaction has begun: it is the next one's. A pooler puts it back.
        "late" => &[
            "START TRANSACTION",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "INSERT INTO bookings (order_id) VALUES (ORDER)",
            "…",
            "…",
            "COMMIT",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        ],
        // A function that begins a transaction is called within one: that one is committed, and its level
        // with it.
        "nested" => &[
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "START TRANSACTION",
            "INSERT INTO bookings (order_id) VALUES (ORDER)",
            "START TRANSACTION",
            "INSERT INTO bookings (order_id) VALUES (ORDER)",
            "…",
            "…",
            "COMMIT",
            "COMMIT",
        ],
        // It trusts the session's level.
        "trusting" => &[
            "START TRANSACTION",
            "SELECT n FROM orders WHERE id = ORDER",
            "…",
            "…",
            "INSERT INTO bookings (order_id) VALUES (ORDER)",
            "COMMIT",
        ],
        // It needs another level, sets it for its session, and gives the connection back to the pool.
        "leaking" => &["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        // Trackers before orders.
        "wrong" => &[
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "START TRANSACTION",
            "SELECT n FROM trackers WHERE order_id = ORDER FOR UPDATE",
            "…",
            "SELECT n FROM orders WHERE id = ORDER FOR UPDATE",
            "…",
            "COMMIT",
        ],
        // It does something else in the middle.
        "idle" => &[
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "START TRANSACTION",
            "SELECT n FROM orders WHERE id = ORDER FOR UPDATE",
            "… …",
            "COMMIT",
        ],
        other => panic!("no habit {other}"),
    }
}

async fn transaction(
    connection: &mut PoolConnection<MySql>,
    habit: &str,
    order: i64,
) -> Result<(), sqlx::Error> {
    for statement in statements(habit) {
        match *statement {
            "…" => tokio::time::sleep(THINKING).await,
            "… …" => tokio::time::sleep(DAYDREAM).await,
            statement => {
                let text = statement.replace("ORDER)", &format!("{order})"));
                let text = text.replace("= ORDER", &format!("= {order}"));
                connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
            }
        }
    }
    Ok(())
}
