//! Reads the log of a server of ours while the application is under load.
//!
//! On a thread of its own with a session of its own, so that neither the load nor the invariants wait for it.
//! It begins before the load and ends when the services that the run started have ended.

use std::{sync::mpsc, thread::JoinHandle, time::Duration};

use tokio::sync::oneshot;

use super::{Trouble, database::Opened};
use crate::{
    measure::{StatementLogFindings, StatementLogRecorder},
    plan::Plan,
    target::{
        Endpoint, Session, SessionSettings,
        embedded::{StatementLog, StatementLogError},
    },
};

/// Pause between two looks into the log.
const PAUSE: Duration = Duration::from_millis(50);

/// The log, as it is being read.
#[derive(Debug)]
pub(super) struct LogFollower {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<StatementLogFindings, StatementLogError>>>,
}

/// What it brought, and why it isn't known or not the whole.
#[derive(Debug, Default)]
pub(super) struct LogRead {
    pub findings: Option<StatementLogFindings>,
    pub unknown: Option<String>,
}

impl LogRead {
    /// Nothing, and why.
    pub fn not_begun(trouble: Trouble) -> Self {
        Self { findings: None, unknown: Some(trouble.message) }
    }
}

impl LogFollower {
    /// Turns the log on and begins to read it; `None` where nothing is watched or there is no log of ours.
    ///
    /// # Errors
    /// When the log can't be turned on, in words.
    pub fn begin(plan: &Plan, opened: &Opened) -> Option<Result<Self, Trouble>> {
        let log = opened.statement_log()?;
        let order = plan.database.as_ref().map(|database| database.lock_order.clone()).unwrap_or_default();
        let recorder = StatementLogRecorder::new(opened.endpoint.dialect(), order.clone());
        let (endpoint, settings) = (opened.endpoint.clone(), opened.side_settings("log"));
        Some(log.map_err(|error| Trouble::new(error.to_string())).and_then(|log| {
            let followed = Followed { log, recorder, endpoint, settings, statements: !order.is_empty() };
            Self::spawn(followed)
        }))
    }

    fn spawn(followed: Followed) -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Trouble::new(format!("no thread to read the server's log: {error}")))?;
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || runtime.block_on(followed.read(&tell, stopped)));
        let follower = Self { stop: Some(stop), thread: Some(thread) };
        match told.recv() {
            Ok(()) => Ok(follower),
            // It has ended before it began.
            Err(mpsc::RecvError) => match follower.end() {
                LogRead { unknown: Some(unknown), .. } => Err(Trouble::new(unknown)),
                LogRead { unknown: None, .. } => Err(Trouble::new("the server's log wasn't read")),
            },
        }
    }

    /// Reads the rest.
    pub fn end(mut self) -> LogRead {
        let Some(thread) = self.stopped() else { return LogRead::default() };
        match thread.join() {
            Ok(Ok(findings)) => LogRead { findings: Some(findings), unknown: None },
            Ok(Err(error)) => LogRead { findings: None, unknown: Some(error.to_string()) },
            Err(_) => {
                LogRead { findings: None, unknown: Some("reading the server's log failed".to_owned()) }
            }
        }
    }

    fn stopped(&mut self) -> Option<JoinHandle<Result<StatementLogFindings, StatementLogError>>> {
        if let Some(stop) = self.stop.take() {
            // One that has ended already hears nothing.
            let _ = stop.send(());
        }
        self.thread.take()
    }
}

impl Drop for LogFollower {
    fn drop(&mut self) {
        if let Some(thread) = self.stopped() {
            // Its server is about to be stopped.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Followed {
    log: StatementLog,
    recorder: StatementLogRecorder,
    endpoint: Endpoint,
    settings: SessionSettings,
    statements: bool,
}

impl Followed {
    async fn read(
        self,
        begun: &mpsc::Sender<()>,
        mut stopped: oneshot::Receiver<()>,
    ) -> Result<StatementLogFindings, StatementLogError> {
        let Self { mut log, mut recorder, endpoint, settings, statements } = self;
        let mut session = Session::connect(&endpoint, &settings)
            .await
            .map_err(|error| StatementLogError::Unreachable(error.to_string()))?;
        log.begin(&mut session, statements).await?;
        // Who began it waits for this.
        let _ = begun.send(());
        while tokio::time::timeout(PAUSE, &mut stopped).await.is_err() {
            log.read(&mut session, &mut |event| recorder.add(event)).await?;
        }
        log.end(&mut session).await?;
        log.read(&mut session, &mut |event| recorder.add(event)).await?;
        session.close().await;
        Ok(recorder.finish())
    }
}
