//! PostgreSQL.

mod application;
mod binding;
mod blocked;
mod decoding;
mod endpoint;
mod facts;
mod notices;
mod script_session;
mod session;
mod tables;
mod waits;

pub use application::PostgresApplicationSampler;
pub(in crate::target) use application::{application_sessions, count_deadlocks};
pub use blocked::BlockedProbe;
pub use endpoint::PostgresEndpoint;
pub use facts::FACTS;
pub use notices::{NoticeGuard, Notices, collecting, listen_for_notices};
pub use script_session::{Ears, Notification, ScriptSession};
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use tables::{table_links, unique_columns};
pub use waits::{BLOCKED, COUNT_BLOCKED, PostgresWaitSampler, blocked};
