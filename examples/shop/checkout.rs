//! Orders: made, shown, cancelled and edited; and the stock behind them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};

use crate::{
    Shop,
    bugs::{Bug, Bugs},
    database::{Problem, Work, answer, with_retry},
    payments::{lock_order, return_stock},
};

const UNKNOWN: Problem = Problem::Refused(StatusCode::NOT_FOUND, "unknown");

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Item {
    product_id: i64,
    quantity: i32,
}

#[derive(Debug, Deserialize)]
pub struct Cart {
    buyer_id: i64,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
pub struct Delivery {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
pub struct Edit {
    note: String,
}

pub async fn checkout(State(shop): State<Arc<Shop>>, Json(cart): Json<Cart>) -> Response {
    let done = with_retry(&shop.pool, &shop.bugs, &Buy { cart: &cart, bugs: &shop.bugs }).await;
    respond(done, StatusCode::CREATED)
}

struct Buy<'a> {
    cart: &'a Cart,
    bugs: &'a Bugs,
}

impl Work for Buy<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        buy(connection, self.cart, self.bugs).await
    }
}

fn respond(done: Result<(Value, u32), Problem>, status: StatusCode) -> Response {
    match done {
        Ok((body, retries)) => answer(status, body, retries),
        Err(problem) => problem.into_response(),
    }
}

async fn buy(connection: &mut PgConnection, cart: &Cart, bugs: &Bugs) -> Result<Value, Problem> {
    // By key, so that two carts lock the same products in the same order.
    let mut wanted: BTreeMap<i64, i32> = BTreeMap::new();
    for item in &cart.items {
        *wanted.entry(item.product_id).or_default() += item.quantity;
    }
    if wanted.is_empty() || wanted.values().any(|quantity| *quantity <= 0) {
        return Err(Problem::Refused(StatusCode::UNPROCESSABLE_ENTITY, "items"));
    }
    let lock = match bugs.has(Bug::StockReadModifyWrite) {
        true => "SELECT stock, price::text AS price FROM products WHERE id = $1",
        false => "SELECT stock, price::text AS price FROM products WHERE id = $1 FOR UPDATE",
    };
    let mut prices = Vec::new();
    for (product, quantity) in &wanted {
        let found = sqlx::query(lock).bind(product).fetch_optional(&mut *connection).await?;
        let found = found.ok_or(UNKNOWN)?;
        let stock: i32 = found.try_get("stock")?;
        prices.push(found.try_get::<String, _>("price")?);
        if stock < *quantity {
            return Err(Problem::Refused(StatusCode::CONFLICT, "out_of_stock"));
        }
        if bugs.has(Bug::StockReadModifyWrite) {
            // What others took since we looked is put back.
            sqlx::query("UPDATE products SET stock = $2 WHERE id = $1")
                .bind(product)
                .bind(stock - quantity)
                .execute(&mut *connection)
                .await?;
        } else {
            sqlx::query("UPDATE products SET stock = stock - $2 WHERE id = $1")
                .bind(product)
                .bind(quantity)
                .execute(&mut *connection)
                .await?;
        }
    }
    let order: i64 = sqlx::query_scalar(
        "INSERT INTO orders (buyer_id, status, total) VALUES ($1, 'pending_payment', 0) RETURNING id",
    )
    .bind(cart.buyer_id)
    .fetch_one(&mut *connection)
    .await?;
    for ((product, quantity), price) in wanted.iter().zip(prices) {
        sqlx::query(
            "INSERT INTO order_items (order_id, product_id, quantity, price) VALUES ($1, $2, $3, $4::numeric)",
        )
        .bind(order)
        .bind(product)
        .bind(quantity)
        .bind(price)
        .execute(&mut *connection)
        .await?;
    }
    let total: String = sqlx::query_scalar(
        "UPDATE orders SET total = (SELECT sum(quantity * price) FROM order_items WHERE order_id = $1)
         WHERE id = $1 RETURNING total::text",
    )
    .bind(order)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO payment_trackers (order_id, status, amount)
         SELECT id, 'pending', total FROM orders WHERE id = $1",
    )
    .bind(order)
    .execute(connection)
    .await?;
    Ok(json!({"order_id": order, "total": total}))
}

pub async fn show(State(shop): State<Arc<Shop>>, Path(order): Path<i64>) -> Response {
    let found = sqlx::query("SELECT status, total::text AS total, version FROM orders WHERE id = $1")
        .bind(order)
        .fetch_optional(&shop.pool)
        .await;
    let body = found.and_then(|row| {
        let Some(row) = row else { return Ok(None) };
        let (status, total): (String, String) = (row.try_get("status")?, row.try_get("total")?);
        let version: i32 = row.try_get("version")?;
        Ok(Some(json!({"id": order, "status": status, "total": total, "version": version})))
    });
    match body {
        Ok(Some(body)) => answer(StatusCode::OK, body, 0),
        Ok(None) => UNKNOWN.into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

pub async fn cancel(State(shop): State<Arc<Shop>>, Path(order): Path<i64>) -> Response {
    let done = with_retry(&shop.pool, &shop.bugs, &Cancel { order }).await;
    respond(done, StatusCode::OK)
}

struct Cancel {
    order: i64,
}

impl Work for Cancel {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        let status = lock_order(connection, self.order).await?.ok_or(UNKNOWN)?;
        if status != "pending_payment" {
            return Err(Problem::Refused(StatusCode::CONFLICT, "state"));
        }
        sqlx::query("UPDATE orders SET status = 'cancelled', version = version + 1 WHERE id = $1")
            .bind(self.order)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE payment_trackers SET status = 'cancelled' WHERE order_id = $1")
            .bind(self.order)
            .execute(&mut *connection)
            .await?;
        return_stock(connection, self.order).await?;
        Ok(json!({"cancelled": self.order}))
    }
}

pub async fn edit(
    State(shop): State<Arc<Shop>>,
    Path(order): Path<i64>,
    Json(edit): Json<Edit>,
) -> Response {
    let done = with_retry(&shop.pool, &shop.bugs, &EditOrder { order, note: &edit.note }).await;
    respond(done, StatusCode::OK)
}

struct EditOrder<'a> {
    order: i64,
    note: &'a str,
}

impl Work for EditOrder<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        lock_order(connection, self.order).await?.ok_or(UNKNOWN)?;
        sqlx::query(
            "UPDATE orders SET note = $2, version = version + 1, updated_at = now(),
             status = CASE status WHEN 'payment_confirmed' THEN 'processing' ELSE status END WHERE id = $1",
        )
        .bind(self.order)
        .bind(self.note)
        .execute(&mut *connection)
        .await?;
        sqlx::query("UPDATE payment_trackers SET updated_at = now() WHERE order_id = $1")
            .bind(self.order)
            .execute(&mut *connection)
            .await?;
        Ok(json!({"edited": self.order}))
    }
}

/// A clerk scans boxes: products are taken in the order in which they stand in the delivery, so that
/// a delivery may deadlock with a checkout. The transaction is then run again.
pub async fn restock(State(shop): State<Arc<Shop>>, Json(delivery): Json<Delivery>) -> Response {
    let done = with_retry(&shop.pool, &shop.bugs, &Restock { items: &delivery.items }).await;
    respond(done, StatusCode::OK)
}

struct Restock<'a> {
    items: &'a [Item],
}

impl Work for Restock<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        for item in self.items {
            sqlx::query("UPDATE products SET stock = stock + $2 WHERE id = $1")
                .bind(item.product_id)
                .bind(item.quantity)
                .execute(&mut *connection)
                .await?;
        }
        Ok(json!({"restocked": self.items.len()}))
    }
}
