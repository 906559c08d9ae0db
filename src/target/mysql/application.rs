//! The application's sessions on MySQL and MariaDB: the process list, and InnoDB's transactions and waits.
//!
//! The engine tells the level of each transaction itself, whatever the session's variables say. A
//! transaction is there from its first statement on a table, and its times are those between the samples that
//! show it, because the engine tells its beginning in seconds. Which rows a transaction has locked is shown
//! only when somebody waits for one, so that the order of locks is told by those alone who wait: for a row
//! of a table that their statement names, while others wait for a row that they locked in an earlier one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::{
    super::{ApplicationSample, Failure},
    session::MySqlSession,
    view::{EngineTransaction, View},
};
use crate::{
    application::{ApplicationSession, ApplicationTransaction, names_table},
    expression::{Row, Value},
    outcome::LevelEvidence,
};

const MARIADB_SESSIONS: &str = "
    SELECT id, user, command, time_ms, COALESCE(info, '') FROM information_schema.processlist
     WHERE db = DATABASE() AND command <> 'Killed'";
/// Whole seconds are all that it tells.
const MYSQL_SESSIONS: &str = "
    SELECT id, user, command, time * 1000, COALESCE(info, '') FROM information_schema.processlist
     WHERE db = DATABASE() AND command <> 'Killed'";

/// Questions, and what was seen before.
#[derive(Debug)]
pub struct MySqlApplicationSampler {
    lock_order: Vec<String>,
    seen: Mutex<Seen>,
}

/// What the samples before have shown.
#[derive(Debug, Default)]
struct Seen {
    /// When the engine was looked at.
    taken: Option<Instant>,
    /// By connection its transaction, and when that was seen first.
    transactions: HashMap<i32, (String, Instant)>,
}

/// A connection to the application's database.
struct Connected {
    thread: i32,
    user: String,
    is_idle: bool,
    in_state_ms: f64,
    statement: String,
}

impl MySqlApplicationSampler {
    pub(in crate::target) fn new(lock_order: &[String]) -> Self {
        Self { lock_order: lock_order.to_vec(), seen: Mutex::default() }
    }

    pub(in crate::target) async fn sample(
        &self,
        session: &mut MySqlSession,
    ) -> Result<Option<ApplicationSample>, Failure> {
        let view = session.look().await?;
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).taken == view.taken {
            return Ok(None);
        }
        let question = if session.is_mariadb() { MARIADB_SESSIONS } else { MYSQL_SESSIONS };
        let connected = session.ask(question).await?;
        let ours = session.threads_of_ours();
        let connected = connected.rows.iter().filter_map(Connected::read);
        let connected = connected.filter(|one| !ours.contains(&one.thread)).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(self.told(connected, &view, &mut seen)))
    }

    fn told(&self, connected: Vec<Connected>, view: &View, seen: &mut Seen) -> ApplicationSample {
        seen.taken = view.taken;
        let now = view.taken.unwrap_or_else(Instant::now);
        let under_way: BTreeMap<i32, &EngineTransaction> =
            view.transactions.iter().map(|one| (one.thread, one)).collect();
        seen.transactions.retain(|thread, _| under_way.contains_key(thread));
        let sessions = connected.into_iter().map(|one| {
            let transaction = under_way.get(&one.thread).map(|transaction| {
                let first = seen.transactions.entry(one.thread).or_insert_with(|| (String::new(), now));
                if first.0 != transaction.identity {
                    *first = (transaction.identity.clone(), now);
                }
                let age_ms = match (transaction.has_number, one.is_idle) {
                    (true, _) => now.duration_since(first.1).as_secs_f64() * 1e3,
                    // It may be another one than in the sample before.
                    (false, true) => one.in_state_ms,
                    (false, false) => 0.0,
                };
                self.transaction(&one, transaction, age_ms, view)
            });
            ApplicationSession { process: one.thread, name: one.user, transaction }
        });
        ApplicationSample { sessions: sessions.collect(), ..ApplicationSample::default() }
    }

    fn transaction(
        &self,
        session: &Connected,
        engine: &EngineTransaction,
        age_ms: f64,
        view: &View,
    ) -> ApplicationTransaction {
        let statement = match &engine.statement {
            Some(statement) => statement.clone(),
            None => session.statement.clone(),
        };
        let named = |table: &str| names_table(&statement, table);
        let place = |table: &Option<String>| {
            let table = table.as_ref()?;
            self.lock_order.iter().position(|known| known.eq_ignore_ascii_case(table))
        };
        let held = view.waits.iter().filter(|wait| wait.blocking == engine.thread && wait.held_for_writing);
        let held: BTreeSet<usize> = held.filter_map(|wait| place(&wait.held_table)).collect();
        let waits = view.waits.iter().find(|wait| wait.waiting == engine.thread && wait.for_writing);
        let waits_for = waits.and_then(|wait| place(&wait.table));
        ApplicationTransaction {
            begun: engine.identity.clone(),
            age_ms,
            idle_ms: session.is_idle.then(|| session.in_state_ms.min(age_ms.max(0.0))),
            level: engine.level.map(LevelEvidence::Told),
            // A foreign key waits as well, for a row of a table that the statement doesn't name.
            waits_for: waits_for.filter(|place| named(&self.lock_order[*place])),
            locked_earlier: held.into_iter().filter(|place| !named(&self.lock_order[*place])).collect(),
            statement,
            ..ApplicationTransaction::default()
        }
    }
}

