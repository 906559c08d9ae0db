//! `race`: the races of one file after the other, reports at the end.

use std::path::Path;

use super::{
    args::RaceArguments,
    console::Console,
    outputs,
    run::{ConsoleWatcher, block_on, listen, overall, report_ended},
};
use crate::{
    report::{self, Reported},
    run::{RaceOptions, StopSignal},
};

pub(super) fn race(arguments: &RaceArguments, console: &Console) -> u8 {
    let outputs = arguments.shared.running.outputs();
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    let (reported, statuses): (Vec<Reported>, Vec<u8>) = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone(), console);
        let mut ended = Vec::new();
        for file in &arguments.shared.files {
            if stop.is_stopped() {
                break;
            }
            ended.push(race_file(file, arguments, console, &stop).await);
        }
        ended.into_iter().unzip()
    });
    overall(statuses.into_iter().chain(outputs.write(&reported, console)))
}

async fn race_file(
    file: &Path,
    arguments: &RaceArguments,
    console: &Console,
    stop: &StopSignal,
) -> (Reported, u8) {
    let options = RaceOptions {
        run: arguments.shared.options(file),
        only: arguments.only.clone(),
        schedule: arguments.schedule.clone(),
        no_reduction: arguments.no_reduction,
        transcript: arguments.transcript,
        times: None,
    };
    console.hide_passwords(options.run.targets.iter().map(|(_, url)| url));
    let mut watcher = ConsoleWatcher::new(console).ended_by(stop);
    let ended = crate::run::race(&options, stop, &mut watcher).await;
    drop(watcher);
    let is_alone = outputs::takes_stdout(&arguments.shared.running.outputs().paths());
    report_ended(ended, file, console, |document, style| match (is_alone, arguments.transcript) {
        (true, _) => String::new(),
        (false, true) => report::transcript(document),
        (false, false) => report::race_table(document, style),
    })
}
