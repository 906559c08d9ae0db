//! `replay`: the listed schedules of a race, many times.
//!
//! It answers how often, so that its exit status says only whether it could be asked: the numbers are in
//! the result document and in JUnit, where the race is judged as `race` judges it.

use super::{
    args::ReplayArguments,
    console::Console,
    outputs,
    run::{ConsoleWatcher, block_on, listen, overall, report_ended},
    status,
};
use crate::{
    report,
    run::{RaceOptions, StopSignal},
};

pub(super) fn replay(arguments: &ReplayArguments, console: &Console) -> u8 {
    let outputs = arguments.running.outputs();
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    let running = &arguments.running;
    let options = RaceOptions {
        run: running.reach.options(&arguments.file, running.seed, false),
        only: arguments.only.clone(),
        schedule: arguments.schedule.clone(),
        times: Some(arguments.times),
        ..RaceOptions::default()
    };
    console.hide_passwords(options.run.targets.iter().map(|(_, url)| url));
    let ended = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone(), console);
        let mut watcher = ConsoleWatcher::new(console).ended_by(&stop);
        crate::run::race(&options, &stop, &mut watcher).await
    });
    let could_be_asked = ended.as_ref().is_ok_and(|finished| {
        !finished.results.interrupted
            && finished.cleanup.is_none()
            && finished.results.races.iter().all(|race| race.mistake.is_none() && race.executed > 0)
    });
    let is_alone = outputs::takes_stdout(&outputs.paths());
    let (reported, judged) =
        report_ended(ended, &arguments.file, console, |document, style| match is_alone {
            true => String::new(),
            false => report::replay_table(document, style),
        });
    let written = outputs.write(&[reported], console);
    let status = if could_be_asked { status::PASS } else { judged };
    overall(std::iter::once(status).chain(written))
}
