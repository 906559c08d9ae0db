//! `race`: the races of one file after the other, reports at the end.

use std::path::Path;

use super::{
    args::RaceArguments,
    console::Console,
    outputs::{self, Outputs},
    run::{ConsoleWatcher, block_on, listen, overall, report_ended},
};
use crate::{
    report::{self, Reported},
    run::{RaceOptions, RunOptions, StopSignal},
};

pub(super) fn race(arguments: &RaceArguments, console: &Console) -> u8 {
    let outputs = outputs_of(arguments);
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    let (reported, statuses): (Vec<Reported>, Vec<u8>) = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone());
        let mut ended = Vec::new();
        for file in &arguments.files {
            if stop.is_stopped() {
                break;
            }
            ended.push(race_file(file, arguments, console, &stop).await);
        }
        ended.into_iter().unzip()
    });
    overall(statuses.into_iter().chain(outputs.write(&reported, console)))
}

fn outputs_of(arguments: &RaceArguments) -> Outputs<'_> {
    Outputs { json: arguments.json.as_ref(), others: &arguments.outputs }
}

async fn race_file(
    file: &Path,
    arguments: &RaceArguments,
    console: &Console,
    stop: &StopSignal,
) -> (Reported, u8) {
    let options = RaceOptions {
        run: RunOptions {
            file: file.to_owned(),
            vars: arguments.scenario.vars.clone(),
            targets: arguments.scenario.targets.clone(),
            seed: arguments.seed,
            allowed_hosts: arguments.allowed_hosts.clone(),
            keep: arguments.keep,
        },
        only: arguments.only.clone(),
        schedule: arguments.schedule.clone(),
        no_reduction: arguments.no_reduction,
        transcript: arguments.transcript,
        times: None,
    };
    console.hide(&options.run.targets.iter().map(|(_, url)| url.clone()).collect::<Vec<_>>());
    let mut watcher = ConsoleWatcher::new(console);
    let ended = crate::run::race(&options, stop, &mut watcher).await;
    drop(watcher);
    let is_alone = outputs::takes_stdout(&outputs_of(arguments).paths());
    report_ended(ended, file, console, |document, style| match (is_alone, arguments.transcript) {
        (true, _) => String::new(),
        (false, true) => report::transcript(document),
        (false, false) => report::race_table(document, style),
    })
}
