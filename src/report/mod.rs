//! Reports: pure, a result document in, text out. One file touches files, one the terminal.

mod cells;
mod diagram;
mod document;
mod junit;
mod mask;
mod progress;
mod race;
mod sections;
mod table;
mod transcript;
mod write;

pub use document::{Document, json};
pub use junit::JunitReport;
pub use mask::Mask;
pub use progress::{Progress, terminal_width};
pub use race::race_table;
pub use table::{Style, table};
pub use transcript::transcript;
pub use write::{WriteError, write};
