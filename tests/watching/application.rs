//! A small application with habits, on a port of its own.

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
use tokio::{net::TcpListener, runtime::Runtime};

use super::support::postgres_options;

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

/// It ends with this value.
pub struct Application {
    runtime: Option<Runtime>,
    port: u16,
}

impl Application {
    /// Starts it: `/right/ORDER` and the path of the habit are answered.
    pub fn start(server: &EmbeddedServer, habit: Habit) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let options = postgres_options(server).application_name("till");
        let port = runtime.block_on(async move {
            let pool = PgPoolOptions::new().max_connections(6).connect_with(options).await.expect("a pool");
            let app =
                Router::new().route("/{habit}/{order}", post(pay)).with_state(Arc::new((pool, habit)));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            tokio::spawn(async move { axum::serve(listener, app).await });
            port
        });
        Self { runtime: Some(runtime), port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn pay(
    State(state): State<Arc<(PgPool, Habit)>>,
    Path((habit, order)): Path<(String, i64)>,
) -> (StatusCode, String) {
    let (pool, known) = &*state;
    let habit = Habit::named(&habit);
    assert!(habit == Habit::Right || habit == *known);
    let mut connection = pool.acquire().await.expect("a connection");
    match transaction(&mut connection, habit, order).await {
        Ok(()) => (StatusCode::OK, "done".to_owned()),
        Err(error) => {
            connection.execute("ROLLBACK").await.expect("rolled back");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    }
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
