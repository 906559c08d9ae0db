//! What a worker that was the victim of a deadlock finds out about it.
//!
//! The server tells who waited for whom; the board tells which statement each of them was carrying out,
//! and which ones before. By the time the victim looks, the others have gone on: a step that waited is
//! known by what it locks and by how long it took.

use std::time::Duration;

use super::worker::Worker;
use crate::{
    measure::{CycleParty, LockTaken, Tread, Whose},
    plan::{LockStrength, Plan, Statement},
    target::{CycleEdge, Failure},
};

/// Where the server has to be asked for its latest deadlock, it is asked no more often.
const PAUSE: Duration = Duration::from_millis(5);
/// How long it may take, in microseconds, until the victim hears of the deadlock; the others may have begun
/// their next statement by then.
const GOING_ON: u64 = 2_000;

/// A session of the cycle, and what its transaction did.
struct Member {
    whose: Whose,
    /// Statements of its transaction, in their order, that began before the deadlock was known.
    trail: Vec<Tread>,
    /// The one that waited, as a place in the trail.
    waited: Option<usize>,
}

impl Worker {
    /// Notes that a statement begins.
    pub(super) fn leave_trail(&mut self, statement: usize) {
        let first = std::mem::take(&mut self.begins) || self.held.is_none();
        let board = &self.shared.settings.board;
        board.statement_begins(self.number, self.statements, statement, first);
        self.statements = self.statements.wrapping_add(1);
    }

    /// Counts the cycle of a deadlock that this worker's `step` met. Its transaction has ended.
    pub(super) async fn explain_deadlock(&mut self, step: &str, failure: &Failure) {
        let is_told = self.session.as_ref().is_some_and(crate::target::Session::tells_deadlocks);
        let edges = if is_told || self.shared.settings.board.may_ask(PAUSE) {
            // What the server doesn't tell stays unexplained.
            self.session().deadlock_cycle(failure).await.unwrap_or_default()
        } else {
            Vec::new()
        };
        let parties = self.parties(&edges, step);
        let mut recorder = self.recorder.borrow_mut();
        if parties.is_empty() { recorder.deadlocks.unexplained() } else { recorder.deadlocks.add(parties) }
    }

    fn parties(&self, edges: &[CycleEdge], step: &str) -> Vec<CycleParty> {
        let known = self.failed_at;
        let settings = &self.shared.settings;
        let (plan, board) = (&settings.plan, &settings.board);
        let Some(me) = edges.first().map(|edge| edge.waiting) else { return Vec::new() };
        // The victim waited from here on, and so did the others for a part of that time.
        let Some(begun) = board.trail_of(me, known).and_then(|trail| Some(trail.last()?.begun)) else {
            return Vec::new();
        };
        let mut members: Vec<Member> = edges
            .iter()
            .map(|edge| match (board.operation_of(edge.waiting), board.trail_of(edge.waiting, begun)) {
                (Some(operation), Some(mut trail)) => {
                    trail.retain(|tread| tread.begun <= known);
                    // NB: the board has the operation of now, the trail that of the deadlock.
                    let whose = trail.first().and_then(|tread| operation_of(plan, tread.statement));
                    let whose = Whose::Operation(whose.unwrap_or(operation));
                    Member { whose, trail, waited: None }
                }
                _ => Member { whose: Whose::Other("outside".to_owned()), trail: Vec::new(), waited: None },
            })
            .collect();
        let tables = known_tables(plan);
        // The victim first, then backwards, so that it is known what those had locked who are waited for.
        members[0].waited = members[0].trail.len().checked_sub(1);
        for index in (1..members.len()).rev() {
            let next = &members[(index + 1) % members.len()];
            let blocker = next.waited.map_or(&[][..], |last| &next.trail[..=last]);
            let table = edges[index].table.as_deref().filter(|table| tables.contains(table));
            members[index].waited = waited(plan, &members[index].trail, blocker, table, (begun, known));
        }
        let mut parties: Vec<CycleParty> = members
            .iter()
            .zip(edges)
            .enumerate()
            .map(|(index, (member, edge))| {
                let next = &members[(index + 1) % members.len()];
                let table = edge.table.as_deref().filter(|table| tables.contains(table));
                party(plan, member, next, edge, table)
            })
            .collect();
        parties[0].step = step.to_owned();
        for index in 0..parties.len() {
            let next = (index + 1) % parties.len();
            let wanted = parties[index].wanted.as_ref().map(|lock| lock.table.clone());
            parties[next].held = wanted.and_then(|table| held(plan, &members[next], &table));
        }
        without_queues(parties)
    }
}

fn operation_of(plan: &Plan, statement: usize) -> Option<usize> {
    let name = &plan.statements.get(statement)?.operation;
    plan.operations.iter().position(|operation| operation.name == *name)
}

/// Tables that the plan's statements lock: what else a server names may be an index.
fn known_tables(plan: &Plan) -> Vec<&str> {
    let facts = plan.statements.iter().filter_map(|statement| statement.facts.as_ref());
    facts.flat_map(|facts| &facts.locks).map(|lock| lock.table.as_str()).collect()
}

fn tables(statement: &Statement) -> impl Iterator<Item = &str> {
    statement.facts.iter().flat_map(|facts| &facts.locks).map(|lock| lock.table.as_str())
}

