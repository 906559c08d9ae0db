//! What races did: by race and level how many schedules held, and the first that didn't, event by event.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::results::InvariantResult;
use crate::outcome::{Isolation, RaceOutcome};

/// One race at one isolation level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceResults {
    pub race: String,
    pub description: Option<String>,
    pub isolation: Isolation,
    /// Why the race wasn't driven at this level: the database hasn't it, or the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does_not_apply: Option<String>,
    /// What the scenario says it does; `None`: nothing.
    pub expect: Option<RaceOutcome>,
    /// What it did; `None` when no schedule could be executed.
    pub outcome: Option<RaceOutcome>,
    /// The sessions, in the order of the file.
    pub sessions: Vec<String>,
    /// Interleavings that keep each session's order, as a number; too large ones as `> 10^38`.
    pub interleavings: String,
    /// Schedules that were executed to their end: `holds + violated + errors`.
    pub executed: u64,
    /// Of these: nothing was broken and no session failed.
    pub holds: u64,
    /// Of these: an invariant or an assertion was broken.
    pub violated: u64,
    /// Of these: nothing was broken, and a session failed.
    pub errors: u64,
    /// Schedules that can't be executed as written: a step was due whose session waited.
    pub pruned: u64,
    /// Interleavings that can't differ from an executed one, where the number is known.
    pub left_out: Option<u64>,
    /// Why they can't.
    pub left_out_because: Vec<String>,
    /// Schedules in which a step waited for another session.
    pub waited: u64,
    /// Sessions that failed, by cause.
    pub causes: IndexMap<String, u64>,
    /// Schedules by the anomaly that what they read and wrote proves.
    pub anomalies: IndexMap<String, u64>,
    /// Sum of the time that schedules took, with what is reset between them.
    pub busy_ms: f64,
    /// From the first schedule to the last one.
    pub duration_ms: f64,
    /// Schedules that were carried out side by side.
    pub side_by_side: usize,
    /// A mistake in the race: a statement that the server doesn't take, an invariant that can't be
    /// evaluated.
    pub mistake: Option<String>,
    /// The first schedule that broke something.
    pub counter_example: Option<ScheduleRecord>,
    /// The first schedule in which a session failed.
    pub first_error: Option<ScheduleRecord>,
    /// Every schedule, when a transcript was asked for.
    #[serde(default)]
    pub transcript: Vec<ScheduleRecord>,
}

impl RaceResults {
    /// Of a race that doesn't apply at a level.
    pub fn not_driven(
        race: String,
        description: Option<String>,
        isolation: Isolation,
        why: String,
    ) -> Self {
        Self {
            race,
            description,
            isolation,
            does_not_apply: Some(why),
            expect: None,
            outcome: None,
            sessions: Vec::new(),
            interleavings: String::new(),
            executed: 0,
            holds: 0,
            violated: 0,
            errors: 0,
            pruned: 0,
            left_out: None,
            left_out_because: Vec::new(),
            waited: 0,
            causes: IndexMap::new(),
            anomalies: IndexMap::new(),
            busy_ms: 0.0,
            duration_ms: 0.0,
            side_by_side: 0,
            mistake: None,
            counter_example: None,
            first_error: None,
            transcript: Vec::new(),
        }
    }
}

/// One schedule, as it went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// The order of steps, as `--schedule` reads it.
    pub schedule: String,
    /// The names of its steps, in this order.
    #[serde(default)]
    pub steps: Vec<String>,
    /// `None` when it was pruned.
    pub outcome: Option<RaceOutcome>,
    pub events: Vec<RaceEvent>,
    /// Broken invariants.
    pub invariants: Vec<InvariantResult>,
    /// The anomaly that what was read and written proves.
    pub anomaly: Option<String>,
}

/// Something that happened in a schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RaceEvent {
    /// Place of the session in the race.
    pub session: usize,
    pub step: String,
    pub kind: RaceEventKind,
    /// The step as it is written.
    pub shown: String,
    /// For each statement: its rows, when it returned any.
    pub tables: Vec<Option<RaceTable>>,
    /// Rows inserted, updated, deleted or selected.
    pub affected: u64,
    pub error: Option<RaceFailure>,
    pub notices: Vec<String>,
    /// Messages of `NOTIFY` that the session got, until the step was done.
    #[serde(default)]
    pub notifications: Vec<RaceNotification>,
    /// With `woke`: session and step that let it go on.
    pub released_by: Option<(usize, String)>,
}

/// What happened to a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RaceEventKind {
    /// It was carried out at once.
    #[default]
    Done,
    /// It waits for another session.
    Waits,
    /// It had waited, and is done now.
    Woke,
    /// Its session waits, so that it stands in line.
    InLine,
    /// Its session had failed.
    Skipped,
    /// It would have waited for ever, and was cancelled.
    Stuck,
    /// It still waits, and its session was told something.
    Told,
    /// No step: a script of the race or of the session returned rows.
    Script,
}

/// A message of `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaceNotification {
    pub channel: String,
    pub payload: String,
    /// The session that sent it, or the server's number for a stranger.
    pub from: String,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaceFailure {
    /// `deadlock`, `serialization`, …; `assertion`.
    pub cause: String,
    /// The server's message, or which assertion didn't hold.
    pub message: String,
}

impl RaceFailure {
    /// The cause of a failed assertion or check.
    pub const ASSERTION: &'static str = "assertion";
}

/// Rows as the server's texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaceTable {
    pub columns: Vec<String>,
    /// `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}
