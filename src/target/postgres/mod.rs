//! PostgreSQL.

mod application;
mod binding;
mod decoding;
mod endpoint;
mod facts;
mod session;
mod waits;

pub use application::{
    ApplicationSample, ApplicationSampler, ApplicationSession, ApplicationTransaction,
    application_sessions, count_deadlocks,
};
pub use endpoint::{ConnectError, Endpoint};
pub use facts::ServerFacts;
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use waits::{COUNT_BLOCKED, LockWait, WaitSampler};
