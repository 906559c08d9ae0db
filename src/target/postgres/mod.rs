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
pub use endpoint::PostgresEndpoint;
pub use facts::FACTS;
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use waits::{BLOCKED, COUNT_BLOCKED, PostgresWaitSampler, blocked};
