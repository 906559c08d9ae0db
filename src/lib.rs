//! deadheat: concurrency, race and stress tests of transactional systems, declared in a file.
//!
//! # The life of a scenario
//!
//! `file → ScenarioFile → Plan → engine → RunResults → Verdict → reports`
//!
//! 1. [`scenario::load`] reads YAML or TOML into one spanned tree, puts variables and environment
//!    in, and types it as a [`scenario::ScenarioFile`], with every problem at its place.
//! 2. [`plan::compile`] resolves every name, compiles every expression ([`expression`]) and
//!    statement, and returns a [`plan::Plan`] or all problems at once.
//! 3. [`run::run`] joins the stages that follow; [`cli`] calls it.
//! 4. [`target`] reaches the database: a throw-away server ([`target::embedded`]) or the user's.
//! 5. [`fixture`] writes down what it is about to make, migrates and seeds.
//! 6. [`engine::run_load`] lets the workers loose: shards of workers on a thread each, a
//!    connection for each worker, transactions retried as a whole. Beside them lock waits
//!    and the application's transactions are sampled and invariants checked ([`engine::InvariantState`]).
//!    A race goes another way from here: [`run::race`] makes a schema for each shard, and
//!    [`engine::run_race`] drives its sessions through the interleavings that [`plan::Interleavings`]
//!    enumerates, step by step, at every isolation level.
//! 7. [`fixture`] removes everything again, whatever happened.
//! 8. [`measure::collect`] turns records into [`measure::RunResults`].
//! 9. [`verdict::judge`] takes the verdict from them, and [`report`] makes text of both.
//!
//! Whether the database keeps to its isolation level is probed on another line: [`isolation`] judges
//! histories of transactions, whoever made them.
//!
//! Beside this line, [`import`] makes the text of a scenario out of another tool's test.
//!
//! What a run broke can be made a race: [`run::shrink`] reads a result document, builds races of two
//! operations ([`shrink::build`]), drives them, and makes the first that shows it as small as it gets
//! ([`shrink::changes`]).
//!
//! Runs can be kept: [`history`] is the room of the one database that is ours and not under test, so that it
//! has the driver to itself and knows no stage. [`verdict::compare`] puts two runs side by side, and
//! [`verdict::judge`] holds a run against a baseline.
//!
//! What a load has counted so far leaves while it goes on: [`exporter`] serves it to Prometheus and sends it to
//! OpenTelemetry.
//!
//! # What always holds
//!
//! - `scenario` and `plan` know no driver and no clock. The engine never prints, formats or
//!   judges. The test `layers` walks the sources and fails on a forbidden import.
//! - `verdict` and `report` work on a result document written yesterday.
//! - A failure of the system under test is data ([`outcome::Outcome`]); `Err` means that deadheat
//!   could not do its work.
//! - All randomness comes from the printed seed, by worker and iteration.
//! - A worker owns its state; a recorder belongs to a thread and is handed over at the end.
//! - What is made is written down before it is made, so that `clean` finds it.

#![forbid(unsafe_code)]

pub mod application;
pub mod cli;
pub mod dialect;
pub mod engine;
pub mod exporter;
pub mod expression;
pub mod fixture;
pub mod history;
pub mod import;
pub mod isolation;
pub mod measure;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod secrets;
pub mod shrink;
pub mod target;
pub mod units;
pub mod verdict;
