//! Which run it is, and what every result says of that.

use std::time::SystemTime;

use super::database::Opened;
use crate::{
    measure::{Environment, RunResults},
    plan::Plan,
};

/// What tells a run from others.
pub(super) struct Identity {
    pub seed: u64,
    pub run_id: String,
    started_at: SystemTime,
}

impl Identity {
    /// A run that begins now; without a seed one is drawn.
    pub(super) fn new(seed: Option<u64>) -> Self {
        // As many digits as a person can copy.
        let seed = seed.unwrap_or_else(|| rand::random::<u32>().into());
        let started_at = SystemTime::now();
        Self { seed, run_id: new_run_id(seed, started_at), started_at }
    }

    /// Results of this run, in which nothing was measured yet.
    pub(super) fn results(&self, plan: &Plan, file: String, opened: Option<&Opened>) -> RunResults {
        RunResults {
            scenario: plan.name.clone(),
            description: plan.description.clone(),
            file,
            run_id: self.run_id.clone(),
            seed: self.seed,
            started_at: jiff::Timestamp::try_from(self.started_at)
                .map(|moment| moment.to_string())
                .unwrap_or_default(),
            environment: environment(plan, opened),
            ..RunResults::default()
        }
    }
}

fn environment(plan: &Plan, opened: Option<&Opened>) -> Environment {
    let database = plan.database.as_ref().zip(opened);
    Environment {
        deadheat: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        machine: processor_model(),
        processors: processors(),
        concurrency: plan.load.concurrency,
        targets: database
            .map(|(database, opened)| (database.target.clone(), opened.info.clone()))
            .into_iter()
            .collect(),
    }
}

/// What Linux tells of the first processor.
fn processor_model() -> Option<String> {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = told.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Ten letters and digits, unique to the run.
fn new_run_id(seed: u64, now: SystemTime) -> String {
    let nanos = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    // Time, process and seed: two runs that begin in one nanosecond differ in their process.
    let mixed = (nanos as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ u64::from(std::process::id()).rotate_left(32)
        ^ seed;
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..10).map(|n| char::from(DIGITS[(mixed >> (5 * n)) as usize % 32])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_short_plain_and_different() {
        let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let (one, other) = (new_run_id(1, now), new_run_id(2, now));
        assert_eq!(one.len(), 10);
        assert!(one.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert_ne!(one, other);
    }
}
