//! The two webhook endpoints: verified, read, and carried out before they are acknowledged.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    Shop, background,
    bugs::Bug,
    events::{Event, Handle},
    problem::{Problem, answer},
    signature,
    transaction::{Retried, with_retry},
};

/// Events of the shop's own account.
pub async fn payments(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let secret = shop.payment_secret.clone();
    receive(shop, &headers, &body, &secret).await
}

/// Events of the sellers' accounts.
pub async fn connect(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let secret = shop.connect_secret.clone();
    receive(shop, &headers, &body, &secret).await
}

async fn receive(shop: Arc<Shop>, headers: &HeaderMap, body: &Bytes, secret: &str) -> Response {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
    // BUG: to those who don't look, a request that somebody recorded last year is as good as a new one.
    let tolerance = (!shop.bugs.has(Bug::NoTolerance)).then_some(signature::TOLERANCE);
    if !signature::is_valid(header, body, secret, now, tolerance) {
        return Problem::Refused(StatusCode::BAD_REQUEST, "signature").into_response();
    }
    let Ok(event) = serde_json::from_slice::<Event>(body) else {
        return Problem::Refused(StatusCode::BAD_REQUEST, "payload").into_response();
    };
    if background::answers_first(&shop.bugs) {
        return background::handle(shop, event);
    }
    // The answer 200 is a promise that the event need not come again, so that it waits for the commit.
    let Retried { done, retries } =
        with_retry(&shop.pool, &shop.bugs, &Handle { event: &event, bugs: &shop.bugs }).await;
    let done = done.map(|effect| json!({"received": true, "effect": effect.word()}));
    answer(Retried { done, retries }, StatusCode::OK)
}
