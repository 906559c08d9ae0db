//! What operations say they changed, added up per key, and compared with what the database shows.
//!
//! Acknowledged effects must be there; those of unknown outcome may be; those of operations that failed must
//! not. Everything is exact: an amount that doesn't fit is a problem, never rounded. A key costs the same
//! memory however many operations name it.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use rust_decimal::Decimal;

use super::effect_results::{BrokenKeys, DifferenceKind, EffectDifference, EffectResults};

/// Differences that are kept.
const MOST_SHOWN: usize = 10;

/// The columns of a key, as texts.
pub type Key = Vec<String>;
/// What the database shows, by key.
pub type Quantities = HashMap<Key, Decimal>;

/// Amounts of one kind.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Amounts {
    /// How many.
    count: u64,
    /// Sum of those above nothing.
    up: Decimal,
    /// Sum of those below nothing.
    down: Decimal,
}

/// The sum has more digits than can be added exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("amounts add up to more digits than can be compared exactly (28)")]
pub struct TooLong;

impl Amounts {
    fn add(&mut self, count: u64, amount: Decimal) -> Result<(), TooLong> {
        self.count += count;
        let side = if amount.is_sign_negative() { &mut self.down } else { &mut self.up };
        *side = side.checked_add(amount).ok_or(TooLong)?;
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<(), TooLong> {
        let Self { count, up, down } = other;
        self.count += count;
        self.up = self.up.checked_add(*up).ok_or(TooLong)?;
        self.down = self.down.checked_add(*down).ok_or(TooLong)?;
        Ok(())
    }

    fn sum(&self) -> Result<Decimal, TooLong> {
        self.up.checked_add(self.down).ok_or(TooLong)
    }
}

/// How sure it is that an effect is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The system said so.
    Acknowledged,
    /// No answer came, or only a part of the operation was answered.
    Unknown,
    /// It failed, or was rolled back.
    Undone,
}

/// What operations said of one key.
#[derive(Debug, Default, Clone, PartialEq)]
struct Tally {
    acknowledged: Amounts,
    unknown: Amounts,
    undone: Amounts,
}

/// What operations said of one account.
#[derive(Debug, Default, Clone)]
pub struct EffectRecord {
    keys: HashMap<Key, Tally>,
    /// Operations whose effect was acknowledged.
    acknowledged: u64,
    unknown: u64,
    undone: u64,
    /// Operations of unknown outcome that couldn't say what they would have changed.
    untold: u64,
    /// Why nothing can be compared.
    problem: Option<String>,
}

impl EffectRecord {
    /// Counts the effect of one operation on a key. `times` is 1 but for attempts that were rolled back.
    pub fn add(&mut self, key: Key, certainty: Certainty, amount: Decimal, times: u32) {
        let times = u64::from(times);
        let tally = self.keys.entry(key).or_default();
        let (all, amounts) = match certainty {
            Certainty::Acknowledged => (&mut self.acknowledged, &mut tally.acknowledged),
            Certainty::Unknown => (&mut self.unknown, &mut tally.unknown),
            Certainty::Undone => (&mut self.undone, &mut tally.undone),
        };
        *all += times;
        let added = amount.checked_mul(Decimal::from(times)).ok_or(TooLong);
        if let Err(error) = added.and_then(|amount| amounts.add(times, amount)) {
            self.problem(error.to_string());
        }
    }

    /// An operation of unknown outcome couldn't say what it would have changed.
    pub fn untold(&mut self) {
        self.untold += 1;
    }

    /// Nothing can be compared.
    pub fn problem(&mut self, why: String) {
        self.problem.get_or_insert(why);
    }

    /// Adds all of another record.
    pub fn merge(&mut self, other: Self) {
        let Self { keys, acknowledged, unknown, undone, untold, problem } = other;
        for (key, theirs) in keys {
            let Tally { acknowledged, unknown, undone } = theirs;
            let mine = self.keys.entry(key).or_default();
            let merged = mine
                .acknowledged
                .merge(&acknowledged)
                .and_then(|()| mine.unknown.merge(&unknown))
                .and_then(|()| mine.undone.merge(&undone));
            if let Err(error) = merged {
                self.problem.get_or_insert(error.to_string());
            }
        }
        self.acknowledged += acknowledged;
        self.unknown += unknown;
        self.undone += undone;
        self.untold += untold;
        self.problem = self.problem.take().or(problem);
    }
}

