//! What payouts do to sellers' balances.

use serde_json::Value;
use sqlx::PgConnection;

use crate::{events::Effect, problem::Problem};

/// Notes what is told of a payout. What was paid is on the seller's balance; what was paid and then came
/// back isn't any more. Both hold in whatever order the provider tells of them.
pub async fn update(connection: &mut PgConnection, payout: &Value) -> Result<Effect, Problem> {
    let seller = &payout["metadata"]["seller_id"];
    let seller = seller.as_i64().or_else(|| seller.as_str()?.parse().ok()).unwrap_or_default();
    // This lock makes everything that is told of a seller's payouts one after the other.
    let locked = sqlx::query("SELECT id FROM users WHERE id = $1 FOR UPDATE")
        .bind(seller)
        .fetch_optional(&mut *connection)
        .await?;
    if locked.is_none() {
        return Ok(Effect::Ignored);
    }
    let id = payout["id"].as_str().unwrap_or_default();
    let told: Vec<String> = sqlx::query_scalar("SELECT status FROM payouts WHERE stripe_payout_id = $1")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let was_told = |status: &str| told.iter().any(|one| one == status);
    let cents = payout["amount"].as_i64().unwrap_or_default();
    let status = payout["status"].as_str().unwrap_or_default();
    sqlx::query(
        "INSERT INTO payouts (seller_id, stripe_payout_id, amount, status, failure_code)
         VALUES ($1, $2, $3::bigint / 100.0, $4, $5)",
    )
    .bind(seller)
    .bind(id)
    .bind(cents)
    .bind(status)
    .bind(payout["failure_code"].as_str())
    .execute(&mut *connection)
    .await?;
    let change = match status {
        // NB: that the same event doesn't do this twice is for the key of processed_events to see to.
        "paid" if !was_told("failed") => cents,
        "failed" if was_told("paid") => -cents,
        _ => return Ok(Effect::Applied),
    };
    sqlx::query("UPDATE users SET balance = balance + $2::bigint / 100.0 WHERE id = $1")
        .bind(seller)
        .bind(change)
        .execute(connection)
        .await?;
    Ok(Effect::Applied)
}
