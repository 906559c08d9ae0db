//! Other tools' tests as scenarios: PostgreSQL's isolation test specifications.
//!
//! In comes the path of a specification, out goes the text of a scenario with one race ([`import`]).
//! `lexer` and `parser` read what PostgreSQL's `isolationtester` reads, `check` resolves its names,
//! `convert` says it in the language of scenarios, and `yaml` writes that down. Absent on purpose:
//! running it, and any guess: what has no equal in a race is a problem with its place.

mod check;
mod convert;
mod lexer;
mod parser;
mod read;
mod specification;
mod yaml;

#[cfg(test)]
mod tests;

pub use read::{Imported, import, import_text};