/// Compares what operations said with what the database shows. `others` is true where nobody else changes the
/// table: then keys that no operation named must not have changed.
pub fn compare(
    (name, key): (&str, &[String]),
    record: &EffectRecord,
    (before, after): (&Quantities, &Quantities),
    is_alone: bool,
) -> EffectResults {
    let mut results = EffectResults {
        name: name.to_owned(),
        key: key.to_vec(),
        acknowledged: record.acknowledged,
        unknown: record.unknown,
        undone: record.undone,
        untold: record.untold,
        error: record.problem.clone(),
        ..EffectResults::default()
    };
    if results.error.is_none()
        && let Err(error) = compare_keys(&mut results, record, before, after, is_alone)
    {
        results.error = Some(error.to_string());
    }
    results
}

fn compare_keys(
    results: &mut EffectResults,
    record: &EffectRecord,
    before: &Quantities,
    after: &Quantities,
    is_alone: bool,
) -> Result<(), TooLong> {
    // In one order, whatever order the maps have.
    let mut keys: BTreeSet<&Key> = record.keys.keys().collect();
    if is_alone {
        keys.extend(before.keys().chain(after.keys()));
    }
    let untouched = Tally::default();
    let (mut expected, mut observed) = (Decimal::ZERO, Decimal::ZERO);
    let mut found: Vec<(Decimal, EffectDifference)> = Vec::new();
    results.keys = keys.len() as u64;
    for key in keys {
        let tally = record.keys.get(key).unwrap_or(&untouched);
        let of = |quantities: &Quantities| quantities.get(key).copied().unwrap_or_default();
        let change = of(after).checked_sub(of(before)).ok_or(TooLong)?;
        let sum = tally.acknowledged.sum()?;
        expected = expected.checked_add(sum).ok_or(TooLong)?;
        observed = observed.checked_add(change).ok_or(TooLong)?;
        // What isn't told may be anything.
        if record.untold > 0 {
            continue;
        }
        let least = sum.checked_add(tally.unknown.down).ok_or(TooLong)?;
        let most = sum.checked_add(tally.unknown.up).ok_or(TooLong)?;
        let difference = if change < least {
            change - least
        } else if change > most {
            change - most
        } else {
            continue;
        };
        let undone = (tally.undone.count > 0).then(|| tally.undone.sum()).transpose()?;
        let text = |number: Decimal| number.normalize().to_string();
        let one = EffectDifference {
            kind: kind(tally, difference, undone),
            key: key.clone(),
            before: text(of(before)),
            after: text(of(after)),
            acknowledged: text(sum),
            operations: tally.acknowledged.count,
            least: text(least),
            most: text(most),
            difference: text(difference),
            undone: undone.map(text),
        };
        found.push((difference.abs(), one));
    }
    results.expected = expected.normalize().to_string();
    results.observed = observed.normalize().to_string();
    for (amount, one) in &found {
        let of_its_kind = results.broken.iter().position(|broken| broken.kind == one.kind);
        let at = of_its_kind.unwrap_or_else(|| {
            results.broken.push(BrokenKeys { kind: one.kind, keys: 0, amount: "0".to_owned() });
            results.broken.len() - 1
        });
        let broken = &mut results.broken[at];
        broken.keys += 1;
        let so_far: Decimal = broken.amount.parse().expect("it was written by a decimal");
        broken.amount = so_far.checked_add(*amount).ok_or(TooLong)?.normalize().to_string();
    }
    results.broken.sort_by_key(|broken| broken.kind);
    found.sort_by_key(|(amount, _)| Reverse(*amount));
    results.differences = found.into_iter().take(MOST_SHOWN).map(|(_, one)| one).collect();
    Ok(())
}

