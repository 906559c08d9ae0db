//! Reports: pure, a result document in, text out. One file touches files, one the terminal.

mod annotations;
mod cells;
mod command;
mod diagram;
mod document;
mod findings;
mod html;
mod junit;
mod markdown;
mod mask;
mod progress;
mod race;
mod read;
mod reported;
mod sections;
mod table;
mod texts;
mod transcript;
mod write;

pub use annotations::{Places, annotations};
pub use document::{Document, json};
pub use findings::Section;
pub use html::{HtmlError, html};
pub use junit::JunitReport;
pub use markdown::markdown;
pub use mask::Mask;
pub use progress::{Progress, terminal_width};
pub use race::race_table;
pub use read::{ReadError, read};
pub use reported::Reported;
pub use table::{Style, table};
pub use texts::edit_texts;
pub use transcript::transcript;
pub use write::{WriteError, write};
