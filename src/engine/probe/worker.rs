//! A worker of a probe: one session, one transaction after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use rand_chacha::ChaCha8Rng;

use super::{
    draw::Wanted,
    run::{ProbeError, ProbeSettings, Probed},
};
use crate::{
    dialect::Dialect,
    expression::{RandomStream, Value},
    isolation::{Operation, Status, Transaction},
    outcome::Isolation,
    target::{Failure, Prepared, Session, SessionSettings},
};

/// Well before the usual `deadlock_timeout` of a second.
const QUICK_DEADLOCKS: &str = "SET deadlock_timeout = '10ms'";

/// A connected worker.
pub(super) struct Worker {
    number: u32,
    settings: Arc<ProbeSettings>,
    session: Session,
    append: Prepared,
    read: Prepared,
}

impl Worker {
    pub async fn connect(number: u32, settings: Arc<ProbeSettings>) -> Result<Self, ProbeError> {
        let own = SessionSettings {
            application_name: format!("{}p{number}", settings.session.application_name),
            statements: 4,
            ..settings.session.clone()
        };
        let session = Session::connect(&settings.endpoint, &own).await;
        let mut session = session.map_err(|error| ProbeError::Connect { worker: number, error })?;
        if settings.quick_deadlocks && session.dialect() == Dialect::Postgres {
            let statement = QUICK_DEADLOCKS;
            session
                .script(statement)
                .await
                .map_err(|failure| ProbeError::Statement { statement, failure })?;
        }
        let texts = statements(session.dialect(), &settings.table);
        let mut prepared = Vec::new();
        for (statement, (text, placeholders)) in ["the append", "the read"].into_iter().zip(&texts) {
            let one = session.prepare(text, placeholders).await;
            prepared.push(one.map_err(|failure| ProbeError::Statement { statement, failure })?);
        }
        let [append, read] = <[Prepared; 2]>::try_from(prepared).expect("one for each of the two texts");
        Ok(Self { number, settings, session, append, read })
    }
}

/// The append and the read, each with the places of its placeholders.
fn statements(dialect: Dialect, table: &str) -> [(String, Vec<usize>); 2] {
    let (first, second) = (dialect.placeholder(1), dialect.placeholder(2));
    let joined = match dialect {
        Dialect::Postgres => format!("v || CAST({first} AS text)"),
        Dialect::MySql => format!("CONCAT(v, {first})"),
        Dialect::Sqlite => format!("v || {first}"),
    };
    let texts = [
        format!("UPDATE {table} SET v = {joined} WHERE k = {second}"),
        format!("SELECT v FROM {table} WHERE k = {first}"),
    ];
    texts.map(|text| {
        let mark = if dialect == Dialect::Postgres { '$' } else { '?' };
        let places = text.match_indices(mark).map(|(place, _)| place).collect();
        (text, places)
    })
}

/// A worker at work.
pub(super) struct Probing {
    worker: Worker,
    /// The clock's zero, the same for all workers.
    zero: Instant,
    /// Of all workers: the next value.
    appends: Arc<AtomicU64>,
    jitter: ChaCha8Rng,
    probed: Probed,
}

/// How an attempt ended.
enum Attempt {
    Done,
    Failed(Failure),
}

impl Probing {
    pub fn new(worker: Worker, zero: Instant, appends: Arc<AtomicU64>) -> Self {
        let stream =
            RandomStream { seed: worker.settings.seed, worker: worker.number, iteration: u32::MAX };
        Self { worker, zero, appends, jitter: stream.generator(), probed: Probed::default() }
    }

    pub async fn run(mut self) -> Result<Probed, ProbeError> {
        let settings = Arc::clone(&self.worker.settings);
        let workers = u64::from(settings.workers.max(1));
        let number = u64::from(self.worker.number);
        let share = settings.transactions / workers + u64::from(number < settings.transactions % workers);
        for iteration in 0..u32::try_from(share).unwrap_or(u32::MAX) {
            if settings.stop.is_stopped() {
                break;
            }
            let stream = RandomStream { seed: settings.seed, worker: self.worker.number, iteration };
            let appends = self.appends.load(Ordering::Relaxed);
            let wanted = Wanted::draw(settings.lists, appends, &mut stream.generator());
            self.transaction(&wanted).await?;
        }
        self.worker.session.close().await;
        Ok(self.probed)
    }

