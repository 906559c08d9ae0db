#![forbid(unsafe_code)]
pub mod expression;
pub mod measure;
pub mod outcome;
pub mod target;
pub mod units;
