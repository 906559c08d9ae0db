#![forbid(unsafe_code)]
pub mod measure;
pub mod outcome;
pub mod scenario;
pub mod units;
