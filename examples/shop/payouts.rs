//! What payouts do to sellers' balances.

use serde_json::Value;

use crate::{
    database::{Connection, both, each},
    events::Effect,
    problem::Problem,
};

/// Notes what is told of a payout. What was paid is on the seller's balance; what was paid and then came
/// back isn't any more. Both hold in whatever order the provider tells of them.
pub async fn update(connection: &mut Connection, payout: &Value) -> Result<Effect, Problem> {
    let seller = &payout["metadata"]["seller_id"];
    let seller = seller.as_i64().or_else(|| seller.as_str()?.parse().ok()).unwrap_or_default();
    // This lock makes everything that is told of a seller's payouts one after the other.
    let lock = both("SELECT id FROM users WHERE id = $1 FOR UPDATE");
    if connection.row(lock, &[seller.into()]).await?.is_none() {
        return Ok(Effect::Ignored);
    }
    let id = payout["id"].as_str().unwrap_or_default();
    let look = both("SELECT status FROM payouts WHERE stripe_payout_id = $1");
    let rows = connection.rows(look, &[id.into()]).await?;
    let told = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    let was_told = |status: &str| told.iter().any(|one| one.as_deref() == Some(status));
    let cents = payout["amount"].as_i64().unwrap_or_default();
    let status = payout["status"].as_str().unwrap_or_default();
    let note = each(
        "INSERT INTO payouts (seller_id, stripe_payout_id, amount, status, failure_code)
         VALUES ($1, $2, $3::bigint / 100.0, $4, $5)",
        "INSERT INTO payouts (seller_id, stripe_payout_id, amount, status, failure_code)
         VALUES ($1, $2, $3 / 100.0, $4, $5)",
    );
    let failure = payout["failure_code"].as_str();
    let values = [seller.into(), id.into(), cents.into(), status.into(), failure.into()];
    connection.execute(note, &values).await?;
    let change = match status {
        // NB: that the same event doesn't do this twice is for the key of processed_events to see to.
        "paid" if !was_told("failed") => cents,
        "failed" if was_told("paid") => -cents,
        _ => return Ok(Effect::Applied),
    };
    let credit = each(
        "UPDATE users SET balance = balance + $2::bigint / 100.0 WHERE id = $1",
        "UPDATE users SET balance = balance + $2 / 100.0 WHERE id = $1",
    );
    connection.execute(credit, &[seller.into(), change.into()]).await?;
    Ok(Effect::Applied)
}