    /// A transaction, tried again as its policy says. Every attempt is one of the history's own.
    async fn transaction(&mut self, wanted: &Wanted) -> Result<(), ProbeError> {
        let settings = Arc::clone(&self.worker.settings);
        let mut retries = 0;
        while let Attempt::Failed(failure) = self.attempt(wanted).await {
            *self.probed.causes.entry(failure.cause.clone()).or_default() += 1;
            if self.worker.session.is_lost() {
                self.worker = Worker::connect(self.worker.number, Arc::clone(&settings)).await?;
            }
            let Some(delay) = settings.retry.declared_delay(retries + 1, &failure.cause) else { break };
            retries += 1;
            let delay = settings.retry.vary(delay, &mut self.jitter);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, wanted: &Wanted) -> Attempt {
        let mut transaction = Transaction {
            process: self.worker.number,
            status: Status::Fail,
            begun: self.now(),
            ended: 0,
            operations: Vec::with_capacity(wanted.operations.len()),
        };
        let mut first_lock = None;
        let done = self.steps(wanted, &mut transaction.operations, &mut first_lock).await;
        let ended = match done {
            Ok(()) if wanted.commit => self.commit(&mut transaction).await,
            Ok(()) => self.worker.session.rollback().await,
            Err(failure) => {
                self.roll_back().await;
                Err(failure)
            }
        };
        transaction.ended = self.now();
        if let (Status::Ok, Some(first)) = (transaction.status, first_lock) {
            self.probed.locks_held.record(Instant::now().duration_since(first));
        }
        self.probed.history.transactions.push(transaction);
        ended.map_or_else(Attempt::Failed, |()| Attempt::Done)
    }

    async fn steps(
        &mut self,
        wanted: &Wanted,
        operations: &mut Vec<Operation>,
        first_lock: &mut Option<Instant>,
    ) -> Result<(), Failure> {
        let (isolation, begin) = (self.worker.settings.isolation, self.worker.settings.begin);
        if let Some(level) = self.worker.session.begin(isolation, begin).await? {
            *self.probed.in_force.entry(level).or_default() += 1;
        }
        for (key, is_append) in wanted.operations.iter().copied() {
            if is_append {
                let value = self.appends.fetch_add(1, Ordering::Relaxed) + 1;
                operations.push(Operation::Append { key, value });
                self.append(key, value).await?;
                first_lock.get_or_insert_with(Instant::now);
            } else {
                operations.push(Operation::Read { key, values: None });
                let read = self.read(key).await?;
                if let Some(Operation::Read { values, .. }) = operations.last_mut() {
                    *values = Some(read);
                }
            }
        }
        self.ask_level().await;
        Ok(())
    }

    async fn append(&mut self, key: u32, value: u64) -> Result<(), Failure> {
        let Worker { session, append, .. } = &mut self.worker;
        let values = [Value::from(format!(",{value}")), Value::from(key)];
        let rows = session.execute(append, &values, false).await?;
        match rows.affected {
            1 => Ok(()),
            other => Err(Failure::value(format!("list {key} has {other} rows"))),
        }
    }

    async fn read(&mut self, key: u32) -> Result<Vec<u64>, Failure> {
        let Worker { session, read, .. } = &mut self.worker;
        let rows = session.execute(read, &[Value::from(key)], true).await?;
        let text = rows.single();
        let text = text.as_str().ok_or_else(|| Failure::value(format!("list {key} has no row")))?;
        let values: Result<Vec<u64>, _> =
            text.split(',').filter(|value| !value.is_empty()).map(str::parse).collect();
        values.map_err(|_| Failure::value(format!("list {key} holds `{text}`")))
    }

    /// The level in force, where it isn't told when a transaction begins: seen once by each worker.
    async fn ask_level(&mut self) {
        let session = &mut self.worker.session;
        if session.dialect() != Dialect::MySql || !self.probed.in_force.is_empty() {
            return;
        }
        // Without the privilege nobody knows.
        if let Ok(Some(levels)) = session.levels_in_force().await {
            let own = session.server_id();
            let own = levels.iter().find(|(id, _)| *id == own).map(|(_, level): &(_, Isolation)| *level);
            if let Some(level) = own {
                self.probed.in_force.insert(level, 1);
            }
        }
    }

    async fn commit(&mut self, transaction: &mut Transaction) -> Result<(), Failure> {
        match self.worker.session.commit().await {
            Ok(()) => {
                transaction.status = Status::Ok;
                Ok(())
            }
            Err(failure) => {
                if failure.connection_lost {
                    transaction.status = Status::Info;
                } else {
                    self.roll_back().await;
                }
                Err(failure)
            }
        }
    }

    /// The server rolls back by itself when the connection is gone.
    async fn roll_back(&mut self) {
        if !self.worker.session.is_lost() {
            // A failure here marks the session as lost, and it is replaced.
            let _ = self.worker.session.rollback().await;
        }
    }

    /// Nanoseconds since the probe began.
    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
