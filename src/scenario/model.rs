//! What the user wrote: the scenario file as types, before any name is resolved.
//!
//! The doc comments are the language reference: `deadheat schema` turns them into the JSON
//! Schema that editors complete from. Absent on purpose: meaning. `plan` gives it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    choice::{EffectAmount, Quantity},
    data::Data,
    load_model::Load,
    node::Node,
    profile::Profile,
    race::Race,
    spanned::{OneOrMany, Spanned},
    step::{SqlText, Step},
    target::Target,
    variant::{Compare, Control},
};
use crate::units;

/// Names in the order in which the file declares them, each with the place where it stands.
pub type Named<T> = IndexMap<Spanned<String>, T>;

/// A text with `{{ expressions }}` in it, or any literal.
pub type Literal = Node;

/// A deadheat scenario.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// The version of the language: 1.
    #[schemars(extend("const" = 1))]
    pub version: Spanned<u32>,
    /// A short name, shown in every report.
    pub name: Spanned<String>,
    /// One or two sentences for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Words to choose scenarios by: `deadheat run --tags stress`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Scenario files whose content stands under this one's, in this order: targets and fixtures that
    /// several scenarios share. Paths are relative to the file that names them and stay in the scenario's
    /// folder. Maps are merged key by key, anything else replaces what it meets.
    #[serde(default)]
    #[schemars(extend("examples" = ["shared/targets.yaml", ["shared/targets.yaml", "shared/fixtures.yaml"]]))]
    pub include: Option<OneOrMany<Spanned<String>>>,
    /// Parts of a scenario by name, which `--profile NAME` puts over it: another load, other thresholds.
    #[serde(default)]
    pub profiles: Named<Profile>,
    /// Values by name, for every expression; `--var NAME=VALUE` replaces one.
    #[serde(default)]
    pub vars: Named<Literal>,
    /// Like `vars`, under `secrets.NAME`, and masked in every output.
    #[serde(default)]
    pub secrets: Named<Spanned<String>>,
    /// The systems that the scenario talks to.
    pub targets: Named<Target>,
    /// Rows from CSV and JSON files by name, for fixtures (`data: cards`) and expressions (`next(cards)`,
    /// `pick(cards)`).
    #[serde(default)]
    pub data: Named<Data>,
    /// Rows that are made before the run, in this order, and removed after it in reverse order.
    #[serde(default)]
    pub fixtures: Named<Fixture>,
    /// What is tried again, how often and after what delay, unless an operation says otherwise.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// What the workers do, chosen by weight.
    #[serde(default)]
    pub operations: Named<Operation>,
    /// How many workers, for how long. Needed where there are operations.
    #[serde(default)]
    pub load: Option<Load>,
    /// Interleavings of a few sessions, driven step by step: `deadheat race`.
    #[serde(default)]
    pub races: Named<Race>,
    /// What must hold in the database.
    #[serde(default)]
    pub invariants: Named<Invariant>,
    /// Conditions on what was measured: `success_rate: "> 80%"`; or on it and on the run that `--baseline` names:
    /// `latency: "p(95) < baseline * 1.1"`.
    #[serde(default)]
    pub thresholds: Named<OneOrMany<Spanned<String>>>,
    /// Conditions without which a run proves nothing: when one doesn't hold, the verdict is
    /// `inconclusive`. `overlap: "> 20%"`.
    #[serde(default)]
    pub require: Named<OneOrMany<Spanned<String>>>,
    /// For a metric its bands from best to worst; the overall grade is the worst one.
    #[serde(default)]
    pub grades: Named<Vec<Band>>,
    /// A second run, changed so that it must fail: without that a green result proves nothing.
    #[serde(default)]
    pub control: Option<Spanned<Control>>,
    /// The same run with other retry policies, shown beside each other.
    #[serde(default)]
    pub compare: Option<Spanned<Compare>>,
    /// SQL of a control, before fixtures are made.
    #[serde(skip)]
    pub setup: Vec<SqlText>,
}

/// Rows made before the run.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// The table that the rows go into.
    pub table: Spanned<String>,
    /// How many: a number or an expression over `vars` and `concurrency`.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub rows: Option<Literal>,
    /// An earlier fixture: `rows` rows are made for each row of it, which is `parent`.
    #[serde(default)]
    pub per: Option<Spanned<String>>,
    /// The name of a data file: a row is made of each of its rows, which is `row` in `values`, or of the first
    /// `rows` of them. Without `values` its columns are the table's.
    #[serde(default)]
    pub data: Option<Spanned<String>>,
    /// Column values. `n` counts the rows from 1.
    #[serde(default)]
    pub values: Named<Literal>,
}

