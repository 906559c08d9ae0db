//! A throw-away database server: PostgreSQL, MariaDB or MySQL.
//!
//! Options come in, a running server on a Unix socket in a private folder goes out. Its binaries
//! are found on the machine or fetched once; a kept template makes a start fast; a guard process
//! ends the server and removes its folder on every way out, `kill -9` included.

mod binaries;
mod cache;
mod cluster;
mod error;
mod fetch;
mod folder;
mod guard;
mod kind;
mod server;
mod user;

pub use binaries::BinarySource;
pub use cache::remove_half_built;
pub use error::EmbeddedError;
pub use folder::PrivateFolder;
pub use kind::ServerKind;
pub use server::{EmbeddedOptions, EmbeddedServer, remove_abandoned};
