//! The targets of `fuzz/`, each with its seeds and a bounded number of inputs made of them, the same each time:
//! what `cargo fuzz` would call for hours is called for seconds wherever the tests run.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs for each target.
const INPUTS: usize = 2_000;
/// Longer seeds are cut to pieces of this length, some of them: most mistakes are small.
const LONGEST: usize = 40_000;
/// A target ends before all its inputs are tried when the machine is slow.
const LONGEST_TIME: Duration = Duration::from_secs(12);
/// Fewer inputs than these prove nothing.
const FEWEST: usize = 100;
/// One input: generous for a debug build on a busy machine.
const LONGEST_INPUT: Duration = Duration::from_secs(10);

/// Texts that have meaning somewhere, or break something elsewhere.
const TOKENS: [&str; 40] = [
    "{{",
    "}}",
    "{%",
    "${",
    "}",
    "'",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{202e}",
    "\u{feff}",
    "é",
    "💥",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    "[",
    "]",
    "(",
    ")",
    "*",
    "-1",
    "0",
    "18446744073709551616",
    "1e309",
    "NaN",
    "99999999999999999999",
    "9223372036854775807",
    "%",
    "ms",
    "null",
    "true",
    "..",
    "\\ud800",
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("a seed")).collect()
}

fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    random.random_range(0..end.max(1))
}

/// A seed with one to eight changes.
fn mutated(random: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[below(random, seeds.len())].clone();
    if input.len() > LONGEST || below(random, 4) == 0 {
        let from = below(random, input.len());
        let length = 1 + below(random, LONGEST.min(input.len() - from));
        // A document must begin at its beginning to be read at all.
        input = if below(random, 2) == 0 { input[from..from + length].to_vec() } else { input };
    }
    for _ in 0..1 + below(random, 8) {
        let at = below(random, input.len() + 1);
        let end = (at + below(random, 40)).min(input.len());
        match below(random, 7) {
            0 => drop(input.drain(at..end)),
            1 => drop(input.splice(at..at, TOKENS[below(random, TOKENS.len())].bytes())),
            2 => drop(input.splice(at..end, TOKENS[below(random, TOKENS.len())].bytes())),
            3 if at < input.len() => input[at] = random.random(),
            4 if at < input.len() => input[at] ^= 1 << below(random, 8),
            5 => {
                let again = input[at..end].repeat(1 + below(random, 30));
                drop(input.splice(at..at, again));
            }
            _ => {
                let other = &seeds[below(random, seeds.len())];
                let from = below(random, other.len());
                let part = other[from..(from + below(random, 200)).min(other.len())].to_vec();
                drop(input.splice(at..end, part));
            }
        }
    }
    input
}

#[track_caller]
fn run(target: &str) {
    let (_, function) = targets::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let seeds = seeds(target);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let made = (0..INPUTS).map(|_| mutated(&mut random, &seeds)).collect::<Vec<_>>();
    let begun = Instant::now();
    let mut tried = 0;
    for input in seeds.iter().chain(&made) {
        if begun.elapsed() > LONGEST_TIME {
            break;
        }
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| function(input)));
        let kept = || {
            let path = std::env::temp_dir().join(format!("deadheat-fuzz-{target}"));
            fs::write(&path, input).expect("written");
            path.display().to_string()
        };
        assert!(outcome.is_ok(), "{target} panics on input {tried}, kept as {}", kept());
        assert!(began.elapsed() < LONGEST_INPUT, "{target} takes {:?} for {}", began.elapsed(), kept());
        tried += 1;
    }
    assert!(tried >= FEWEST.min(seeds.len() + INPUTS), "only {tried} inputs were tried");
}

#[test]
fn scenario_files() {
    run("scenario");
}

#[test]
fn templates() {
    run("template");
}

#[test]
fn thresholds() {
    run("threshold");
}

#[test]
fn schedules() {
    run("schedule");
}

#[test]
fn specifications() {
    run("specification");
}

#[test]
fn results() {
    run("result");
}

#[test]
fn details_of_deadlocks() {
    run("deadlock_detail");
}

#[test]
fn statuses_of_innodb() {
    run("innodb_status");
}

/// Each target has its seeds, and its place in the package that `cargo fuzz` builds.
#[test]
fn every_target_is_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the package");
    for (name, _) in targets::TARGETS {
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} isn't in fuzz/Cargo.toml");
        let source = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).expect("the target");
        assert!(source.contains(&format!("targets::{name}(bytes)")), "{source}");
    }
}
