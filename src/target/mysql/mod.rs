//! MySQL and MariaDB.

mod answers;
mod application;
mod binding;
mod blocked;
mod decoding;
mod endpoint;
mod session;
mod status;
mod view;
mod waits;

pub use application::MySqlApplicationSampler;
pub use blocked::MySqlBlockedProbe;
pub use endpoint::MySqlEndpoint;
pub use session::{FACTS, MySqlSession, MySqlStatement, is_mariadb};
#[cfg(test)]
pub(super) use status::latest_deadlock;
pub use status::{Deadlock, DeadlockedTransaction, RequestedLock};
pub use view::RENEWAL;
pub use waits::MySqlWaitSampler;
