//! Reads the server's log while the application is under load.
//!
//! On a thread of its own with a session of its own, so that neither the load nor the invariants wait for it.
//! It begins before the load and ends when the services that the run started have ended.

use std::{sync::mpsc, thread::JoinHandle, time::Duration};

use tokio::sync::oneshot;

use super::{Trouble, database::Opened};
use crate::{
    dialect::Dialect,
    measure::{StatementLogFindings, StatementLogRecorder},
    plan::Plan,
    target::{Endpoint, Session, SessionSettings, StatementLog, StatementLogError},
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
    /// Turns the log on and begins to read it; `None` where nothing is watched or there is none that may be
    /// read.
    ///
    /// # Errors
    /// When the log can't be turned on, in words.
    pub fn begin(plan: &Plan, opened: &Opened) -> Option<Result<Self, Trouble>> {
        if !plan.services.iter().any(|service| service.watched) {
            return None;
        }
        let begun = opened.statement_log()?.and_then(|log| {
            let order = plan.database.as_ref().map(|database| database.lock_order.clone());
            Self::spawn(Followed {
                log,
                dialect: opened.endpoint.dialect(),
                lock_order: order.unwrap_or_default(),
                endpoint: opened.endpoint.clone(),
                settings: opened.side_settings("log"),
            })
        });
        match begun {
            Err(StatementLogError::NotOffered) => None,
            begun => Some(begun.map_err(|error| Trouble::new(error.to_string()))),
        }
    }

    fn spawn(followed: Followed) -> Result<Self, StatementLogError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || runtime.block_on(followed.read(&tell, stopped)));
        let mut follower = Self { stop: Some(stop), thread: Some(thread) };
        match told.recv() {
            Ok(()) => Ok(follower),
            // It has ended before it began.
            Err(mpsc::RecvError) => Err(match follower.joined() {
                Some(Err(error)) => error,
                _ => StatementLogError::Failed,
            }),
        }
    }

    /// Reads the rest.
    pub fn end(mut self) -> LogRead {
        match self.joined() {
            None => LogRead::default(),
            Some(Ok(findings)) => LogRead { findings: Some(findings), unknown: None },
            Some(Err(error)) => LogRead { findings: None, unknown: Some(error.to_string()) },
        }
    }

    /// What the thread came to; `None` when that was taken before.
    fn joined(&mut self) -> Option<Result<StatementLogFindings, StatementLogError>> {
        let thread = self.stopped()?;
        Some(thread.join().unwrap_or(Err(StatementLogError::Failed)))
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
    dialect: Dialect,
    lock_order: Vec<String>,
    endpoint: Endpoint,
    settings: SessionSettings,
}

impl Followed {
    async fn read(
        self,
        begun: &mpsc::Sender<()>,
        mut stopped: oneshot::Receiver<()>,
    ) -> Result<StatementLogFindings, StatementLogError> {
        let Self { mut log, dialect, lock_order, endpoint, settings } = self;
        let mut session = Session::connect(&endpoint, &settings)
            .await
            .map_err(|error| StatementLogError::Unreachable(error.to_string()))?;
        // Without an order that is declared there is nothing to judge.
        let has_statements = log.begin(&mut session, !lock_order.is_empty()).await?;
        let mut recorder = StatementLogRecorder::new(dialect, lock_order, has_statements);
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
