//! The outside world: database sessions, the servers behind them, and HTTP services.
//!
//! Statements, requests and values come in, rows, answers and classified [`Failure`]s go out. This is
//! the only room that knows a driver. Absent on purpose: what to do about a failure, which `engine` decides.

mod answers;
mod application;
mod blocked;
pub mod catalog;
mod contention;
mod cycle;
pub mod embedded;
mod endpoint;
mod facts;
mod failure;
mod held;
pub mod http;
mod log_limit;
mod mysql;
mod number;
mod patience;
mod postgres;
mod processes;
mod query_plan;
mod scripted;
mod session;
mod sqlite;
mod started;
mod statement;
mod statement_log;
mod tables;
mod usage;
mod waits;

pub use answers::{Answers, ResultTable};
pub use application::{
    ApplicationSample, ApplicationSampler, application_sessions, count_deadlocks, own_sessions,
};
pub use blocked::BlockedProbe;
pub use cycle::{CycleEdge, cycle_in_status, cycle_told};
pub use endpoint::{ConnectError, Endpoint};
pub use facts::{Connections, ServerFacts};
pub use failure::Failure;
pub use mysql::{Deadlock, DeadlockedTransaction, RequestedLock, latest_deadlock, waiting_threads};
use number::exact_number;
pub use postgres::{Ears, NoticeGuard, Notices, Notification, collecting, listen_for_notices, quote_name};
pub use query_plan::{FullScan, full_scans};
pub use scripted::{Answer, Script};
pub use session::{Prepared, Session, SessionSettings};
pub use sqlite::{create_database_file, remove_database_file};
pub use started::StartedService;
pub use statement_log::{StatementLog, StatementLogError};
pub use tables::{table_links, unique_columns};
pub use usage::Usage;
pub use waits::{Blocked, LockWait, WaitSampler};
