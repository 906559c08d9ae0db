//! `check` and `explain`.

use std::path::Path;

use super::{
    args::{CheckArguments, ExplainArguments},
    console::Console,
    run::{ConsoleWatcher, block_on},
    status,
};
use crate::{
    plan,
    run::{RunError, RunOptions, check_connected, load_run},
    scenario::Problems,
};

pub(super) fn check(arguments: &CheckArguments, console: &Console) -> u8 {
    arguments.files.iter().map(|file| check_file(file, arguments, console)).max().unwrap_or(status::PASS)
}

/// A file with the profile that was asked for; without one as it is, then with each that it has.
pub(super) fn check_file(file: &Path, arguments: &CheckArguments, console: &Console) -> u8 {
    let options = arguments.reach.options(file, None, false);
    let (status, profiles) = check_one(&options, arguments, console);
    if options.profile.is_some() || status != status::PASS {
        return status;
    }
    let with = |profile: String| RunOptions { profile: Some(profile), ..options.clone() };
    let each = profiles.into_iter().map(|profile| check_one(&with(profile), arguments, console).0);
    each.max().unwrap_or(status::PASS)
}

/// The status, and the profiles that the file has.
fn check_one(options: &RunOptions, arguments: &CheckArguments, console: &Console) -> (u8, Vec<String>) {
    let shown = match &options.profile {
        Some(profile) => format!("{} with profile {profile}", options.file.display()),
        None => options.file.display().to_string(),
    };
    console.hide_passwords(options.targets.iter().map(|(_, url)| url));
    let checked = load_run(options).map_err(RunError::Scenario).and_then(|(compiled, _)| {
        console.hide(&compiled.plan.secrets);
        for race in compiled.plan.races.iter().filter(|_| !arguments.connect && options.profile.is_none()) {
            console.note(&format!("race {}: {}", race.name, race.schedules_in_words()));
        }
        let profiles = compiled.plan.profiles.clone();
        match arguments.connect {
            true => {
                let mut watcher = ConsoleWatcher::new(console);
                Ok((block_on(check_connected(options, &mut watcher))?, profiles))
            }
            false => Ok((compiled.warnings, profiles)),
        }
    });
    match checked {
        Ok((warnings, profiles)) => (tell(&shown, &warnings, arguments.strict, console), profiles),
        Err(error) => {
            if options.profile.is_some() {
                console.note(&format!("{shown}:"));
            }
            (console.run_error(&error), Vec::new())
        }
    }
}

fn tell(shown: &str, warnings: &Problems, strict: bool, console: &Console) -> u8 {
    if !warnings.is_empty() {
        console.problems(warnings);
    }
    let count = warnings.iter().count();
    if strict && count > 0 {
        return status::USAGE;
    }
    match count {
        0 => console.note(&format!("{shown}: ok")),
        1 => console.note(&format!("{shown}: ok, with 1 warning")),
        _ => console.note(&format!("{shown}: ok, with {count} warnings")),
    }
    status::PASS
}

pub(super) fn explain(arguments: &ExplainArguments, console: &Console) -> u8 {
    console.hide_passwords(arguments.scenario.targets.iter().map(|(_, url)| url));
    let scenario = &arguments.scenario;
    let options = RunOptions {
        file: arguments.file.clone(),
        vars: scenario.vars.clone(),
        targets: scenario.targets.clone(),
        profile: scenario.profile.clone(),
        ..RunOptions::default()
    };
    match load_run(&options) {
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