/// What is tried again after a failure, and when.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Causes: `deadlock`, `serialization`, `lock_timeout`, `busy`, `unique`, `connection`, or a
    /// five-character SQLSTATE, or an error number of MySQL or MariaDB.
    #[serde(default)]
    #[schemars(extend("examples" = [["deadlock", "serialization"]]))]
    pub on: Vec<Spanned<String>>,
    /// Retries after the first attempt: 3 means at most 4 attempts.
    #[serde(default)]
    pub max_retries: Option<Spanned<u32>>,
    /// How the delay grows.
    #[serde(default)]
    pub backoff: Option<Backoff>,
    /// Delay before the first retry.
    #[serde(default)]
    pub delay: Option<units::Span>,
    /// Factor between one delay and the next, for `exponential`; 2 when not given.
    #[serde(default)]
    pub multiplier: Option<Spanned<f64>>,
    /// No delay is longer than this.
    #[serde(default)]
    pub max_delay: Option<units::Span>,
    /// `none`, `full` (anything from nothing to the delay) or a share like `20%` either way.
    #[serde(default)]
    #[schemars(extend("examples" = ["none", "full", "20%"]))]
    pub jitter: Option<Spanned<String>>,
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// No delay.
    None,
    /// The same delay each time.
    Fixed,
    /// `delay`, then times `multiplier` each time.
    Exponential,
}

/// One kind of work.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// One sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Share of the work, relative to the other operations; 0 disables; 1 when not given.
    #[serde(default)]
    pub weight: Option<Spanned<f64>>,
    /// Values drawn once per operation, in this order, and kept over retries.
    #[serde(default, rename = "let")]
    pub bindings: Named<Literal>,
    /// Replaces the scenario's `retry` for this operation, key by key.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// What it does.
    pub steps: Vec<Spanned<Step>>,
    /// What one operation changes in the database once it is acknowledged, compared with what the database
    /// shows after the run: `products.stock[product.id]: -quantity` for a sum, `payouts[ref = intent.id]: 1` for
    /// a number of rows, and without a key for a whole table. Amounts are numbers or expressions over the
    /// operation's names. Acknowledged is a commit, and an answer with a 2xx status.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, EffectAmount>")]
    pub effects: Named<Literal>,
}

/// SQL that must hold.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// One sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The target to ask; the only database when not given.
    #[serde(default)]
    pub target: Option<Spanned<String>>,
    /// The query.
    pub sql: SqlText,
    /// `no_rows`, or an expression over the first row's columns, `before` (that row before the
    /// run) and `operations.NAME.committed`. `no_rows` when not given.
    #[serde(default)]
    #[schemars(extend("examples" = ["no_rows", "total == before.total"]))]
    pub expect: Option<Spanned<String>>,
    /// `before`, `after`, `eventually`, `"every 500ms"`, or several; `after` when not given.
    #[serde(default)]
    #[schemars(extend("examples" = ["after", "eventually", ["before", "after"], "every 500ms"]))]
    pub when: Option<OneOrMany<Spanned<String>>>,
    /// How long `eventually` may take; 5s when not given.
    #[serde(default)]
    pub timeout: Option<units::Span>,
    /// What a broken invariant says: a text with expressions over the same names.
    #[serde(default)]
    pub message: Option<Spanned<String>>,
}

/// One band of a grade.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// `"> 90%"`: with `grade`.
    #[serde(default)]
    pub when: Option<Spanned<String>>,
    /// The grade that the band gives.
    #[serde(default)]
    pub grade: Option<Spanned<String>>,
    /// The grade when no band before it matched.
    #[serde(default)]
    pub otherwise: Option<Spanned<String>>,
    /// What to do about it.
    #[serde(default)]
    pub advice: Option<OneOrMany<Advice>>,
}

/// A piece of advice.
#[derive(Debug, Clone, PartialEq)]
pub enum Advice {
    /// Always given with its band.
    Text(Spanned<String>),
    /// Given only when what was measured meets a condition.
    When {
        /// Like `lock_order_violations > 0`.
        condition: Spanned<String>,
        /// What to do.
        text: Spanned<String>,
    },
}
