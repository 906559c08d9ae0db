//! SQLite.

mod binding;
mod decoding;
mod endpoint;
mod session;

pub use endpoint::{SqliteEndpoint, create_database_file, remove_database_file};
pub use session::{SqliteSession, SqliteStatement};
