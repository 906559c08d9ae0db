//! What the shop's staff does: orders are edited, shelves filled.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Shop,
    checkout::Item,
    database::{Connection, both},
    payments::lock_order,
    problem::{Problem, UNKNOWN, answer},
    transaction::{Work, with_retry},
};

#[derive(Debug, Deserialize)]
pub struct Edit {
    note: String,
}

#[derive(Debug, Deserialize)]
pub struct Delivery {
    items: Vec<Item>,
}

pub async fn edit(
    State(shop): State<Arc<Shop>>,
    Path(order): Path<i64>,
    Json(edit): Json<Edit>,
) -> Response {
    let edit = EditOrder { order, note: &edit.note };
    answer(with_retry(&shop.pool, &shop.bugs, &edit).await, StatusCode::OK)
}

struct EditOrder<'a> {
    order: i64,
    note: &'a str,
}

impl Work for EditOrder<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut Connection) -> Result<Value, Problem> {
        lock_order(connection, self.order).await?.ok_or(UNKNOWN)?;
        let edit = both(
            "UPDATE orders SET note = $2, version = version + 1, updated_at = now(),
             status = CASE status WHEN 'payment_confirmed' THEN 'processing' ELSE status END WHERE id = $1",
        );
        connection.execute(edit, &[self.order.into(), self.note.into()]).await?;
        let touch = both("UPDATE payment_trackers SET updated_at = now() WHERE order_id = $1");
        connection.execute(touch, &[self.order.into()]).await?;
        Ok(json!({"edited": self.order}))
    }
}

/// A clerk scans boxes: products are locked in the order in which they stand in the delivery, so that two
/// deliveries can deadlock. No order is kept here on purpose: this is where the retry is needed, and the
/// one that loses is run again, whole.
pub async fn restock(State(shop): State<Arc<Shop>>, Json(delivery): Json<Delivery>) -> Response {
    let restock = Restock { items: &delivery.items };
    answer(with_retry(&shop.pool, &shop.bugs, &restock).await, StatusCode::OK)
}

struct Restock<'a> {
    items: &'a [Item],
}

impl Work for Restock<'_> {
    type Done = Value;
    async fn run(&self, connection: &mut Connection) -> Result<Value, Problem> {
        for item in self.items {
            let restock = both("UPDATE products SET stock = stock + $2 WHERE id = $1 AND $2 > 0");
            let values = [item.product_id.into(), item.quantity.into()];
            if connection.execute(restock, &values).await? == 0 {
                return Err(UNKNOWN);
            }
        }
        Ok(json!({"restocked": self.items.len()}))
    }
}
