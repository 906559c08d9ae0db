//! Deadlocks in words: who waited for whom, and which two steps to reorder.

use std::cmp::Ordering;

use super::{cells::grouped, document::Document};
use crate::measure::{DeadlockCycle, DeadlockParty};

/// What is said of one kind of deadlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explained {
    /// `pay and refund, 12 times`.
    pub heading: String,
    /// One sentence for each session: what it held and what it waited for.
    pub parties: Vec<String>,
    /// What to change.
    pub advice: String,
}

/// All kinds, most frequent first.
pub(super) fn explained(document: &Document) -> Vec<Explained> {
    document.deadlocks.cycles.iter().map(|cycle| explain(document, cycle)).collect()
}

fn explain(document: &Document, cycle: &DeadlockCycle) -> Explained {
    let mut names: Vec<String> = cycle.parties.iter().map(|party| party.operation.clone()).collect();
    if let [one, other] = names.as_mut_slice()
        && one == other
    {
        *other = format!("another {one}");
    }
    let times =
        if cycle.count == 1 { "once".to_owned() } else { format!("{} times", grouped(cycle.count)) };
    Explained {
        heading: format!("{}, {times}", names.join(" and ")),
        parties: cycle.parties.iter().map(sentence).collect(),
        advice: advice(document, cycle),
    }
}

fn sentence(party: &DeadlockParty) -> String {
    let DeadlockParty { operation, step, wanted, held, victims, .. } = party;
    let mut text = operation.clone();
    if let Some(held) = held {
        let since = if held.step == *step || held.step.is_empty() {
            String::new()
        } else {
            format!(" since step `{}`", held.step)
        };
        text.push_str(&format!(" held {}{since} and", held.table));
    }
    let wanted = wanted.as_ref().map_or_else(
        || "a lock".to_owned(),
        |wanted| {
            let mode = if wanted.mode.is_empty() { String::new() } else { format!(" ({})", wanted.mode) };
            format!("{}{mode}", wanted.table)
        },
    );
    text.push_str(&format!(" waited for {wanted}"));
    if !step.is_empty() {
        text.push_str(&format!(" with step `{step}`"));
    }
    match victims {
        0 => {}
        1 => text.push_str("; rolled back once"),
        victims => text.push_str(&format!("; rolled back {} times", grouped(*victims))),
    }
    text
}

fn advice(document: &Document, cycle: &DeadlockCycle) -> String {
    let wrong: Vec<&DeadlockParty> =
        cycle.parties.iter().filter(|party| party.against_order == Some(true)).collect();
    if !wrong.is_empty() {
        let tables: Vec<&str> = cycle.parties.iter().filter_map(wanted_table).collect();
        let order = document.lock_order.declared.values().flatten();
        let order: Vec<&str> = order.map(String::as_str).filter(|table| tables.contains(table)).collect();
        let each: Vec<String> = wrong.iter().filter_map(|party| move_step(party)).collect();
        return format!("The declared order is {}: {}.", order.join(", then "), each.join("; "));
    }
    if let Some((held, party)) = cycle.parties.iter().find_map(|party| {
        let held = party.held.as_ref()?;
        (held.shared && wanted_table(party) == Some(&held.table)).then_some((held, party))
    }) {
        return format!(
            "{} shares rows of {} with others in `{}` and changes them in `{}`: lock them for writing at once.",
            party.operation, held.table, held.step, party.step
        );
    }
    let same_table =
        |party: &DeadlockParty| party.held.as_ref().map(|held| held.table.as_str()) == wanted_table(party);
    if let Some(table) = wanted_table(&cycle.parties[0]).filter(|_| cycle.parties.iter().all(same_table)) {
        return format!("Each locks several rows of {table}: lock them in one order, for example by key.");
    }
    let each: Vec<String> = cycle.parties.iter().filter_map(swap).collect();
    match each.as_slice() {
        [] => String::new(),
        [only] => format!("Reorder the steps: {only}."),
        _ => format!("Reorder the steps of one of them: {}.", each.join(", or ")),
    }
}

fn wanted_table(party: &DeadlockParty) -> Option<&str> {
    party.wanted.as_ref().map(|wanted| wanted.table.as_str())
}

/// What to do with the step of a party that breaks the declared order.
fn move_step(party: &DeadlockParty) -> Option<String> {
    let (wanted, held) = (party.wanted.as_ref()?, party.held.as_ref()?);
    Some(format!(
        "{} breaks it, and should lock {} as in `{}` before `{}`",
        party.operation, wanted.table, party.step, held.step
    ))
}

fn swap(party: &DeadlockParty) -> Option<String> {
    let (wanted, held) = (party.wanted.as_ref()?, party.held.as_ref()?);
    (wanted.table != held.table)
        .then(|| format!("in {} lock {} before `{}`", party.operation, wanted.table, held.step))
}

/// What isn't explained, in a sentence; empty when everything is.
pub(super) fn rest(document: &Document) -> String {
    let deadlocks = &document.deadlocks;
    let mut parts = Vec::new();
    if deadlocks.more > 0 {
        parts.push(format!("{} of other kinds", grouped(deadlocks.more)));
    }
    if deadlocks.unexplained > 0 {
        parts
            .push(format!("{} whose cycle the server didn't tell in time", grouped(deadlocks.unexplained)));
    }
    if parts.is_empty() { String::new() } else { format!("Besides, {}.", parts.join(" and ")) }
}

