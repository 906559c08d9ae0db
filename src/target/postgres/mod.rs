//! PostgreSQL.

mod binding;
mod decoding;
mod endpoint;
mod session;
mod waits;

pub use endpoint::{ConnectError, Endpoint, ServerFacts};
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use waits::{LockWait, WaitSampler};
