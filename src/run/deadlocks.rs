//! Deadlocks that the database counts while it is under load, by the application or by deadheat's own
//! transactions.
//!
//! On MySQL and MariaDB each is counted at once, for the whole server. On PostgreSQL a session tells its
//! deadlocks late: when it ends, with a transaction after the first second, or after
//! ten idle seconds. The workers and what the run started have ended when the count is read, so that nothing
//! is missing; of other services it is waited for what their answers have told already.

use std::time::{Duration, Instant};

use super::database::Opened;
use crate::target::{Failure, application_sessions, count_deadlocks, own_sessions};

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
    /// True when an application works on the database.
    watched: bool,
}

/// The count of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CountedDeadlocks {
    pub before: Option<u64>,
    pub after: Option<u64>,
    /// Why it isn't known, or not the whole.
    pub unknown: Option<String>,
}

impl DeadlockCount {
    /// Reads it before the load.
    pub async fn begin(opened: &mut Opened, watched: bool) -> Self {
        Self { before: count_deadlocks(&mut opened.session).await, watched }
    }

    /// Reads it again, when the workers and every service that the run started have ended. `told` deadlocks
    /// were told by answers. `None`: the database counts none.
    pub async fn since(&self, opened: &mut Opened, all_ended: bool, told: u64) -> Option<CountedDeadlocks> {
        let unknown = |failure: &Failure| Some(format!("deadlocks in the database: {failure}"));
        let before = match &self.before {
            Ok(before) => (*before)?,
            Err(failure) => {
                return Some(CountedDeadlocks { before: None, after: None, unknown: unknown(failure) });
            }
        };
        Some(match self.settled(opened, before, all_ended, told).await {
            Ok((after, is_whole)) => CountedDeadlocks {
                before: Some(before),
                after: Some(after),
                unknown: match (after < before, is_whole) {
                    (true, _) => Some("deadlocks in the database: it has begun to count anew".to_owned()),
                    (false, true) => None,
                    (false, false) => Some(
                        "the last deadlocks: a session tells its own up to ten seconds late".to_owned(),
                    ),
                },
            },
            Err(failure) => {
                CountedDeadlocks { before: Some(before), after: None, unknown: unknown(&failure) }
            }
        })
    }

    async fn settled(
        &self,
        opened: &mut Opened,
        before: u64,
        all_ended: bool,
        told: u64,
    ) -> Result<(u64, bool), Failure> {
        if opened.session.is_lost() {
            opened.session =
                opened.fresh_session().await.map_err(|trouble| Failure::lost(trouble.message))?;
        }
        let workers = format!("{}w", opened.settings.application_name);
        let begun = Instant::now();
        loop {
            let own = own_sessions(&mut opened.session, &workers).await?;
            let others = if self.watched { application_sessions(&mut opened.session).await? } else { 0 };
            let after = count_deadlocks(&mut opened.session).await?.unwrap_or_default();
            let patience = match (all_ended || own > 0, after.saturating_sub(before) < told) {
                (_, true) if !all_ended => LONGEST_IDLE,
                (true, _) => LONGEST_END,
                (false, _) => Duration::ZERO,
            };
            let is_whole = own + others == 0;
            if is_whole || begun.elapsed() >= patience {
                return Ok((after, is_whole));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
