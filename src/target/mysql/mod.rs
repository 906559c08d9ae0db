//! MySQL and MariaDB.

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
pub use status::{Deadlock, DeadlockedTransaction, RequestedLock, latest_deadlock, waiting_threads};
pub use view::RENEWAL;
pub use waits::MySqlWaitSampler;
