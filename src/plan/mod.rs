//! What will run: a scenario with every name resolved, every text compiled and nothing optional
//! left without a meaning.
//!
//! [`compile`] makes the [`Plan`] and returns all problems at once. Absent on purpose: drivers,
//! clocks and connections.

mod answer;
mod arrivals;
mod beside;
mod body;
mod compile;
mod criteria;
mod data;
mod demands;
mod effect;
mod explain;
mod fixture;
mod http;
mod invariant;
mod lint;
mod locks;
mod meeting;
mod model;
mod operation;
mod order;
mod parse;
mod race;
mod request;
mod retry;
mod running;
mod scope;
mod scripts;
mod service;
mod sign;
mod sql;
mod sql_step;
mod statement;
mod step;
mod tables;
mod variant;
mod work;

pub use arrivals::{Arrivals, Piece};
pub use compile::{Compiled, compile};
pub use demands::*;
pub use effect::{Account, Amount, Effect, MOST_KEYS};
pub use explain::explain;
pub use locks::{Analysis, Facts, LockStrength, TableLock, analyse};
pub use model::*;
pub use order::LocksHeld;
pub use race::*;
pub use request::*;
pub use retry::{Jitter, Retried, RetryPolicy};
pub use scripts::split_statements;
pub use sql::quote_identifier;
pub use tables::{tables_locked, tables_named};
pub use variant::{Compared, Control, Expected};
