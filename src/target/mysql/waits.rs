//! Lock waits as the engine's own tables show them.
//!
//! The engine tells the second in which a wait began and no more, so that a wait is timed from the first
//! sample that shows it: up to one pause less than it really took.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::{
    super::{Failure, LockWait},
    session::MySqlSession,
    view::EngineWait,
};

/// Waits under way: the session and the lock that it asks for, and when that was seen first.
type Known = HashMap<(i32, String), (Instant, u64)>;

/// Samples lock waits.
#[derive(Debug, Default)]
pub struct MySqlWaitSampler {
    known: Mutex<(Known, u64)>,
}

impl MySqlWaitSampler {
    pub(in crate::target) async fn sample(
        &self,
        session: &mut MySqlSession,
    ) -> Result<Vec<LockWait>, Failure> {
        let view = session.look().await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(grouped(&view.waits, &mut known, Instant::now()))
    }
}

/// One wait for each waiting session; waits that are over are forgotten.
fn grouped(waits: &[EngineWait], (known, count): &mut (Known, u64), now: Instant) -> Vec<LockWait> {
    known.retain(|(waiting, lock), _| waits.iter().any(|w| w.waiting == *waiting && w.lock == *lock));
    let mut grouped: Vec<LockWait> = Vec::new();
    for wait in waits {
        if let Some(same) = grouped.iter_mut().find(|one| one.waiting == wait.waiting) {
            if !same.blocking.contains(&wait.blocking) {
                same.blocking.push(wait.blocking);
            }
            continue;
        }
        let (first_seen, number) = *known.entry((wait.waiting, wait.lock.clone())).or_insert_with(|| {
            *count += 1;
            (now, *count)
        });
        grouped.push(LockWait {
            waiting: wait.waiting,
            blocking: vec![wait.blocking],
            waited_ms: now.duration_since(first_seen).as_secs_f64() * 1e3,
            since: number.to_string(),
            table: wait.table.clone(),
            row: wait.row.clone(),
        });
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait(waiting: i32, blocking: i32, lock: &str) -> EngineWait {
        let (lock, table) = (lock.to_owned(), Some("t".to_owned()));
        EngineWait { waiting, blocking, lock, table, ..EngineWait::default() }
    }

    #[test]
    fn a_wait_is_one_while_the_session_asks_for_the_same_lock() {
        let mut known = (Known::new(), 0);
        let begun = Instant::now();
        let first = grouped(&[wait(1, 2, "a"), wait(1, 3, "a"), wait(4, 1, "b")], &mut known, begun);
        assert_eq!(first.len(), 2);
        assert_eq!(first[0].blocking, [2, 3]);
        let later = begun + Duration::from_millis(110);
        let second = grouped(&[wait(1, 2, "a"), wait(4, 1, "c")], &mut known, later);
        assert_eq!((first[0].since == second[0].since, second[0].waited_ms), (true, 110.0));
        assert_ne!(first[1].since, second[1].since, "another lock is another wait");
        assert!(grouped(&[], &mut known, later).is_empty() && known.0.is_empty());
    }
}
