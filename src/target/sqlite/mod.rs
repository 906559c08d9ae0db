//! SQLite.

mod binding;
mod decoding;
mod endpoint;
mod session;

pub use endpoint::{SqliteEndpoint, remove_database_file};
pub use session::{SqliteSession, SqliteStatement};
