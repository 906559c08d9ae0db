//! `check` and `explain`.

use super::{
    args::{CheckArguments, ExplainArguments},
    console::Console,
    run::{ConsoleWatcher, block_on},
    status,
};
use crate::{
    plan,
    run::{check_connected, load_plan},
};

pub(super) fn check(arguments: &CheckArguments, console: &Console) -> u8 {
    arguments.files.iter().map(|file| check_file(file, arguments, console)).max().unwrap_or(status::PASS)
}

fn check_file(file: &std::path::Path, arguments: &CheckArguments, console: &Console) -> u8 {
    let written = &arguments.reach.scenario;
    let warnings = if arguments.connect {
        let options = arguments.reach.options(file, None, false);
        let mut watcher = ConsoleWatcher::new(console);
        block_on(check_connected(&options, &mut watcher))
    } else {
        load_plan(file, &written.vars, &written.targets)
            .map(|(compiled, _)| {
                for race in &compiled.plan.races {
                    console.note(&format!("race {}: {}", race.name, race.schedules_in_words()));
                }
                compiled.warnings
            })
            .map_err(crate::run::RunError::Scenario)
    };
    match warnings {
        Err(error) => console.run_error(&error),
        Ok(warnings) => {
            if !warnings.is_empty() {
                console.problems(&warnings);
            }
            let count = warnings.iter().count();
            if arguments.strict && count > 0 {
                return status::USAGE;
            }
            match count {
                0 => console.note(&format!("{}: ok", file.display())),
                1 => console.note(&format!("{}: ok, with 1 warning", file.display())),
                _ => console.note(&format!("{}: ok, with {count} warnings", file.display())),
            }
            status::PASS
        }
    }
}

pub(super) fn explain(arguments: &ExplainArguments, console: &Console) -> u8 {
    match load_plan(&arguments.file, &arguments.scenario.vars, &arguments.scenario.targets) {
        Ok((compiled, _)) => {
            console.hide(&compiled.plan.secrets);
            if !compiled.warnings.is_empty() {
                console.problems(&compiled.warnings);
            }
            console.result(&plan::explain(&compiled.plan))
        }
        Err(problems) => {
            console.problems(&problems);
            status::USAGE
        }
    }
}