/// The statement that waited at the second of two moments, or began between them: the latest one that locks
/// the `table` or, where the server doesn't tell that, a table that the blocker had locked. One that began
/// just before may have begun after the deadlock was resolved, and counts where the table is told alone.
/// When none fits, it is the one that took longest.
fn waited(
    plan: &Plan,
    trail: &[Tread],
    blocker: &[Tread],
    table: Option<&str>,
    (from, until): (u64, u64),
) -> Option<usize> {
    let lasted = |index: usize| {
        let end = trail.get(index + 1).map_or(until, |next| next.begun);
        end.saturating_sub(trail[index].begun.max(from))
    };
    let fits = |index: &usize| {
        tables(&plan.statements[trail[*index].statement]).any(|locked| match table {
            Some(table) => locked == table,
            None => blocker.iter().any(|one| tables(&plan.statements[one.statement]).any(|t| t == locked)),
        })
    };
    let current = trail.iter().rposition(|tread| tread.begun <= from).unwrap_or(0);
    let surely = until.saturating_sub(if table.is_some() { 0 } else { GOING_ON });
    (current..trail.len())
        .rev()
        .find(|index| trail[*index].begun <= surely && fits(index))
        .or_else(|| (current..trail.len()).max_by_key(|index| lasted(*index)))
}

/// All of a party but what it held.
fn party(plan: &Plan, member: &Member, next: &Member, edge: &CycleEdge, table: Option<&str>) -> CycleParty {
    let statement = member.waited.map(|index| &plan.statements[member.trail[index].statement]);
    let held_before = &next.trail[..next.waited.unwrap_or_default()];
    let by_next = |table: &&str| held_before.iter().any(|one| takes(plan, *one, table).is_some());
    let likely = || {
        let statement = statement?;
        tables(statement).find(by_next).or_else(|| tables(statement).next())
    };
    let step = statement.map(|statement| statement.step.clone()).unwrap_or_default();
    let wanted = table.or_else(likely).or(edge.table.as_deref()).map(|table| LockTaken {
        table: table.to_owned(),
        mode: edge.mode.clone(),
        step: String::new(),
        shared: false,
    });
    CycleParty { whose: member.whose.clone(), step, wanted, held: None }
}

/// The first lock on a table that a transaction took until it had to wait; its last statement may have
/// locked some rows and wait for others.
fn held(plan: &Plan, member: &Member, table: &str) -> Option<LockTaken> {
    member.trail[..=member.waited?].iter().find_map(|tread| takes(plan, *tread, table))
}

fn takes(plan: &Plan, tread: Tread, table: &str) -> Option<LockTaken> {
    let statement = &plan.statements[tread.statement];
    let lock = statement.facts.as_ref()?.locks.iter().find(|lock| lock.table == table)?;
    Some(LockTaken {
        table: table.to_owned(),
        mode: lock.strength.describe().to_owned(),
        step: statement.step.clone(),
        shared: lock.strength == LockStrength::SharedRows,
    })
}

/// Without those who only stand in a queue for a row, where a place in the queue is a lock too: whoever
/// waits behind them waits for what they wait for, and it is the same deadlock whether they are there or not.
fn without_queues(mut parties: Vec<CycleParty>) -> Vec<CycleParty> {
    let stands_in_queue = |party: &CycleParty| match (&party.wanted, &party.held) {
        (Some(wanted), Some(held)) => wanted.table == held.table && held.step == party.step,
        (_, None) => true,
        (None, Some(_)) => false,
    };
    while parties.len() > 2 {
        let Some(index) = parties.iter().position(stands_in_queue) else { break };
        let queued = parties.remove(index);
        let before = (index + parties.len() - 1) % parties.len();
        parties[before].wanted = queued.wanted;
    }
    parties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(table: &str, mode: &str, step: &str) -> Option<LockTaken> {
        Some(LockTaken {
            table: table.to_owned(),
            mode: mode.to_owned(),
            step: step.to_owned(),
            shared: false,
        })
    }

    fn party(operation: usize, step: &str, wanted: (&str, &str), held: (&str, &str)) -> CycleParty {
        CycleParty {
            whose: Whose::Operation(operation),
            step: step.to_owned(),
            wanted: lock(wanted.0, wanted.1, ""),
            held: lock(held.0, "locks rows", held.1),
        }
    }

    #[test]
    fn who_only_stands_in_a_queue_is_left_out() {
        let cycle = vec![
            party(0, "lock order", ("orders", "ShareLock"), ("orders", "lock order")),
            party(1, "reopen tracker", ("trackers", "ExclusiveLock"), ("orders", "lock order")),
            party(2, "lock tracker", ("trackers", "ShareLock"), ("trackers", "lock tracker")),
            party(2, "lock order", ("orders", "ExclusiveLock"), ("trackers", "lock tracker")),
        ];
        let left = [
            party(1, "reopen tracker", ("trackers", "ShareLock"), ("orders", "lock order")),
            party(2, "lock order", ("orders", "ShareLock"), ("trackers", "lock tracker")),
        ];
        assert_eq!(without_queues(cycle), left);
    }

    #[test]
    fn two_statements_that_lock_rows_in_different_orders_stay() {
        let cycle = vec![
            party(0, "pay", ("orders", "ShareLock"), ("orders", "pay")),
            party(1, "pay", ("orders", "ShareLock"), ("orders", "pay")),
        ];
        assert_eq!(without_queues(cycle.clone()), cycle);
    }
}
