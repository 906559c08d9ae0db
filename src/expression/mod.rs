//! Expressions: the `{{ }}` of the scenario language, compiled once and evaluated per use.
//!
//! Text with its place in the file comes in, typed values go out. A [`Frame`] holds what the
//! names stand for; the random numbers and the moment enter with it, so that nothing here reads
//! a clock or draws on its own. Absent on purpose: SQL, which `plan` builds from the segments.

mod columns;
mod compiled;
mod data;
mod fake;
mod frame;
mod functions;
mod json;
mod kind;
mod layer;
#[cfg(test)]
mod limits;
mod payload;
mod row;
mod template;

pub use compiled::{EvaluationError, Expression, ExpressionError};
pub use data::{DataRows, Turn};
pub use frame::{Crowd, Frame, Names, RandomStream};
pub use functions::{FUNCTIONS, is_function};
pub use json::JsonTemplate;
pub use layer::layered;
pub use minijinja::Value;
pub use payload::{PayloadError, Payloads};
pub use row::{FixtureRows, Row, Rows, from_json, to_json, to_text};
pub use template::{Piece, Segment, Template, TemplateError, split};
