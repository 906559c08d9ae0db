#![forbid(unsafe_code)]
pub mod cli;
pub mod engine;
pub mod expression;
pub mod fixture;
pub mod measure;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod target;
pub mod units;
pub mod verdict;
