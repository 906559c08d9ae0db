//! What operations say they changed: told by the workers as each operation ends, and compared with the
//! database before and after the load.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::worker::Worker;
use crate::{
    expression::{Value, to_text},
    measure::{Certainty, EffectRecord, EffectResults, Key, Quantities, Recorder, compare},
    outcome::Outcome,
    plan::{Account, Amount, Effect, MOST_KEYS, Operation, Plan},
    target::Session,
};

/// What an operation was answered on its way.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Answered {
    /// A transaction or a statement of its own was committed.
    pub committed: bool,
    /// A request was sent.
    pub requested: bool,
    /// A request was answered with a 2xx status.
    pub accepted: bool,
}

/// How sure it is that what an operation says is in the database.
fn certainty(outcome: &Outcome, answered: Answered, unanswered: bool) -> Certainty {
    let acknowledged = if answered.requested { answered.accepted } else { answered.committed };
    if *outcome == Outcome::Unknown || unanswered {
        Certainty::Unknown
    } else if outcome.is_committed() {
        // One that ended well without a commit rolled back on purpose, or was refused as expected.
        if acknowledged { Certainty::Acknowledged } else { Certainty::Undone }
    } else if answered.accepted || (*outcome == Outcome::Skipped && acknowledged) {
        // A part was acknowledged before the rest failed.
        Certainty::Unknown
    } else {
        Certainty::Undone
    }
}

impl Worker {
    /// Adds what an operation says it changed to what others said.
    pub(super) fn tell_effects(&self, operation: &Operation, outcome: &Outcome) {
        if operation.effects.is_empty() {
            return;
        }
        let certainty = certainty(outcome, self.met.answered, self.met.unanswered);
        let mut recorder = self.recorder.borrow_mut();
        for effect in &operation.effects {
            let record = recorder.effect(effect.account);
            match self.evaluated(effect) {
                Ok((_, amount)) if amount.is_zero() => {}
                Ok((key, amount)) => {
                    if self.met.retries > 0 && certainty != Certainty::Undone {
                        record.add(key.clone(), Certainty::Undone, amount, self.met.retries);
                    }
                    record.add(key, certainty, amount, 1);
                }
                Err(why) => {
                    tell_nothing(record, certainty, || {
                        format!("{}, in {}: {why}", effect.written, operation.name)
                    });
                }
            }
        }
    }

    fn evaluated(&self, effect: &Effect) -> Result<(Key, Decimal), String> {
        let key = effect.key.iter().map(|part| match part.evaluate(&self.frame) {
            Ok(value) if value.is_none() || value.is_undefined() => {
                Err(format!("`{}` is null, which is no key", part.source()))
            }
            Ok(value) => Ok(to_text(&value)),
            Err(error) => Err(error.to_string()),
        });
        let key = key.collect::<Result<Key, String>>()?;
        let amount = match &effect.amount {
            Amount::Fixed(value) => decimal(value)?,
            Amount::Expression(expression) => {
                decimal(&expression.evaluate(&self.frame).map_err(|error| error.to_string())?)?
            }
        };
        Ok((key, amount))
    }
}

/// What failed may have no names for its effect, and needs none.
fn tell_nothing(record: &mut EffectRecord, certainty: Certainty, why: impl FnOnce() -> String) {
    match certainty {
        Certainty::Acknowledged => record.problem(why()),
        Certainty::Unknown => record.untold(),
        Certainty::Undone => {}
    }
}

/// A value as an exact number. Of a float the fifteen digits count that survive every calculation in
/// decimals (IEEE 754, DBL_DIG): `3 * 19.19` is 57.57.
fn decimal(value: &Value) -> Result<Decimal, String> {
    let no_number = || format!("`{}` is no number that can be added exactly", to_text(value));
    if value.is_number() && !value.is_integer() {
        let float = f64::try_from(value.clone()).map_err(|_| no_number())?;
        return Decimal::from_scientific(&format!("{float:.14e}")).map_err(|_| no_number());
    }
    text_decimal(&to_text(value)).ok_or_else(no_number)
}

fn text_decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    Decimal::from_str_exact(text).ok().or_else(|| Decimal::from_scientific(text).ok())
}

/// What the database showed before the load of everything that operations say they change.
pub struct EffectState {
    plan: Arc<Plan>,
    before: Vec<Result<Quantities, String>>,
}

