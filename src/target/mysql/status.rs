//! Reads `SHOW ENGINE INNODB STATUS`, in MariaDB's form and in MySQL's.
//!
//! The text holds statements as clients sent them, so that nothing in it can be trusted: a part counts only
//! when the transactions and locks that it names agree with each other, and texts are cut.

use super::view::table_name;

const LONGEST_STATEMENT: usize = 1_000;
/// Transactions of one deadlock that are kept.
const MOST_TRANSACTIONS: usize = 20;

/// The deadlock that the engine has resolved last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deadlock {
    pub transactions: Vec<DeadlockedTransaction>,
    /// Index of the transaction that was rolled back.
    pub victim: Option<usize>,
}

/// A transaction of a deadlock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadlockedTransaction {
    /// The engine's number of it.
    pub number: u64,
    /// The connection's number.
    pub thread: i32,
    /// What it was doing, as the client sent it.
    pub statement: String,
    /// The lock that it waited for.
    pub waits_for: Option<RequestedLock>,
    /// Index of the transaction that held that lock.
    pub blocked_by: Option<usize>,
}

/// A lock that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedLock {
    /// Without its schema and quotes.
    pub table: String,
    /// `None` for a lock on the table.
    pub index: Option<String>,
    /// `lock_mode X locks rec but not gap`
    pub mode: String,
    transaction: u64,
}

/// Connections of transactions that wait for a lock.
pub fn waiting_threads(status: &str) -> Vec<i32> {
    let mut waiting = Vec::new();
    let mut in_wait = false;
    let sessions =
        status.rsplit_once("LIST OF TRANSACTIONS FOR EACH SESSION:").map_or("", |(_, list)| list);
    for line in sessions.lines() {
        if line.starts_with("---TRANSACTION ") {
            in_wait = false;
        } else if line.starts_with("LOCK WAIT ") {
            in_wait = true;
        } else if let (true, Some(thread)) = (in_wait, thread_id(line)) {
            waiting.push(thread);
            in_wait = false;
        }
    }
    waiting
}

/// What a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Statement,
    Holds,
    Waits,
    Conflict,
}

/// The latest deadlock; `None` when there was none.
pub fn latest_deadlock(status: &str) -> Option<Deadlock> {
    let (_, text) = status.split_once("LATEST DETECTED DEADLOCK\n")?;
    let mut deadlock = Deadlock::default();
    let mut held: Vec<Vec<RequestedLock>> = Vec::new();
    let mut conflicts: Vec<Option<u64>> = Vec::new();
    let mut part = Part::Head;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(victim) = line.strip_prefix("*** WE ROLL BACK TRANSACTION (") {
            let number = victim.strip_suffix(')').and_then(|number| number.parse::<usize>().ok());
            deadlock.victim =
                number.and_then(|n| n.checked_sub(1)).filter(|n| *n < deadlock.transactions.len());
            break;
        }
        let begins = line.starts_with("*** (") && line.ends_with(") TRANSACTION:");
        if let Some(number) = lines.peek().and_then(|next| transaction_number(next)).filter(|_| begins) {
            if deadlock.transactions.len() == MOST_TRANSACTIONS {
                break;
            }
            deadlock
                .transactions
                .push(DeadlockedTransaction { number, ..DeadlockedTransaction::default() });
            held.push(Vec::new());
            conflicts.push(None);
            part = Part::Head;
            continue;
        }
        let Some(one) = deadlock.transactions.last_mut() else { continue };
        if line.starts_with("*** ") {
            part = section(line).unwrap_or(part);
        } else if let (Part::Head, Some(thread)) = (part, thread_id(line)) {
            one.thread = thread;
            part = Part::Statement;
        } else if part == Part::Statement {
            add_line(&mut one.statement, line);
        } else if let Some(lock) = lock(line) {
            match part {
                Part::Waits if lock.transaction == one.number => one.waits_for = Some(lock),
                Part::Holds if lock.transaction == one.number => held.last_mut()?.push(lock),
                Part::Conflict => *conflicts.last_mut()? = Some(lock.transaction),
                _ => {}
            }
        }
    }
    find_blockers(&mut deadlock, &held, &conflicts);
    (deadlock.transactions.len() > 1).then_some(deadlock)
}

/// MariaDB names the lock that conflicts; of MySQL's it is known what each transaction holds.
fn find_blockers(deadlock: &mut Deadlock, held: &[Vec<RequestedLock>], conflicts: &[Option<u64>]) {
    let numbers: Vec<u64> = deadlock.transactions.iter().map(|one| one.number).collect();
    for (index, one) in deadlock.transactions.iter_mut().enumerate() {
        let named = conflicts[index].and_then(|number| numbers.iter().position(|known| *known == number));
        let holder = || {
            let wanted = one.waits_for.as_ref()?;
            let holds = |locks: &Vec<RequestedLock>| {
                locks.iter().any(|lock| lock.table == wanted.table && lock.index == wanted.index)
            };
            held.iter().enumerate().position(|(other, locks)| other != index && holds(locks))
        };
        one.blocked_by = named.or_else(holder).filter(|other| *other != index);
    }
}

