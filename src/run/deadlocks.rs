//! Deadlocks that the database counts while an application is under load.
//!
//! On MySQL and MariaDB each is counted at once, for the whole server. On PostgreSQL a session tells its
//! deadlocks late: when it ends, with a transaction after the first second, or after
//! ten idle seconds. What the run started has ended when the count is read, so that nothing is missing; of
//! other services it is waited for what their answers have told already.

use std::time::{Duration, Instant};

use super::database::Opened;
use crate::target::{Failure, application_sessions, count_deadlocks};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);
/// How long ended sessions may take to be gone.
const LONGEST_END: Duration = Duration::from_secs(3);
/// The server's ten seconds, and one more.
const LONGEST_IDLE: Duration = Duration::from_secs(11);

/// The count before the load.
#[derive(Debug)]
pub(super) struct DeadlockCount {
    /// `None`: the database counts none.
    before: Result<Option<u64>, Failure>,
}

/// The count of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CountedDeadlocks {
    pub deadlocks: Option<u64>,
    /// Why it isn't known, or not the whole.
    pub unknown: Option<String>,
}

impl DeadlockCount {
    /// Reads it before the load.
    pub async fn begin(opened: &mut Opened) -> Self {
        Self { before: count_deadlocks(&mut opened.session).await }
    }

    /// Reads it again, when every service that the run started has ended. `told` deadlocks were told
    /// by answers.
    pub async fn since(&self, opened: &mut Opened, all_ended: bool, told: u64) -> CountedDeadlocks {
        match self.settled(opened, all_ended, told).await {
            Ok((deadlocks, is_whole)) => CountedDeadlocks {
                deadlocks,
                unknown: (!is_whole).then(|| {
                    "the last deadlocks: a session tells its own up to ten seconds late".to_owned()
                }),
            },
            Err(failure) => CountedDeadlocks {
                deadlocks: None,
                unknown: Some(format!("deadlocks in the database: {failure}")),
            },
        }
    }

    async fn settled(
        &self,
        opened: &mut Opened,
        all_ended: bool,
        told: u64,
    ) -> Result<(Option<u64>, bool), Failure> {
        let Some(before) = self.before.clone()? else { return Ok((None, true)) };
        if opened.session.is_lost() {
            opened.session =
                opened.fresh_session().await.map_err(|trouble| Failure::lost(trouble.message))?;
        }
        let begun = Instant::now();
        loop {
            let is_whole = application_sessions(&mut opened.session).await? == 0;
            let counted = count_deadlocks(&mut opened.session).await?.unwrap_or_default();
            let counted = counted.saturating_sub(before);
            let patience = match (all_ended, counted < told) {
                (true, _) => LONGEST_END,
                (false, true) => LONGEST_IDLE,
                (false, false) => Duration::ZERO,
            };
            if is_whole || begun.elapsed() >= patience {
                return Ok((Some(counted), is_whole));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
