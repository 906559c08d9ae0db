//! A deadlock of the application as a cycle: whose statements waited, and which ones held what they waited for.
//!
//! The waits that the server told and the statements that its log has of each session come in, the parties
//! of the cycle go out, with statements' shapes in place of steps.

use std::{collections::HashMap, sync::Arc};

use super::{
    deadlocks::{CycleParty, LockTaken, Whose},
    statement_log::LoggedSession,
    statement_texts::{StatementText, StatementTexts},
};
use crate::{application::LoggedWait, plan::LockStrength};

/// How a session without a name is called.
const UNNAMED: &str = "application";
/// Of two texts of a statement no more is compared: the server may have cut one of them.
const COMPARED: usize = 300;

/// One session of the cycle.
struct Member {
    whose: Whose,
    /// What its transaction had carried out when it waited; the statement that waited is the last one.
    trail: Vec<Arc<StatementText>>,
    waited: Arc<StatementText>,
}

/// The parties, the victim first.
pub(super) fn parties(
    waits: &[LoggedWait],
    sessions: &HashMap<i32, LoggedSession>,
    texts: &mut StatementTexts,
) -> Vec<CycleParty> {
    let members: Vec<Member> = waits
        .iter()
        .map(|wait| {
            let waited = texts.read(&wait.statement);
            let session = sessions.get(&wait.process);
            let trail = session.and_then(|session| trail(session, &waited)).unwrap_or_default();
            let waited = trail.last().map_or(waited, Arc::clone);
            let called = || {
                let name = session.map(|session| session.name.clone()).filter(|name| !name.is_empty());
                name.unwrap_or_else(|| UNNAMED.to_owned())
            };
            let whose = Whose::Other(waited.comment.clone().unwrap_or_else(called));
            Member { whose, trail, waited }
        })
        .collect();
    let mut parties: Vec<CycleParty> = members
        .iter()
        .zip(waits)
        .enumerate()
        .map(|(index, (member, wait))| {
            let next = &members[(index + 1) % members.len()];
            let wanted = wanted(member, next, wait).map(|table| LockTaken {
                table,
                mode: wait.mode.clone(),
                step: String::new(),
                shared: false,
            });
            CycleParty {
                whose: member.whose.clone(),
                step: member.waited.shape.clone(),
                wanted,
                held: None,
            }
        })
        .collect();
    for index in 0..parties.len() {
        let next = (index + 1) % parties.len();
        let table = parties[index].wanted.as_ref().map(|lock| lock.table.clone());
        parties[next].held = table.and_then(|table| held(&members[next], &table));
    }
    parties
}

/// The transaction in which a statement waited, up to it: the one under way, or one that has ended since.
fn trail(session: &LoggedSession, waited: &StatementText) -> Option<Vec<Arc<StatementText>>> {
    let under_way = session.current.iter().map(|current| &current.statements);
    let all: Vec<&Vec<Arc<StatementText>>> = under_way.chain(session.ended.iter().rev()).collect();
    let by = |is_it: &dyn Fn(&StatementText) -> bool| {
        all.iter().find_map(|statements| {
            let at = statements.iter().rposition(|one| is_it(one))?;
            Some(statements[..=at].to_vec())
        })
    };
    by(&|one| is_same(&one.text, &waited.text)).or_else(|| by(&|one| one.shape == waited.shape))
}

/// Whether two texts are of one statement, of which one may be cut and written on one line.
fn is_same(one: &str, other: &str) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).take(COMPARED).collect() };
    let (one, other) = (plain(one), plain(other));
    !other.is_empty() && (one.starts_with(&other) || other.starts_with(&one))
}

/// The table that a session waited for: what the server tells, or what its statement locks and the next one
/// had locked.
fn wanted(member: &Member, next: &Member, wait: &LoggedWait) -> Option<String> {
    let tables = || member.waited.locks.iter().map(|lock| &lock.table);
    // An index would be no table.
    let told = wait.table.as_ref().filter(|table| tables().any(|known| known == *table));
    let before = &next.trail[..next.trail.len().saturating_sub(1)];
    let is_held = |table: &&String| {
        before.iter().flat_map(|statement| &statement.locks).any(|lock| lock.table == **table)
    };
    told.or_else(|| tables().find(is_held)).or_else(|| tables().next()).or(wait.table.as_ref()).cloned()
}

/// The first lock on a table that a session took until it had to wait.
fn held(member: &Member, table: &str) -> Option<LockTaken> {
    member.trail.iter().find_map(|statement| {
        let lock = statement.locks.iter().find(|lock| lock.table == table)?;
        Some(LockTaken {
            table: table.to_owned(),
            mode: lock.strength.describe().to_owned(),
            step: statement.shape.clone(),
            shared: lock.strength == LockStrength::SharedRows,
        })
    })
}
