//! PostgreSQL.

mod application;
mod binding;
mod blocked;
mod data_type;
mod decoding;
mod endpoint;
mod facts;
mod notices;
mod script_session;
mod session;
mod waits;

pub use application::PostgresApplicationSampler;
pub(in crate::target) use application::{application_sessions, count_deadlocks, own_sessions};
pub use blocked::PostgresBlockedProbe;
pub use endpoint::PostgresEndpoint;
pub use facts::FACTS;
pub use notices::{NoticeGuard, Notices, collecting, listen_for_notices};
pub use script_session::{Ears, Notification, ScriptSession};
pub use session::{PostgresSession, PreparedStatement, quote_name};
pub use waits::{BLOCKED, COUNT_BLOCKED, PostgresWaitSampler, blocked};