/// The server's own count beside that of the operations, in a sentence; empty when both are none, and of an
/// application under test, whose answers are held against it elsewhere.
pub(super) fn counted(document: &Document) -> String {
    let Some(server) = document.deadlocks.server.as_ref().filter(|_| document.application.is_none()) else {
        return String::new();
    };
    let met = server.met;
    let doubt = server.unknown.as_ref().map_or_else(String::new, |why| format!(" Not known: {why}."));
    let Some(counted) = server.counted() else {
        return format!("Operations met {}.{doubt}", deadlocks(met));
    };
    match counted.cmp(&met) {
        Ordering::Equal if met == 0 && doubt.is_empty() => String::new(),
        Ordering::Equal => {
            format!("The server counted {}, and operations met as many.{doubt}", deadlocks(met))
        }
        Ordering::Greater => format!(
            "The server counted {}, operations met {}: {} of them reached no operation. A function may have \
             swallowed them, or somebody else met them.{doubt}",
            deadlocks(counted),
            grouped(met),
            grouped(counted - met)
        ),
        Ordering::Less => {
            format!("The server counted {}, operations met {}.{doubt}", deadlocks(counted), grouped(met))
        }
    }
}

fn deadlocks(count: u64) -> String {
    if count == 1 { "1 deadlock".to_owned() } else { format!("{} deadlocks", grouped(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{HeldLock, ServerDeadlocks, WantedLock};

    #[test]
    fn the_servers_count_stands_beside_that_of_the_operations() {
        let text = include_str!("../../tests/data/yesterday.json");
        let mut document: Document = serde_json::from_str(text).expect("a document");
        let mut said = |before, after, met, unknown: Option<&str>| {
            let unknown = unknown.map(str::to_owned);
            document.deadlocks.server = Some(ServerDeadlocks { before, after, met, unknown });
            counted(&document)
        };
        assert_eq!(said(Some(7), Some(7), 0, None), "");
        assert_eq!(
            said(Some(7), Some(35), 28, None),
            "The server counted 28 deadlocks, and operations met as many."
        );
        assert_eq!(
            said(Some(7), Some(38), 28, None),
            "The server counted 31 deadlocks, operations met 28: 3 of them reached no operation. A function may \
             have swallowed them, or somebody else met them."
        );
        assert_eq!(said(Some(7), Some(8), 2, None), "The server counted 1 deadlock, operations met 2.");
        let anew = Some("it has begun to count anew");
        assert_eq!(
            said(Some(7), Some(0), 1, anew),
            "Operations met 1 deadlock. Not known: it has begun to count anew."
        );
        document.deadlocks.server = None;
        assert_eq!(counted(&document), "");
    }

    fn party(
        operation: &str,
        held: (&str, &str),
        wanted: (&str, &str),
        against: Option<bool>,
    ) -> DeadlockParty {
        DeadlockParty {
            operation: operation.to_owned(),
            step: wanted.1.to_owned(),
            wanted: Some(WantedLock { table: wanted.0.to_owned(), mode: "ShareLock".to_owned() }),
            held: Some(HeldLock {
                table: held.0.to_owned(),
                step: held.1.to_owned(),
                ..HeldLock::default()
            }),
            against_order: against,
            victims: 1,
        }
    }

    fn said(order: &[&str], parties: Vec<DeadlockParty>) -> Explained {
        let text = include_str!("../../tests/data/yesterday.json");
        let mut document: Document = serde_json::from_str(text).expect("a document");
        let order = order.iter().map(|table| (*table).to_owned()).collect();
        document.lock_order.declared = [("db".to_owned(), order)].into();
        explain(&document, &DeadlockCycle { count: 2, parties })
    }

    #[test]
    fn the_declared_order_decides_which_one_is_wrong() {
        let parties = vec![
            party("pay", ("orders", "lock order"), ("trackers", "book"), Some(false)),
            party("refund", ("trackers", "lock tracker"), ("orders", "lock order"), Some(true)),
        ];
        let explained = said(&["orders", "items", "trackers"], parties);
        assert_eq!(explained.heading, "pay and refund, 2 times");
        assert_eq!(
            explained.parties[0],
            "pay held orders since step `lock order` and waited for trackers (ShareLock) with step `book`; rolled back once"
        );
        assert_eq!(
            explained.advice,
            "The declared order is orders, then trackers: refund breaks it, and should lock orders as in \
             `lock order` before `lock tracker`."
        );
    }

    #[test]
    fn without_an_order_either_may_be_changed() {
        let parties = vec![
            party("pay", ("orders", "a"), ("trackers", "b"), None),
            party("refund", ("trackers", "c"), ("orders", "d"), None),
        ];
        assert_eq!(
            said(&[], parties).advice,
            "Reorder the steps of one of them: in pay lock trackers before `a`, or in refund lock orders before `c`."
        );
    }

    #[test]
    fn rows_of_one_table_and_shared_locks_have_advice_of_their_own() {
        let twice = || party("pay", ("orders", "a"), ("orders", "a"), Some(false));
        let rows = said(&["orders"], vec![twice(), twice()]);
        assert_eq!(rows.heading, "pay and another pay, 2 times");
        assert_eq!(
            rows.advice,
            "Each locks several rows of orders: lock them in one order, for example by key."
        );
        let mut sharing = party("pay", ("orders", "look"), ("orders", "change"), Some(false));
        sharing.held.as_mut().expect("held").shared = true;
        assert_eq!(
            said(&["orders"], vec![sharing.clone(), sharing]).advice,
            "pay shares rows of orders with others in `look` and changes them in `change`: lock them for writing at once."
        );
    }
}