impl Connected {
    fn read(row: &Row) -> Option<Self> {
        let [thread, user, command, in_state, statement] = row.values() else { return None };
        Some(Self {
            thread: thread.as_i64().and_then(|thread| i32::try_from(thread).ok())?,
            user: user.as_str().unwrap_or_default().to_owned(),
            is_idle: command.as_str() == Some("Sleep"),
            in_state_ms: millis(in_state),
            statement: statement.as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// Numbers with many digits come as texts.
fn millis(value: &Value) -> f64 {
    let number = f64::try_from(value.clone()).ok();
    number.or_else(|| value.as_str()?.parse().ok()).unwrap_or_default().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{outcome::Isolation, target::mysql::view::EngineWait};
    use std::time::Duration;

    fn connected(thread: i32, statement: &str) -> Connected {
        let (user, is_idle) = ("till".to_owned(), statement.is_empty());
        Connected { thread, user, is_idle, in_state_ms: 70.0, statement: statement.to_owned() }
    }

    fn engine(thread: i32, identity: &str) -> EngineTransaction {
        let level = Some(Isolation::RepeatableRead);
        EngineTransaction {
            thread,
            identity: identity.to_owned(),
            has_number: identity != "only reads",
            level,
            statement: None,
        }
    }

    fn wait(waiting: i32, table: &str, blocking: i32, held: &str) -> EngineWait {
        EngineWait {
            waiting,
            blocking,
            lock: String::new(),
            table: Some(table.to_owned()),
            for_writing: true,
            held_table: Some(held.to_owned()),
            held_for_writing: true,
            ..EngineWait::default()
        }
    }

    fn transaction(sample: &ApplicationSample, thread: i32) -> ApplicationTransaction {
        let session = sample.sessions.iter().find(|session| session.process == thread);
        session.and_then(|session| session.transaction.clone()).expect("it is in one")
    }

    #[test]
    fn a_transaction_is_timed_from_the_sample_that_shows_it_first() {
        let sampler = MySqlApplicationSampler::new(&[]);
        let (mut seen, begun) = (Seen::default(), Instant::now());
        let mut look = |after, identity| {
            let taken = Some(begun + Duration::from_millis(after));
            let view = View { taken, transactions: vec![engine(7, identity)], waits: Vec::new() };
            sampler.told(vec![connected(7, ""), connected(8, "")], &view, &mut seen)
        };
        assert_eq!(transaction(&look(0, "1"), 7).age_ms, 0.0);
        let second = look(120, "1");
        let one = transaction(&second, 7);
        assert_eq!((one.age_ms, one.idle_ms), (120.0, Some(70.0)));
        assert_eq!(one.level, Some(LevelEvidence::Told(Isolation::RepeatableRead)));
        assert!(second.sessions[1].transaction.is_none());
        assert_eq!(transaction(&look(240, "2"), 7).age_ms, 0.0, "another transaction");
        for after in [360, 480] {
            let reads = transaction(&look(after, "only reads"), 7);
            assert_eq!(reads.age_ms, 70.0, "it may be another one each time");
        }
    }

    #[test]
    fn who_waits_and_is_waited_for_has_an_order() {
        let sampler = MySqlApplicationSampler::new(&["orders".to_owned(), "trackers".to_owned()]);
        let told = |statement: &str, waits: Vec<EngineWait>| {
            let view = View { taken: None, transactions: vec![engine(7, "1")], waits };
            transaction(&sampler.told(vec![connected(7, statement)], &view, &mut Seen::default()), 7)
        };
        let wants_order = "UPDATE orders SET n = 1";
        let circle = || vec![wait(7, "orders", 8, "orders"), wait(8, "trackers", 7, "trackers")];
        let wrong = told(wants_order, circle());
        assert_eq!((wrong.waits_for, wrong.locked_earlier), (Some(0), [1].into()));
        let foreign_key = told("INSERT INTO bookings VALUES (1)", circle());
        assert_eq!(foreign_key.waits_for, None, "the statement names no table of the order");
        let same = told("UPDATE orders JOIN trackers SET n = 1", circle());
        assert!(same.locked_earlier.is_empty(), "locked by the same statement, perhaps");
        let mut gap = circle();
        gap[1].held_for_writing = false;
        assert!(told(wants_order, gap).locked_earlier.is_empty());
    }
}
