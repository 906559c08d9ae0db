//! The load as the user wrote it. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{choice::Quantity, model::Literal, spanned::Spanned};
use crate::units;

/// How much work, and by how many.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Workers, each with a connection of its own: a number or an expression over `vars`. With `rate` or
    /// `stages` the most operations under way at once.
    #[schemars(with = "Quantity")]
    pub concurrency: Literal,
    /// Operations in all, shared evenly among the workers.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub iterations: Option<Literal>,
    /// How long operations are started.
    #[serde(default)]
    pub duration: Option<units::Span>,
    /// Open model: operations started per second, whether or not earlier ones have ended: `200/s`. With
    /// `duration`.
    #[serde(default)]
    pub rate: Option<units::Rate>,
    /// Open model: the rate goes in a straight line from where the stage before ended (from `rate`, or
    /// from nothing) to the stage's.
    #[serde(default)]
    pub stages: Vec<Spanned<Stage>>,
    /// Causes that end the whole run when an operation fails with one: `connection`, `http_5xx`, ….
    #[serde(default)]
    #[schemars(extend("examples" = [["connection"]]))]
    pub abort_on: Vec<Spanned<String>>,
    /// Ends the load as soon as enough was seen; `duration` is then the longest time that it may take.
    #[serde(default)]
    pub stop_when: Option<Spanned<StopWhen>>,
    /// Time at the start that isn't measured.
    #[serde(default)]
    pub warmup: Option<units::Span>,
    /// `together`: all workers leave one barrier when each has its connection.
    #[serde(default)]
    pub release: Option<Release>,
}

/// What is enough.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopWhen {
    /// As many overlapped trials that, if none of them shows a violation, fewer than this share do, at 95 %:
    /// `0.1%` is 3,000 trials.
    pub upper_bound: Spanned<String>,
}

/// A part of an open load.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long it takes.
    pub duration: units::Span,
    /// The rate at its end.
    pub rate: units::Rate,
}

/// How workers start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// All at once.
    Together,
    /// Each as soon as it is connected.
    Immediately,
}
