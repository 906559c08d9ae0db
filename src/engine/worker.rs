//! A worker: its connections, one frame, and what it has met. Loads and races are made of workers.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rand_chacha::ChaCha8Rng;

use super::{effects::Answered, request::ServiceConnections, shared::Shared};
use crate::{
    expression::{Frame, RandomStream, Value},
    measure::Recorder,
    outcome::Cause,
    plan::{LocksHeld, slots},
    target::{ConnectError, ResultTable, Session, SessionSettings},
};

/// What one operation has met so far.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub retries: u32,
    pub deadlocks: u32,
    pub serializations: u32,
    pub conflicts: u32,
    pub backoff: Duration,
    pub think: Duration,
    /// The last failure was one that is tried again, but the retries were used up.
    pub exhausted: bool,
    /// A request was sent whose answer never came.
    pub unanswered: bool,
    pub answered: Answered,
    /// What made the last retry necessary.
    pub retried_for: Option<Cause>,
}

/// For the text of a script: the columns that each of its statements returns.
pub(super) type ScriptColumns = Arc<BTreeMap<String, Vec<Vec<String>>>>;

/// Results as texts.
pub(super) struct Heard {
    pub columns: ScriptColumns,
    /// For each statement since this was emptied: its rows, when it returns any.
    pub tables: Vec<Option<ResultTable>>,
}

/// One of the concurrent users.
pub(super) struct Worker {
    pub(super) number: u32,
    pub(super) shard: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    /// `None` when no operation has a statement.
    pub(super) session: Option<Session>,
    /// For gates; made when the first one is met.
    pub(super) gate_session: Option<Session>,
    /// By service.
    pub(super) services: Vec<ServiceConnections>,
    /// Bytes of the largest body so far.
    pub(super) body_size: usize,
    pub(super) frame: Frame,
    /// For jitter, which must not change what operations draw.
    pub(super) jitter: ChaCha8Rng,
    /// Values of the statement being executed; kept for its memory.
    pub(super) values: Vec<Value>,
    /// Locks of the open transaction; `None` outside one.
    pub(super) held: Option<LocksHeld>,
    /// What statements returned, when somebody wants to know.
    pub(super) heard: Option<Heard>,
    /// Rows that statements affected since `heard` was emptied.
    pub(super) affected: u64,
    /// The operation under way.
    pub(super) operation: usize,
    pub(super) met: Met,
    /// False in the warm-up.
    pub(super) measured: bool,
    /// Transactions begun so far.
    pub(super) transactions: u32,
    /// Statements begun so far.
    pub(super) statements: usize,
    /// When the last statement failed, on the board's clock.
    pub(super) failed_at: u64,
    /// The next statement is the first one of a transaction.
    pub(super) begins: bool,
}

impl Worker {
    pub(super) fn new(
        number: u32,
        shard: usize,
        shared: Arc<Shared>,
        recorder: Rc<RefCell<Recorder>>,
        session: Option<Session>,
        services: Vec<ServiceConnections>,
    ) -> Self {
        let settings = &shared.settings;
        let stream = RandomStream { seed: settings.seed, worker: number, iteration: 0 };
        let frame = Frame::new(
            Arc::clone(&settings.plan.globals),
            Arc::clone(&settings.plan.payloads),
            stream,
            SystemTime::now(),
        );
        for (slot, value) in settings.globals.iter().enumerate() {
            frame.store(slot, value.clone());
        }
        frame.store(slots::WORKER, Value::from(number));
        let jitter = RandomStream { iteration: u32::MAX, ..stream }.generator();
        Self {
            number,
            shard,
            recorder,
            session,
            gate_session: None,
            services,
            body_size: 256,
            frame,
            jitter,
            values: Vec::new(),
            held: None,
            heard: None,
            affected: 0,
            operation: 0,
            met: Met::default(),
            measured: true,
            transactions: 0,
            statements: 0,
            failed_at: 0,
            begins: false,
            shared,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The session of a worker whose plan has statements.
    pub(super) fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a worker of a plan with statements has a session")
    }

    /// True when there was a session and its connection is gone.
    pub(super) fn is_session_lost(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_lost)
    }

    /// Replaces a lost connection. Returns false when that isn't possible now.
    pub(super) async fn reconnect(&mut self) -> bool {
        match open_session(&self.shared, self.number, "").await {
            Ok(session) => {
                self.shared.settings.board.connected(self.number, session.server_id());
                self.session = Some(session);
                true
            }
            Err(_) => false,
        }
    }
}

/// A connection of a worker; `suffix` tells several of them apart.
pub(super) async fn open_session(
    shared: &Shared,
    worker: u32,
    suffix: &str,
) -> Result<Session, ConnectError> {
    let settings = &shared.settings.session;
    let endpoint = shared.settings.endpoint.as_ref().expect("a plan with statements has a database");
    let application_name = format!("{}w{worker}{suffix}", settings.application_name);
    Session::connect(endpoint, &SessionSettings { application_name, ..settings.clone() }).await
}