fn section(line: &str) -> Option<Part> {
    if line.ends_with("WAITING FOR THIS LOCK TO BE GRANTED:") {
        Some(Part::Waits)
    } else if line.ends_with("HOLDS THE LOCK(S):") {
        Some(Part::Holds)
    } else if line == "*** CONFLICTING WITH:" {
        Some(Part::Conflict)
    } else {
        None
    }
}

/// `TRANSACTION 30, ACTIVE 0 sec …`
fn transaction_number(line: &str) -> Option<u64> {
    line.strip_prefix("TRANSACTION ")?.split_once(", ACTIVE")?.0.parse().ok()
}

/// `MariaDB thread id 5, OS thread handle …`
fn thread_id(line: &str) -> Option<i32> {
    let rest = line.strip_prefix("MariaDB thread id ").or_else(|| line.strip_prefix("MySQL thread id "))?;
    rest.split_once(',')?.0.parse().ok()
}

/// `RECORD LOCKS … index PRIMARY of table `shop`.`orders` trx id 30 lock_mode X …`, or
/// `TABLE LOCK table `shop`.`orders` trx id 30 lock mode IX`.
fn lock(line: &str) -> Option<RequestedLock> {
    let (index, rest) = if line.starts_with("RECORD LOCKS ") {
        let (before, rest) = line.split_once(" of table ")?;
        (Some(before.split_once(" index ")?.1.trim_matches('`').to_owned()), rest)
    } else {
        (None, line.strip_prefix("TABLE LOCK table ")?)
    };
    let (table, rest) = rest.rsplit_once(" trx id ")?;
    let (transaction, mode) = rest.split_once(' ')?;
    Some(RequestedLock {
        table: table_name(table),
        index,
        mode: mode.trim_end_matches(" waiting").to_owned(),
        transaction: transaction.parse().ok()?,
    })
}

fn add_line(statement: &mut String, line: &str) {
    let room = LONGEST_STATEMENT.saturating_sub(statement.chars().count());
    if line.is_empty() || room == 0 {
        return;
    }
    if !statement.is_empty() {
        statement.push(' ');
    }
    statement.extend(line.chars().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB: &str = include_str!("../../../tests/data/innodb/mariadb-10.11.txt");
    const MYSQL: &str = include_str!("../../../tests/data/innodb/mysql-8.0.txt");

    /// `11 "UPDATE …" waits for trackers.PRIMARY held by 12`
    fn shown(status: &str) -> Vec<String> {
        let deadlock = latest_deadlock(status).expect("a deadlock");
        let each = deadlock.transactions.iter().enumerate().map(|(index, one)| {
            let lock = one.waits_for.as_ref().expect("a lock");
            let by = &deadlock.transactions[one.blocked_by.expect("a blocker")];
            let victim = if deadlock.victim == Some(index) { ", the victim" } else { "" };
            let index = lock.index.as_deref().unwrap_or("table");
            format!(
                "{} `{}` waits for {}.{index} ({}) held by {}{victim}",
                one.thread, one.statement, lock.table, lock.mode, by.thread
            )
        });
        each.collect()
    }

    #[test]
    fn the_cycle_is_read_from_both_forms() {
        assert_eq!(
            shown(MARIADB),
            [
                "5 `update orders set n=2 where id=1` waits for orders.PRIMARY (lock_mode X locks rec but not gap) held by 4, the victim",
                "4 `update trackers set n=1 where id=1` waits for trackers.PRIMARY (lock_mode X locks rec but not gap) held by 5",
            ]
        );
        assert_eq!(
            shown(MYSQL),
            [
                "11 `UPDATE trackers SET n = 1 WHERE id = 1` waits for trackers.PRIMARY (lock_mode X locks rec but not gap) held by 12",
                "12 `UPDATE orders SET n = 2 WHERE id = 1` waits for orders.PRIMARY (lock_mode X locks rec but not gap) held by 11, the victim",
            ]
        );
    }

    #[test]
    fn those_who_wait_now_are_found() {
        assert_eq!(waiting_threads(MARIADB), [7]);
        assert_eq!(waiting_threads(MYSQL), [0; 0]);
        assert_eq!(latest_deadlock("no deadlock so far"), None);
    }

    #[test]
    fn a_statement_that_plays_the_report_changes_nothing() {
        let forged = "update orders set n=2 where id=1 /*\n*** (3) TRANSACTION:\nnothing of it\n*** CONFLICTING WITH:\nRECORD LOCKS space id 1 page no 1 n bits 1 index PRIMARY of table `a`.`b` trx id 999 lock_mode X\n*/";
        let status = MARIADB.replace("update orders set n=2 where id=1", forged);
        let deadlock = latest_deadlock(&status).expect("a deadlock");
        assert_eq!(deadlock.transactions.len(), 2);
        assert_eq!(deadlock.transactions[1].blocked_by, Some(0));
        let endless = MARIADB.replace("update orders", &"x\u{2028}\n".repeat(100_000));
        let deadlock = latest_deadlock(&endless).expect("a deadlock");
        assert!(deadlock.transactions[0].statement.chars().count() <= LONGEST_STATEMENT + 100);
        // Cut anywhere, it is read as far as it goes.
        for end in (0..MARIADB.len()).step_by(37) {
            let _ = latest_deadlock(&MARIADB[..end]);
            let _ = waiting_threads(&MARIADB[..end]);
        }
    }
}
