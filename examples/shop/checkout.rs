//! What buyers do: orders are made, looked at and cancelled.

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
    payments::{lock_order, return_stock},
    problem::{Problem, UNKNOWN, answer},
    transaction::{Work, with_retry},
};

/// Units of one product in one order.
const MOST_UNITS: i32 = 1000;

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Item {
    pub product_id: i64,
    pub quantity: i32,
}

#[derive(Debug, Deserialize)]
pub struct Cart {
    buyer_id: i64,
    items: Vec<Item>,
}

pub async fn checkout(State(shop): State<Arc<Shop>>, Json(cart): Json<Cart>) -> Response {
    let Some(wanted) = wanted(&cart.items) else {
        return Problem::Refused(StatusCode::UNPROCESSABLE_ENTITY, "items").into_response();
    };
    let buy = Buy { buyer: cart.buyer_id, wanted, bugs: &shop.bugs };
    answer(with_retry(&shop.pool, &shop.bugs, &buy).await, StatusCode::CREATED)
}

/// Units by product: by key, so that two carts lock the same products in the same order. `None` for a
/// cart that nobody can mean.
fn wanted(items: &[Item]) -> Option<BTreeMap<i64, i32>> {
    let mut wanted: BTreeMap<i64, i32> = BTreeMap::new();
    for item in items {
        let units = wanted.entry(item.product_id).or_default();
        *units = units.checked_add(item.quantity)?;
        if item.quantity < 1 || *units > MOST_UNITS {
            return None;
        }
    }
    (!wanted.is_empty()).then_some(wanted)
}

struct Buy<'a> {
    buyer: i64,
    wanted: BTreeMap<i64, i32>,
    bugs: &'a Bugs,
}

impl Work for Buy<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        // Rows of a new order can't be waited for by anybody; they come first all the same, so that tables
        // are locked in the one order.
        let order: i64 = sqlx::query_scalar(
            "INSERT INTO orders (buyer_id, status, total) VALUES ($1, 'pending_payment', 0) RETURNING id",
        )
        .bind(self.buyer)
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query("INSERT INTO payment_trackers (order_id, status, amount) VALUES ($1, 'pending', 0)")
            .bind(order)
            .execute(&mut *connection)
            .await?;
        for (product, units) in &self.wanted {
            take(connection, *product, *units, self.bugs).await?;
            sqlx::query(
                "INSERT INTO order_items (order_id, product_id, quantity, price)
                 SELECT $1, id, $3, price FROM products WHERE id = $2",
            )
            .bind(order)
            .bind(product)
            .bind(units)
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
            "UPDATE payment_trackers SET amount = (SELECT total FROM orders WHERE id = $1) WHERE order_id = $1",
        )
        .bind(order)
        .execute(connection)
        .await?;
        Ok(json!({"order_id": order, "total": total}))
    }
}

/// Takes units off the shelf.
async fn take(connection: &mut PgConnection, product: i64, units: i32, bugs: &Bugs) -> Result<(), Problem> {
    let (look, take) = match bugs.has(Bug::StockReadModifyWrite) {
        // BUG: what others took since we looked is put back.
        true => {
            ("SELECT stock FROM products WHERE id = $1", "UPDATE products SET stock = $3 WHERE id = $1")
        }
        false => (
            "SELECT stock FROM products WHERE id = $1 FOR UPDATE",
            "UPDATE products SET stock = stock - $2 WHERE id = $1",
        ),
    };
    let stock: Option<i32> =
        sqlx::query_scalar(look).bind(product).fetch_optional(&mut *connection).await?;
    let left = stock.ok_or(UNKNOWN)? - units;
    if left < 0 {
        return Err(Problem::Refused(StatusCode::CONFLICT, "out_of_stock"));
    }
    let mut taken = sqlx::query(take).bind(product).bind(units);
    if bugs.has(Bug::StockReadModifyWrite) {
        taken = taken.bind(left);
    }
    taken.execute(connection).await?;
    Ok(())
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
        Ok(Some(body)) => Json(body).into_response(),
        Ok(None) => UNKNOWN.into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

pub async fn cancel(State(shop): State<Arc<Shop>>, Path(order): Path<i64>) -> Response {
    answer(with_retry(&shop.pool, &shop.bugs, &Cancel { order }).await, StatusCode::OK)
}

struct Cancel {
    order: i64,
}

impl Work for Cancel {
    type Done = Value;
    async fn run(&self, connection: &mut PgConnection) -> Result<Value, Problem> {
        let order = lock_order(connection, self.order).await?.ok_or(UNKNOWN)?;
        // A payment that is on its way finds the order cancelled, and is owed back.
        if !order.is_open() {
            return Err(Problem::Refused(StatusCode::CONFLICT, "state"));
        }
        sqlx::query(
            "UPDATE orders SET status = 'cancelled', version = version + 1, updated_at = now() WHERE id = $1",
        )
        .bind(self.order)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE payment_trackers SET status = 'cancelled', updated_at = now() WHERE order_id = $1",
        )
        .bind(self.order)
        .execute(&mut *connection)
        .await?;
        return_stock(connection, self.order).await?;
        Ok(json!({"cancelled": self.order}))
    }
}
