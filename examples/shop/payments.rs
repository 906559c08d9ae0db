//! What payments do to orders. Lock order: orders, payment_trackers, payment_transactions, products.

use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    bugs::{Bug, Bugs},
    database::Problem,
};

/// The order that an object of the provider belongs to.
pub fn order_of(object: &Value) -> i64 {
    let id = &object["metadata"]["order_id"];
    id.as_i64().or_else(|| id.as_str()?.parse().ok()).unwrap_or_default()
}

/// The payment succeeded: the order is confirmed and the money booked, once. False for an order that
/// isn't ours or isn't waiting for money.
pub async fn succeeded(
    connection: &mut PgConnection,
    intent: &Value,
    bugs: &Bugs,
) -> Result<bool, Problem> {
    let order = order_of(intent);
    let Some(status) = lock_order(connection, order).await? else { return Ok(false) };
    // Without this the last event wins, whichever that is.
    if status != "pending_payment" && !bugs.has(Bug::NoStateMachine) {
        return Ok(false);
    }
    let id = intent["id"].as_str().unwrap_or_default();
    sqlx::query(
        "UPDATE orders SET status = 'payment_confirmed', payment_intent_id = $2, version = version + 1,
         updated_at = now() WHERE id = $1",
    )
    .bind(order)
    .bind(id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE payment_trackers SET status = 'succeeded', stripe_payment_intent_id = $2,
         failure_code = NULL, updated_at = now() WHERE order_id = $1",
    )
    .bind(order)
    .bind(id)
    .execute(&mut *connection)
    .await?;
    book(connection, order).await
}

/// Books the money of an order for its sellers.
pub async fn book(connection: &mut PgConnection, order: i64) -> Result<bool, Problem> {
    let booked = sqlx::query(
        "INSERT INTO payment_transactions (order_id, seller_id, amount)
         SELECT i.order_id, p.seller_id, sum(i.quantity * i.price) FROM order_items i
         JOIN products p ON p.id = i.product_id WHERE i.order_id = $1 GROUP BY i.order_id, p.seller_id",
    )
    .bind(order)
    .execute(connection)
    .await?;
    Ok(booked.rows_affected() > 0)
}

/// The payment failed: the order is given up and its stock goes back. False as above.
pub async fn failed(connection: &mut PgConnection, intent: &Value, bugs: &Bugs) -> Result<bool, Problem> {
    let order = order_of(intent);
    if bugs.has(Bug::WrongLockOrder) {
        // The handler was written around the tracker: whoever holds the order and wants its tracker
        // meets us half-way.
        sqlx::query("SELECT id FROM payment_trackers WHERE order_id = $1 FOR UPDATE")
            .bind(order)
            .fetch_optional(&mut *connection)
            .await?;
    }
    let Some(status) = lock_order(connection, order).await? else { return Ok(false) };
    if status != "pending_payment" && !bugs.has(Bug::NoStateMachine) {
        return Ok(false);
    }
    let code = intent["last_payment_error"]["code"].as_str();
    sqlx::query(
        "UPDATE orders SET status = 'payment_failed', version = version + 1, updated_at = now() WHERE id = $1",
    )
    .bind(order)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE payment_trackers SET status = 'failed', failure_code = $2, updated_at = now()
         WHERE order_id = $1",
    )
    .bind(order)
    .bind(code)
    .execute(&mut *connection)
    .await?;
    return_stock(connection, order).await?;
    Ok(true)
}

/// Locks an order and returns its status; `None` when there is no such order.
pub async fn lock_order(connection: &mut PgConnection, order: i64) -> Result<Option<String>, Problem> {
    let status = sqlx::query_scalar::<_, String>("SELECT status FROM orders WHERE id = $1 FOR UPDATE")
        .bind(order)
        .fetch_optional(connection)
        .await?;
    Ok(status)
}

/// Puts the units of an order back on the shelf, products in the order of their keys.
pub async fn return_stock(connection: &mut PgConnection, order: i64) -> Result<(), Problem> {
    sqlx::query(
        "SELECT id FROM products WHERE id IN (SELECT product_id FROM order_items WHERE order_id = $1)
         ORDER BY id FOR UPDATE",
    )
    .bind(order)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE products p SET stock = p.stock + i.quantity
         FROM (SELECT product_id, sum(quantity) AS quantity FROM order_items WHERE order_id = $1
               GROUP BY product_id) i
         WHERE p.id = i.product_id",
    )
    .bind(order)
    .execute(connection)
    .await?;
    Ok(())
}
