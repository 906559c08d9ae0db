//! The `deadheat` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    deadheat::cli::main()
}
