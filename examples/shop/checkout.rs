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

use crate::{
    Shop,
    bugs::{Bug, Bugs},
    database::{Connection, Value as Bound, both, each},
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
    async fn run(&self, connection: &mut Connection) -> Result<Value, Problem> {
        // Rows of a new order can't be waited for by anybody; they come first all the same, so that tables
        // are locked in the one order.
        let make = both("INSERT INTO orders (buyer_id, status, total) VALUES ($1, 'pending_payment', 0)");
        let order = connection.insert(make, &[self.buyer.into()]).await?;
        let track =
            both("INSERT INTO payment_trackers (order_id, status, amount) VALUES ($1, 'pending', 0)");
        connection.execute(track, &[order.into()]).await?;
        for (product, units) in &self.wanted {
            take(connection, *product, *units, self.bugs).await?;
            let put = both(
                "INSERT INTO order_items (order_id, product_id, quantity, price)
                 SELECT $1, id, $3, price FROM products WHERE id = $2",
            );
            connection.execute(put, &[order.into(), (*product).into(), (*units).into()]).await?;
        }
        let sum = both(
            "UPDATE orders SET total = (SELECT sum(quantity * price) FROM order_items WHERE order_id = $1)
             WHERE id = $1",
        );
        connection.execute(sum, &[order.into()]).await?;
        let track = both(
            "UPDATE payment_trackers SET amount = (SELECT total FROM orders WHERE id = $1) WHERE order_id = $1",
        );
        connection.execute(track, &[order.into()]).await?;
        let look = each(
            "SELECT total::text FROM orders WHERE id = $1",
            "SELECT CAST(total AS CHAR) FROM orders WHERE id = $1",
        );
        let total = connection.row(look, &[order.into()]).await?.ok_or(UNKNOWN)?.text(0)?;
        Ok(json!({"order_id": order, "total": total}))
    }
}

/// Takes units off the shelf.
async fn take(connection: &mut Connection, product: i64, units: i32, bugs: &Bugs) -> Result<(), Problem> {
    let (look, take) = match bugs.has(Bug::StockReadModifyWrite) {
        // BUG: what others took since we looked is put back.
        true => {
            ("SELECT stock FROM products WHERE id = $1", "UPDATE products SET stock = $2 WHERE id = $1")
        }
        false => (
            "SELECT stock FROM products WHERE id = $1 FOR UPDATE",
            "UPDATE products SET stock = stock - $2 WHERE id = $1",
        ),
    };
    let row = connection.row(both(look), &[product.into()]).await?.ok_or(UNKNOWN)?;
    let left = row.number(0)? - i64::from(units);
    if left < 0 {
        return Err(Problem::Refused(StatusCode::CONFLICT, "out_of_stock"));
    }
    let set: Bound = if bugs.has(Bug::StockReadModifyWrite) { left.into() } else { units.into() };
    connection.execute(both(take), &[product.into(), set]).await?;
    Ok(())
}

pub async fn show(State(shop): State<Arc<Shop>>, Path(order): Path<i64>) -> Response {
    match read(&shop, order).await {
        Ok(body) => Json(body).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn read(shop: &Shop, order: i64) -> Result<Value, Problem> {
    let mut connection = shop.pool.begin(&shop.bugs).await?;
    let look = each(
        "SELECT status, total::text, version FROM orders WHERE id = $1",
        "SELECT status, CAST(total AS CHAR), version FROM orders WHERE id = $1",
    );
    let row = connection.row(look, &[order.into()]).await?.ok_or(UNKNOWN)?;
    let body =
        json!({"id": order, "status": row.text(0)?, "total": row.text(1)?, "version": row.number(2)?});
    connection.commit().await?;
    Ok(body)
}

pub async fn cancel(State(shop): State<Arc<Shop>>, Path(order): Path<i64>) -> Response {
    answer(with_retry(&shop.pool, &shop.bugs, &Cancel { order }).await, StatusCode::OK)
}

struct Cancel {
    order: i64,
}

impl Work for Cancel {
    type Done = Value;
    async fn run(&self, connection: &mut Connection) -> Result<Value, Problem> {
        let order = lock_order(connection, self.order).await?.ok_or(UNKNOWN)?;
        // A payment that is on its way finds the order cancelled, and is owed back.
        if !order.is_open() {
            return Err(Problem::Refused(StatusCode::CONFLICT, "state"));
        }
        let cancel = both(
            "UPDATE orders SET status = 'cancelled', version = version + 1, updated_at = now() WHERE id = $1",
        );
        connection.execute(cancel, &[self.order.into()]).await?;
        let track = both(
            "UPDATE payment_trackers SET status = 'cancelled', updated_at = now() WHERE order_id = $1",
        );
        connection.execute(track, &[self.order.into()]).await?;
        return_stock(connection, self.order).await?;
        Ok(json!({"cancelled": self.order}))
    }
}
