//! The outside world: database sessions, the servers behind them, and HTTP services.
//!
//! Statements, requests and values come in, rows, answers and classified [`Failure`]s go out. This is
//! the only room that knows a driver. Absent on purpose: what to do about a failure, which `engine` decides.

mod answers;
pub mod embedded;
mod failure;
pub mod http;
mod postgres;
mod scripted;
mod session;
mod started;

pub use answers::{Answers, ResultTable};
pub use failure::Failure;
pub use postgres::{
    BlockedProbe, ConnectError, Endpoint, LockWait, NoticeGuard, Notices, ServerFacts, WaitSampler,
    collecting, listen_for_notices, quote_name, table_links, unique_columns,
};
pub use scripted::{Answer, Script};
pub use session::{Prepared, Session, SessionSettings};
pub use started::StartedService;
