//! A small web shop with payment webhooks, to try deadheat against.
//!
//! It is correct as it stands. `SHOP_BUGS` switches single bugs on (`bugs.rs`), each where such a mistake
//! is really made: look for `BUG`. The README lists them with the check that finds each.
//!
//! A webhook's way: `webhooks.rs` verifies its signature, `events.rs` tells it from a duplicate, and
//! `payments.rs` or `payouts.rs` applies it, all in one transaction that `transaction.rs` runs again when
//! the database says so. `database.rs` knows PostgreSQL from MySQL and MariaDB.

#![forbid(unsafe_code)]

mod admin;
mod background;
mod bugs;
mod checkout;
mod database;
mod events;
mod payments;
mod payouts;
mod problem;
mod signature;
mod transaction;
mod webhooks;

use std::{net::Ipv4Addr, process::ExitCode, sync::Arc};

use axum::{
    Json, Router,
    routing::{get, post},
};
use bugs::Bugs;
use database::Pool;

/// What every handler works with.
struct Shop {
    pool: Pool,
    bugs: Bugs,
    payment_secret: String,
    connect_secret: String,
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("shop: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), String> {
    let bugs = Bugs::parse(&variable("SHOP_BUGS", ""))?;
    let url = std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL")?;
    let connections = variable("SHOP_POOL", "40").parse().map_err(|_| "SHOP_POOL is a number")?;
    let pool = Pool::connect(&url, connections, &bugs).await.map_err(|error| error.to_string())?;
    let payment_secret = variable("WEBHOOK_SECRET", "whsec_test");
    let connect_secret = variable("CONNECT_SECRET", &payment_secret);
    let shop = Arc::new(Shop { pool, bugs, payment_secret, connect_secret });
    let app = Router::new()
        .route("/health", get(|| async { Json(serde_json::json!({"ok": true})) }))
        .route("/webhook/stripe/", post(webhooks::payments))
        .route("/webhook/stripe-connect/", post(webhooks::connect))
        .route("/checkout", post(checkout::checkout))
        .route("/orders/{id}", get(checkout::show))
        .route("/orders/{id}/cancel", post(checkout::cancel))
        .route("/admin/orders/{id}", post(admin::edit))
        .route("/admin/restock", post(admin::restock))
        .with_state(shop);
    let port: u16 = variable("PORT", "8000").parse().map_err(|_| "PORT is a number")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("can't listen on 127.0.0.1:{port}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    eprintln!("shop: listening on http://{address}");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| error.to_string())?;
    let server = axum::serve(listener, app);
    // A request that is cut off is rolled back, and its client hasn't been told anything.
    tokio::select! {
        ended = server => ended.map_err(|error| error.to_string()),
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
