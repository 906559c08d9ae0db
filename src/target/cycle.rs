//! Who waited for whom in a deadlock, in one form for every database that tells.

use super::{Deadlock, Failure, mysql::latest_deadlock};

/// One session that waited for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleEdge {
    /// Server process or connection.
    pub waiting: i32,
    pub blocking: i32,
    /// The mode that it asked for, as the server calls it.
    pub mode: String,
    /// The table, where the server tells.
    pub table: Option<String>,
}

/// PostgreSQL's lock modes.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// What PostgreSQL answers to the victim.
pub(super) fn told(failure: &Failure) -> Vec<CycleEdge> {
    cycle_told(failure.detail.as_deref().unwrap_or_default(), failure.context.as_deref())
}

/// The cycle in the detail and the context of what PostgreSQL answers to the victim: a line for each process of the cycle, which begins with the
/// victim. The words depend on the server's language; the numbers at both ends and the modes don't.
pub fn cycle_told(detail: &str, context: Option<&str>) -> Vec<CycleEdge> {
    let mut edges: Vec<CycleEdge> = detail.lines().filter_map(edge).collect();
    if let (Some(first), Some(table)) = (edges.first_mut(), context.and_then(relation)) {
        first.table = Some(table);
    }
    in_a_circle(edges)
}

/// `Process 1 waits for ShareLock on transaction 7; blocked by process 2.`
fn edge(line: &str) -> Option<CycleEdge> {
    let numbers = || line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let (waiting, blocking) = (numbers().next()?, numbers().next_back()?);
    let mode = line.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| MODES.contains(word))?;
    Some(CycleEdge { waiting, blocking, mode: mode.to_owned(), table: None })
}

/// `while locking tuple (0,3) in relation "orders"`: what the victim was after.
fn relation(context: &str) -> Option<String> {
    let line = context.lines().next()?;
    let name = line.rsplit('"').nth(1)?;
    Some(name.to_owned())
}

/// What the engine's status tells of its latest deadlock, when that one's victim was `victim`.
pub fn cycle_in_status(status: &str, victim: i32) -> Vec<CycleEdge> {
    latest_deadlock(status).map_or_else(Vec::new, |deadlock| of_status(&deadlock, victim))
}

/// What the engine's status tells of a deadlock whose victim was `victim`.
pub(super) fn of_status(deadlock: &Deadlock, victim: i32) -> Vec<CycleEdge> {
    let Some(first) = deadlock.victim.filter(|index| deadlock.transactions[*index].thread == victim) else {
        return Vec::new();
    };
    let mut edges = Vec::new();
    let mut index = first;
    for _ in 0..deadlock.transactions.len() {
        let one = &deadlock.transactions[index];
        let Some(next) = one.blocked_by else { break };
        edges.push(CycleEdge {
            waiting: one.thread,
            blocking: deadlock.transactions[next].thread,
            mode: one.waits_for.as_ref().map(|lock| lock.mode.clone()).unwrap_or_default(),
            table: one.waits_for.as_ref().map(|lock| lock.table.clone()),
        });
        index = next;
        if index == first {
            break;
        }
    }
    in_a_circle(edges)
}

/// The edges when each goes on where the one before ends and the last one comes back; else none.
fn in_a_circle(edges: Vec<CycleEdge>) -> Vec<CycleEdge> {
    let goes_on = edges.windows(2).all(|two| two[0].blocking == two[1].waiting);
    let comes_back =
        edges.first().zip(edges.last()).is_some_and(|(first, last)| last.blocking == first.waiting);
    if goes_on && comes_back && edges.len() > 1 { edges } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(edges: &[CycleEdge]) -> Vec<String> {
        let table = |edge: &CycleEdge| edge.table.clone().unwrap_or_else(|| "?".to_owned());
        let line = |edge: &CycleEdge| {
            format!("{} -> {} {} {}", edge.waiting, edge.blocking, edge.mode, table(edge))
        };
        edges.iter().map(line).collect()
    }

    #[test]
    fn the_cycle_is_read_in_any_language() {
        let english = "Process 11 waits for ShareLock on transaction 745; blocked by process 22.\n\
                       Process 22 waits for ExclusiveLock on tuple (0,3) of relation 16390 of database 5; blocked by process 11.";
        let german = "Prozess 11 wartet auf ShareLock-Sperre auf Transaktion 745; blockiert von Prozess 22.\n\
                      Prozess 22 wartet auf ExclusiveLock-Sperre auf Tupel (0,3) in Relation 16390 der Datenbank 5; blockiert von Prozess 11.";
        for detail in [english, german] {
            let failure = Failure::deadlock(detail, "while locking tuple (0,12) in relation \"orders\"");
            assert_eq!(shown(&told(&failure)), ["11 -> 22 ShareLock orders", "22 -> 11 ExclusiveLock ?"]);
        }
    }

    #[test]
    fn what_is_no_circle_is_nothing() {
        let open = "Process 1 waits for ShareLock on transaction 7; blocked by process 2.\n\
                    Process 3 waits for ShareLock on transaction 8; blocked by process 1.";
        for detail in
            [open, "", "Process 1 waits for ShareLock on transaction 7; blocked by process 1.", "x\n1 2\n"]
        {
            assert_eq!(told(&Failure::deadlock(detail, "")), [], "{detail}");
        }
    }

    #[test]
    fn the_engines_status_gives_the_same_form() {
        let mariadb = include_str!("../../tests/data/innodb/mariadb-10.11.txt");
        let mysql = include_str!("../../tests/data/innodb/mysql-8.0.txt");
        let of = |status, victim| of_status(&latest_deadlock(status).expect("a deadlock"), victim);
        assert_eq!(
            shown(&of(mariadb, 5)),
            [
                "5 -> 4 lock_mode X locks rec but not gap orders",
                "4 -> 5 lock_mode X locks rec but not gap trackers"
            ]
        );
        assert_eq!(
            shown(&of(mysql, 12)),
            [
                "12 -> 11 lock_mode X locks rec but not gap orders",
                "11 -> 12 lock_mode X locks rec but not gap trackers"
            ]
        );
        assert_eq!(of(mysql, 11), [], "the latest deadlock is another one");
    }
}
