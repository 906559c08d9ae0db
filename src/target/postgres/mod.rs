//! PostgreSQL.

mod binding;
mod blocked;
mod decoding;
mod endpoint;
mod facts;
mod notices;
mod session;
mod tables;
mod waits;

pub use blocked::BlockedProbe;
pub use endpoint::{ConnectError, Endpoint};
pub use facts::ServerFacts;
pub use notices::{NoticeGuard, Notices, collecting, listen_for_notices};
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use tables::{table_links, unique_columns};
pub use waits::{COUNT_BLOCKED, LockWait, WaitSampler};
