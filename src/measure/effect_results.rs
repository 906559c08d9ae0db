//! How effects compared, as the result document tells it.

use serde::{Deserialize, Serialize};

/// The effects on one quantity of the database, compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EffectResults {
    /// `products.stock by id`.
    pub name: String,
    /// The columns of the key.
    pub key: Vec<String>,
    /// Operations whose effect was acknowledged.
    pub acknowledged: u64,
    /// Operations whose outcome isn't known: their effect may be there or not.
    pub unknown: u64,
    /// Attempts that failed or were rolled back: their effect must not be there.
    pub undone: u64,
    /// Keys that were compared.
    pub keys: u64,
    /// Sum of the acknowledged amounts of all keys.
    pub expected: String,
    /// The change of all keys that the database shows.
    pub observed: String,
    /// Keys that don't agree, by what that is called.
    pub broken: Vec<BrokenKeys>,
    /// The first of them, largest difference first.
    pub differences: Vec<EffectDifference>,
    /// Operations of unknown outcome that couldn't say what they would have changed.
    pub untold: u64,
    /// Why nothing could be compared.
    pub error: Option<String>,
}

/// Keys that don't agree in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokenKeys {
    pub kind: DifferenceKind,
    pub keys: u64,
    /// Sum of their differences, without signs.
    pub amount: String,
}

/// A key that doesn't agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectDifference {
    pub kind: DifferenceKind,
    /// A value for each column of the key.
    pub key: Vec<String>,
    /// Before the run.
    pub before: String,
    /// After it.
    pub after: String,
    /// Sum of what was acknowledged.
    pub acknowledged: String,
    /// Operations that it is the sum of.
    pub operations: u64,
    /// The least and the most that the change could be, unknown outcomes included.
    pub least: String,
    pub most: String,
    /// How far the change is from that.
    pub difference: String,
    /// What operations that failed would have changed, when there were any.
    pub undone: Option<String>,
}

/// What a difference is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Acknowledged and missing.
    LostUpdate,
    /// More than acknowledged and unknown operations can explain.
    DoubleApplication,
    /// What failed operations would have changed is there.
    PhantomEffect,
    /// It changed, and no operation says so.
    Unaccounted,
    /// Increases and decreases were acknowledged: either one kind was lost or the other doubled.
    Unclear,
}

impl DifferenceKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost update",
            Self::DoubleApplication => "double application",
            Self::PhantomEffect => "phantom effect after a rollback",
            Self::Unaccounted => "change that no operation told of",
            Self::Unclear => "lost or doubled update",
        }
    }
}
