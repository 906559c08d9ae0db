//! Two bugs of one family: the webhook is acknowledged before its work is done.
//!
//! "The provider wants its answer quickly." It has it, and whatever happens now, the event won't come
//! again. The shop without bugs uses nothing of this file.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    Shop,
    bugs::{Bug, Bugs},
    database::each,
    events::{Event, Handle},
    problem::Problem,
    transaction::{Work, with_retry},
};

/// Time that work waits in the queue.
const QUEUE: Duration = Duration::from_millis(150);

pub fn answers_first(bugs: &Bugs) -> bool {
    bugs.has(Bug::AckBeforeError) || bugs.has(Bug::WorkAfterAnswer)
}

pub fn handle(shop: Arc<Shop>, event: Event) -> Response {
    tokio::spawn(async move {
        let done = match shop.bugs.has(Bug::WorkAfterAnswer) {
            true => later(&shop, &event).await,
            false => impatiently(&shop, &event).await,
        };
        if let Err(problem) = done {
            eprintln!("shop: event {} is lost: {problem:?}", event.id);
        }
    });
    Json(json!({"received": true})).into_response()
}

/// BUG: the work is done, but for a while the client has been told so and it isn't true.
async fn later(shop: &Shop, event: &Event) -> Result<(), Problem> {
    tokio::time::sleep(QUEUE).await;
    with_retry(&shop.pool, &shop.bugs, &Handle { event, bugs: &shop.bugs }).await.done?;
    Ok(())
}

/// BUG: the first lock that others hold is an error, and nobody is left to be told.
async fn impatiently(shop: &Shop, event: &Event) -> Result<(), Problem> {
    let mut transaction = shop.pool.begin(&shop.bugs).await?;
    // A second is the least on MySQL.
    transaction
        .run(each("SET LOCAL lock_timeout = '10ms'", "SET SESSION innodb_lock_wait_timeout = 1"))
        .await?;
    Handle { event, bugs: &shop.bugs }.run(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}
