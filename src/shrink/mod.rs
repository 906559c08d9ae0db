//! From what a run broke to the smallest race that shows it: what can be decided without a database.
//!
//! A scenario's tree and two of its operations come in; a [`Draft`] comes out: a scenario of its own with one
//! race, which can be made smaller ([`Change`]), freed of chance ([`pinned`]) and written ([`Draft::text`]).
//! What is tried is always what would be written. Absent on purpose: trying. `run` does that, with the engine
//! for races.

mod build;
mod change;
mod draft;
mod random;
mod write;

pub use build::{Pair, Places, Refusal, build};
pub use change::{Change, changes};
pub use draft::{Action, Case, Draft, Failure, Session, Step, Turn, Wanted};
pub use random::pinned;
pub use write::Origin;