impl EffectState {
    /// Reads every quantity.
    pub async fn begin(plan: &Arc<Plan>, session: &mut Session) -> Self {
        let mut before = Vec::with_capacity(plan.accounts.len());
        for account in &plan.accounts {
            before.push(read(account, session).await);
        }
        Self { plan: Arc::clone(plan), before }
    }

    /// Reads every quantity again, and compares. `is_alone` is true where nobody else changes the tables.
    pub async fn compare(
        self,
        session: &mut Session,
        recorder: &mut Recorder,
        is_alone: bool,
    ) -> Vec<EffectResults> {
        let mut results = Vec::with_capacity(self.before.len());
        for (index, (account, before)) in self.plan.accounts.iter().zip(self.before).enumerate() {
            let after = read(account, session).await;
            let record = recorder.effect(index);
            let nothing = Quantities::new();
            let (before, after) = match (&before, &after) {
                (Ok(before), Ok(after)) => (before, after),
                (Err(why), _) | (_, Err(why)) => {
                    record.problem(why.clone());
                    (&nothing, &nothing)
                }
            };
            results.push(compare((&account.name, &account.key), record, (before, after), is_alone));
        }
        results
    }
}

async fn read(account: &Account, session: &mut Session) -> Result<Quantities, String> {
    let prepared = session.prepare(&account.query, &[]).await.map_err(|failure| failure.to_string())?;
    let rows = session.execute(&prepared, &[], true).await.map_err(|failure| failure.to_string())?.rows;
    if rows.len() > MOST_KEYS {
        return Err(format!("there are more than {MOST_KEYS} keys"));
    }
    let mut quantities = Quantities::with_capacity(rows.len());
    for row in rows {
        let Some((quantity, key)) = row.values().split_last() else { continue };
        // No operation can name a row without a key.
        if key.iter().any(Value::is_none) {
            continue;
        }
        let text = to_text(quantity);
        let number = text_decimal(&text)
            .ok_or_else(|| format!("`{text}` has more digits than can be compared exactly"))?;
        quantities.insert(key.iter().map(to_text).collect(), number);
    }
    Ok(quantities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;

    #[test]
    fn amounts_are_exact() {
        let exact = |value: Value| decimal(&value).map(|number| number.normalize().to_string());
        assert_eq!(exact(Value::from(-3)), Ok("-3".into()));
        assert_eq!(exact(Value::from(19.19 * 3.0)), Ok("57.57".into()));
        assert_eq!(exact(Value::from(0.1 + 0.2)), Ok("0.3".into()));
        assert_eq!(exact(Value::from("12345678901234567890.12")), Ok("12345678901234567890.12".into()));
        assert!(exact(Value::from("many")).is_err());
        assert!(exact(Value::from(f64::NAN)).is_err());
    }

    #[test]
    fn only_what_was_answered_is_acknowledged() {
        let committed = Answered { committed: true, ..Answered::default() };
        let refused = Answered { requested: true, ..Answered::default() };
        let accepted = Answered { requested: true, accepted: true, committed: false };
        let failed = Outcome::Failed(Cause::Unique);
        for (outcome, answered, unanswered, expected) in [
            (Outcome::Ok, committed, false, Certainty::Acknowledged),
            (Outcome::Recovered(2), committed, false, Certainty::Acknowledged),
            (Outcome::Ok, Answered::default(), false, Certainty::Undone),
            (Outcome::Ok, accepted, false, Certainty::Acknowledged),
            (Outcome::Ok, refused, false, Certainty::Undone),
            (Outcome::Ok, accepted, true, Certainty::Unknown),
            (Outcome::Unknown, Answered::default(), false, Certainty::Unknown),
            (Outcome::Timeout, refused, true, Certainty::Unknown),
            (failed.clone(), committed, false, Certainty::Undone),
            (failed, Answered::default(), false, Certainty::Undone),
            (Outcome::Assertion, accepted, false, Certainty::Unknown),
            (Outcome::Skipped, committed, false, Certainty::Unknown),
            (Outcome::Skipped, Answered::default(), false, Certainty::Undone),
        ] {
            assert_eq!(certainty(&outcome, answered, unanswered), expected, "{outcome:?} {answered:?}");
        }
    }
}
