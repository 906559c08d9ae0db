//! `race`: the races of one file after the other, reports at the end.

use std::path::Path;

use super::{
    args::RaceArguments,
    console::Console,
    run::{
        ConsoleWatcher, Outcome, ReportPaths, block_on, is_stdout, listen, overall, report_ended,
        write_reports,
    },
};
use crate::{
    report,
    run::{RaceOptions, RunOptions, StopSignal},
};

pub(super) fn race(arguments: &RaceArguments, console: &Console) -> u8 {
    let (outcomes, statuses): (Vec<Outcome>, Vec<u8>) = block_on(async {
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
    let paths = ReportPaths { json: arguments.json.as_deref(), junit: arguments.junit.as_deref() };
    let written = write_reports(&paths, &outcomes, console);
    overall(statuses.into_iter().chain(written))
}

async fn race_file(
    file: &Path,
    arguments: &RaceArguments,
    console: &Console,
    stop: &StopSignal,
) -> (Outcome, u8) {
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
    };
    console.hide(&options.run.targets.iter().map(|(_, url)| url.clone()).collect::<Vec<_>>());
    let mut watcher = ConsoleWatcher::new(console);
    let ended = crate::run::race(&options, stop, &mut watcher).await;
    drop(watcher);
    let json_alone = is_stdout(arguments.json.as_deref());
    report_ended(ended, file, console, |document, style| match (json_alone, arguments.transcript) {
        (true, _) => String::new(),
        (false, true) => report::transcript(document),
        (false, false) => report::race_table(document, style),
    })
}
