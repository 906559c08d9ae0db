//! The two webhook endpoints: verified, told apart from duplicates, handed to the handlers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{Executor, PgConnection};

use crate::{
    Shop,
    bugs::{Bug, Bugs},
    database::{Problem, Work, answer, begin, with_retry},
    payments, payouts, signature,
};

/// Time that work waits in the queue of a shop that does it later.
const QUEUE: Duration = Duration::from_millis(150);

/// An event of the payment provider.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Data,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Data {
    pub object: Value,
}

/// What became of an event.
#[derive(Debug, Clone, Copy)]
struct Handled {
    duplicate: bool,
    ignored: bool,
}

pub async fn payments(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let secret = shop.payment_secret.clone();
    receive(shop, &headers, &body, &secret).await
}

pub async fn connect(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let secret = shop.connect_secret.clone();
    receive(shop, &headers, &body, &secret).await
}

async fn receive(shop: Arc<Shop>, headers: &HeaderMap, body: &Bytes, secret: &str) -> Response {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
    // An old request that somebody has recorded is as good as a new one to those who don't look.
    let tolerance = (!shop.bugs.has(Bug::NoTolerance)).then_some(signature::TOLERANCE);
    if !signature::is_valid(header, body, secret, now, tolerance) {
        return Problem::Refused(StatusCode::BAD_REQUEST, "signature").into_response();
    }
    let Ok(event) = serde_json::from_slice::<Event>(body) else {
        return Problem::Refused(StatusCode::BAD_REQUEST, "payload").into_response();
    };
    if shop.bugs.has(Bug::AckBeforeError) || shop.bugs.has(Bug::WorkAfterAnswer) {
        tokio::spawn(later(shop, event));
        return answer(StatusCode::OK, json!({"received": true}), 0);
    }
    let handle = Handle { event: &event, bugs: &shop.bugs };
    match with_retry(&shop.pool, &shop.bugs, &handle).await {
        Ok((handled, retries)) => {
            let Handled { duplicate, ignored } = handled;
            let body = json!({"received": true, "duplicate": duplicate, "ignored": ignored});
            answer(StatusCode::OK, body, retries)
        }
        Err(problem) => problem.into_response(),
    }
}

/// "The provider wants its answer quickly": it has it, and whatever happens now, it won't come again.
async fn later(shop: Arc<Shop>, event: Event) {
    if shop.bugs.has(Bug::WorkAfterAnswer) {
        tokio::time::sleep(QUEUE).await;
    }
    if let Err(problem) = once(&shop, &event).await {
        eprintln!("shop: event {} failed: {problem:?}", event.id);
    }
}

/// Without a retry; and, in a shop that has no patience for locks either, with an error sooner or later.
async fn once(shop: &Shop, event: &Event) -> Result<(), Problem> {
    let mut transaction = begin(&shop.pool, &shop.bugs).await?;
    if shop.bugs.has(Bug::AckBeforeError) {
        transaction.execute("SET LOCAL lock_timeout = '2ms'").await?;
    }
    work(&mut transaction, event, &shop.bugs).await?;
    transaction.commit().await?;
    Ok(())
}

/// All work of an event, in one transaction with the note that it was handled.
struct Handle<'a> {
    event: &'a Event,
    bugs: &'a Bugs,
}

impl Work for Handle<'_> {
    type Done = Handled;
    async fn run(&self, connection: &mut PgConnection) -> Result<Handled, Problem> {
        work(connection, self.event, self.bugs).await
    }
}

async fn work(connection: &mut PgConnection, event: &Event, bugs: &Bugs) -> Result<Handled, Problem> {
    if is_duplicate(connection, event, bugs).await? {
        return Ok(Handled { duplicate: true, ignored: false });
    }
    let object = &event.data.object;
    let known = match event.kind.as_str() {
        "payment_intent.succeeded" => payments::succeeded(connection, object, bugs).await?,
        "payment_intent.payment_failed" => payments::failed(connection, object, bugs).await?,
        "charge.succeeded" | "checkout.session.completed" if bugs.has(Bug::FanOut) => {
            // "Better make sure that the money is booked": three events of one payment book it thrice.
            payments::book(connection, payments::order_of(object)).await?
        }
        "payout.paid" | "payout.in_transit" | "payout.failed" => {
            payouts::update(connection, object).await?
        }
        // payment_intent.succeeded books the money; the others say the same in other words.
        _ => false,
    };
    Ok(Handled { duplicate: false, ignored: !known })
}

/// Notes the event; true when it was noted before.
async fn is_duplicate(connection: &mut PgConnection, event: &Event, bugs: &Bugs) -> Result<bool, Problem> {
    if bugs.has(Bug::CheckThenInsert) {
        // Two copies of one event look at the same moment, and neither sees the other.
        let seen = sqlx::query("SELECT 1 FROM processed_events WHERE event_id = $1")
            .bind(&event.id)
            .fetch_optional(&mut *connection)
            .await?;
        if seen.is_some() {
            return Ok(true);
        }
        sqlx::query("INSERT INTO processed_events (event_id, type) VALUES ($1, $2)")
            .bind(&event.id)
            .bind(&event.kind)
            .execute(&mut *connection)
            .await?;
        return Ok(false);
    }
    // The key lets one of them in; the other waits here until the first has committed.
    let inserted =
        sqlx::query("INSERT INTO processed_events (event_id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&event.id)
            .bind(&event.kind)
            .execute(connection)
            .await?;
    Ok(inserted.rows_affected() == 0)
}
