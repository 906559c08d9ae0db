//! What happened, as plain data: recorders while the run goes on, [`RunResults`] after it.

mod distribution;
mod results;

pub use distribution::{Distribution, Recording};
pub use results::*;
