//! The outside world: database sessions, and the servers behind them.
//!
//! Statements and values come in, rows and classified [`Failure`]s go out. This is the only room
//! that knows a driver. Absent on purpose: what to do about a failure, which `engine` decides.

pub mod embedded;
mod failure;
mod postgres;
mod scripted;
mod session;

pub use failure::Failure;
pub use postgres::{ConnectError, Endpoint, LockWait, ServerFacts, WaitSampler, quote_name};
pub use scripted::{Answer, Script};
pub use session::{Prepared, Session, SessionSettings};
