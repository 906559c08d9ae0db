//! PostgreSQL.

mod binding;
mod decoding;
mod endpoint;
mod facts;
mod session;
mod waits;

pub use endpoint::{ConnectError, Endpoint};
pub use facts::ServerFacts;
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use waits::{COUNT_BLOCKED, LockWait, WaitSampler};
