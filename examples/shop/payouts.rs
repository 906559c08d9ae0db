//! What payouts do to sellers' balances.

use serde_json::Value;
use sqlx::PgConnection;

use crate::database::Problem;

/// Notes a payout and, when it was paid, adds it to the seller's balance. False for a seller that isn't
/// ours.
pub async fn update(connection: &mut PgConnection, payout: &Value) -> Result<bool, Problem> {
    let seller = &payout["metadata"]["seller_id"];
    let seller = seller.as_i64().or_else(|| seller.as_str()?.parse().ok()).unwrap_or_default();
    let cents = payout["amount"].as_i64().unwrap_or_default();
    let status = payout["status"].as_str().unwrap_or_default();
    let noted = sqlx::query(
        "INSERT INTO payouts (seller_id, stripe_payout_id, amount, status, failure_code)
         SELECT u.id, $2, $3::bigint / 100.0, $4, $5 FROM users u WHERE u.id = $1",
    )
    .bind(seller)
    .bind(payout["id"].as_str().unwrap_or_default())
    .bind(cents)
    .bind(status)
    .bind(payout["failure_code"].as_str())
    .execute(&mut *connection)
    .await?;
    if status == "paid" {
        sqlx::query("UPDATE users SET balance = balance + $2::bigint / 100.0 WHERE id = $1")
            .bind(seller)
            .bind(cents)
            .execute(connection)
            .await?;
    }
    Ok(noted.rows_affected() > 0)
}
