//! What the user wrote: from the bytes of a scenario file to a typed model, or to all the
//! problems that stand between them, each with its place.
//!
//! [`load`] is the way in. YAML is known only in `yaml`, TOML only in `toml`: both fill one tree
//! ([`Node`]), on which overrides and the environment work, and from which one deserializer reads
//! the model ([`ScenarioFile`]). Absent on purpose: meaning. Names are resolved and expressions
//! compiled by `plan`, which reports through the same [`Problems`].

mod brackets;
mod choice;
mod data;
mod deserializer;
mod environment;
mod http;
mod include;
mod limit;
mod load;
mod load_model;
mod mask;
mod merge;
mod metric;
mod model;
mod node;
mod overrides;
mod per_database;
mod problem;
mod profile;
mod race;
mod race_choice;
mod reader;
mod recover;
mod render;
mod schema;
mod source;
mod spanned;
mod step;
mod sub_span;
mod suggest;
mod target;

pub mod threshold;
mod toml;
mod variant;
mod write;
mod yaml;

pub use brackets::{closing, split_at_commas};
pub use data::{ColumnType, Data};
pub use http::*;
pub use include::check_inside;
use load::syntax_tree;
pub use load::{LoadOptions, Loaded, load, load_str, read_tree};
pub use load_model::*;
pub use model::*;
pub use node::{Node, NodeKind};
pub use per_database::{ByDatabase, PerDatabase};
pub use problem::{Problem, Problems, Severity};
pub use profile::Profile;
pub use race::*;
pub use reader::{read_specification, specification_from_text};
pub use schema::json_schema;
pub use source::Source;
pub use spanned::{OneOrMany, Spanned};
pub use step::*;
pub use suggest::{did_you_mean, nearest};
pub use target::*;
pub use variant::*;
pub use write::to_yaml;
