//! Events of the payment provider: told apart from duplicates, handed to what they are about.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    bugs::{Bug, Bugs},
    database::{Connection, both, each},
    payments, payouts,
    problem::Problem,
    transaction::Work,
};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Applied,
    /// The event was handled before.
    Duplicate,
    /// It says nothing new, or isn't about anything of ours.
    Ignored,
    /// Money came that nothing is sold for: it is noted, to be paid back.
    RefundDue,
}

impl Effect {
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::RefundDue => "refund_due",
        }
    }
}

/// All work of an event, in one transaction with the note that it was handled: both are kept, or
/// neither is.
pub struct Handle<'a> {
    pub event: &'a Event,
    pub bugs: &'a Bugs,
}

impl Work for Handle<'_> {
    type Done = Effect;
    async fn run(&self, connection: &mut Connection) -> Result<Effect, Problem> {
        let Self { event, bugs } = *self;
        if is_duplicate(connection, event, bugs).await? {
            return Ok(Effect::Duplicate);
        }
        let object = &event.data.object;
        match event.kind.as_str() {
            "payment_intent.succeeded" => payments::succeeded(connection, object, bugs).await,
            "payment_intent.payment_failed" => payments::failed(connection, object, bugs).await,
            "charge.succeeded" | "checkout.session.completed" if bugs.has(Bug::FanOut) => {
                // BUG: "better make sure that the money is booked". Three events of one payment book it
                // three times.
                payments::book(connection, payments::order_of(object)).await?;
                Ok(Effect::Applied)
            }
            "payout.paid" | "payout.in_transit" | "payout.failed" => {
                payouts::update(connection, object).await
            }
            // payment_intent.succeeded books the money; the others say the same in other words.
            _ => Ok(Effect::Ignored),
        }
    }
}

/// Notes the event; true when it was noted before.
async fn is_duplicate(connection: &mut Connection, event: &Event, bugs: &Bugs) -> Result<bool, Problem> {
    if bugs.has(Bug::CheckThenInsert) {
        return looked_for_before(connection, event).await;
    }
    // The key lets one of two copies in; the other waits here until the first has committed, or comes in
    // when the first was rolled back.
    let note = each(
        "INSERT INTO processed_events (event_id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        "INSERT IGNORE INTO processed_events (event_id, type) VALUES ($1, $2)",
    );
    let values = [event.id.as_str().into(), event.kind.as_str().into()];
    Ok(connection.execute(note, &values).await? == 0)
}

/// BUG: two copies of one event look at the same moment, neither sees the other, and no key of the table
/// stops the second one.
async fn looked_for_before(connection: &mut Connection, event: &Event) -> Result<bool, Problem> {
    let (id, kind) = (event.id.as_str(), event.kind.as_str());
    let look = both("SELECT 1 FROM events_without_a_key WHERE event_id = $1");
    if connection.row(look, &[id.into()]).await?.is_some() {
        return Ok(true);
    }
    let note = both("INSERT INTO events_without_a_key (event_id, type) VALUES ($1, $2)");
    connection.execute(note, &[id.into(), kind.into()]).await?;
    Ok(false)
}