/// What a difference is: by its direction, and by what failed operations would have changed.
fn kind(tally: &Tally, difference: Decimal, undone: Option<Decimal>) -> DifferenceKind {
    let Tally { acknowledged, unknown, undone: failed } = tally;
    let within_failed = failed.down <= difference && difference <= failed.up && failed.count > 0;
    if acknowledged.count == 0 {
        return match (within_failed, unknown.count) {
            (true, _) => DifferenceKind::PhantomEffect,
            (false, 0) => DifferenceKind::Unaccounted,
            (false, _) => DifferenceKind::DoubleApplication,
        };
    }
    if undone == Some(difference) {
        return DifferenceKind::PhantomEffect;
    }
    let rises = difference > Decimal::ZERO;
    match (acknowledged.up.is_zero(), acknowledged.down.is_zero()) {
        // Only increases: lacking is lost.
        (false, true) if rises => DifferenceKind::DoubleApplication,
        (false, true) if -difference <= acknowledged.up => DifferenceKind::LostUpdate,
        (true, false) if !rises => DifferenceKind::DoubleApplication,
        (true, false) if difference <= -acknowledged.down => DifferenceKind::LostUpdate,
        _ => DifferenceKind::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    fn key(text: &str) -> Key {
        vec![text.to_owned()]
    }

    fn quantities(list: &[(&str, &str)]) -> Quantities {
        list.iter().map(|(name, amount)| (key(name), decimal(amount))).collect()
    }

    fn record(list: &[(&str, Certainty, &str)]) -> EffectRecord {
        let mut record = EffectRecord::default();
        for (name, certainty, amount) in list {
            record.add(key(name), *certainty, decimal(amount), 1);
        }
        record
    }

    fn compared(said: &[(&str, Certainty, &str)], before: &str, after: &str) -> EffectResults {
        let (before, after) = (quantities(&[("a", before)]), quantities(&[("a", after)]));
        compare(("stock by id", &key("id")), &record(said), (&before, &after), true)
    }

    #[track_caller]
    fn expect(results: &EffectResults, kind: DifferenceKind, difference: &str) {
        assert_eq!(results.differences.len(), 1, "{results:?}");
        let found = &results.differences[0];
        assert_eq!((found.kind, found.difference.as_str()), (kind, difference), "{results:?}");
    }

    use Certainty::{Acknowledged, Undone, Unknown};

    #[test]
    fn what_agrees_is_no_difference() {
        let said = [("a", Acknowledged, "-0.10"), ("a", Acknowledged, "-0.20"), ("a", Undone, "-5")];
        let results = compared(&said, "10", "9.7");
        assert!(results.broken.is_empty(), "{results:?}");
        assert_eq!((results.expected.as_str(), results.observed.as_str()), ("-0.3", "-0.3"));
        assert_eq!((results.acknowledged, results.undone, results.keys), (2, 1, 1));
    }

    #[test]
    fn differences_have_their_names() {
        let two = [("a", Acknowledged, "-1"), ("a", Acknowledged, "-1")];
        expect(&compared(&two, "10", "9"), DifferenceKind::LostUpdate, "1");
        expect(&compared(&two, "10", "7"), DifferenceKind::DoubleApplication, "-1");
        expect(&compared(&two, "10", "20"), DifferenceKind::Unclear, "12");
        let with_failed = [("a", Acknowledged, "-1"), ("a", Undone, "-2")];
        expect(&compared(&with_failed, "10", "7"), DifferenceKind::PhantomEffect, "-2");
        expect(&compared(&with_failed, "10", "8"), DifferenceKind::DoubleApplication, "-1");
        expect(&compared(&[("a", Undone, "5")], "0", "5"), DifferenceKind::PhantomEffect, "5");
        expect(&compared(&[], "0", "5"), DifferenceKind::Unaccounted, "5");
        let mixed = [("a", Acknowledged, "3"), ("a", Acknowledged, "-1")];
        expect(&compared(&mixed, "0", "3"), DifferenceKind::Unclear, "1");
    }

    #[test]
    fn unknown_outcomes_widen_the_bounds_and_no_more() {
        let said = [("a", Acknowledged, "1"), ("a", Unknown, "2"), ("a", Unknown, "-4")];
        for agrees in ["-3", "-1", "1", "3"] {
            assert!(compared(&said, "0", agrees).broken.is_empty(), "{agrees}");
        }
        let results = compared(&said, "0", "4");
        expect(&results, DifferenceKind::DoubleApplication, "1");
        let found = &results.differences[0];
        assert_eq!((found.least.as_str(), found.most.as_str()), ("-3", "3"));
        expect(&compared(&[("a", Unknown, "1")], "0", "2"), DifferenceKind::DoubleApplication, "1");
    }

    #[test]
    fn keys_that_others_may_change_are_left_alone() {
        let (before, after) = (quantities(&[("b", "1")]), quantities(&[("b", "2"), ("a", "1")]));
        let record = record(&[("a", Acknowledged, "1")]);
        let results = compare(("rows", &key("id")), &record, (&before, &after), false);
        assert_eq!((results.keys, results.broken.len()), (1, 0));
        let results = compare(("rows", &key("id")), &record, (&before, &after), true);
        expect(&results, DifferenceKind::Unaccounted, "1");
    }

    #[test]
    fn merging_adds_everything_and_nothing_is_rounded() {
        let mut one = record(&[("a", Acknowledged, "0.1"), ("a", Unknown, "1")]);
        let mut other = record(&[("a", Acknowledged, "0.2"), ("b", Undone, "-1")]);
        other.untold();
        one.merge(other);
        assert_eq!((one.acknowledged, one.unknown, one.undone, one.untold), (2, 1, 1, 1));
        assert_eq!(one.keys[&key("a")].acknowledged.sum(), Ok(decimal("0.3")));
        let large = Decimal::MAX.to_string();
        let results = compared(&[("a", Acknowledged, &large), ("a", Acknowledged, &large)], "0", "0");
        assert!(results.error.is_some_and(|error| error.contains("more digits")));
    }
}
