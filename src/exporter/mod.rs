//! Metrics while a load runs: a page for Prometheus, served on this machine.
//!
//! A board comes in, which the workers count on anyway; each request makes a page of what it holds at that
//! moment. Absent on purpose: a word to the workers. A run without the option has neither the thread nor
//! the socket.

mod server;

pub use server::{Exported, Exporter, ExporterError};
