//! `shrink`: from a result document to a scenario file with the smallest race that shows what the run broke.

use std::path::Path;

use super::{
    args::ShrinkArguments,
    console::Console,
    run::{ConsoleWatcher, block_on, listen},
    status,
};
use crate::{
    report::{self, Document, Style},
    run::{RunOptions, ShrinkOptions, Shrunk, StopSignal, Trouble},
    units::format_duration,
};

pub(super) fn shrink(arguments: &ShrinkArguments, console: &Console) -> u8 {
    let document = match read(&arguments.result) {
        Ok(document) => document,
        Err(trouble) => {
            console.error(&trouble);
            return status::USAGE;
        }
    };
    let file = arguments.scenario_file.clone().unwrap_or_else(|| document.file.clone().into());
    if !file.exists() {
        let message = format!("the scenario of that run, {}, isn't there any more", file.display());
        console.error(&Trouble::new(message).hint("say where it is with `--scenario-file FILE`"));
        return status::USAGE;
    }
    let mut vars = document.vars.clone();
    vars.extend(arguments.reach.scenario.vars.iter().cloned());
    let options = ShrinkOptions {
        run: RunOptions {
            vars: vars.into_iter().collect(),
            profile: arguments.reach.scenario.profile.clone().or(document.profile.clone()),
            ..arguments.reach.options(&file, arguments.seed, false)
        },
        output: arguments.output.clone(),
        failure: arguments.only.clone(),
        budget: arguments.budget,
    };
    if let Err(trouble) = check_output(&options.output(), arguments.force) {
        console.error(&trouble);
        return status::USAGE;
    }
    console.hide_passwords(options.run.targets.iter().map(|(_, url)| url));
    let (results, _) = document.into_parts();
    let ended = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone(), console);
        let mut watcher = ConsoleWatcher::new(console).ended_by(&stop);
        crate::run::shrink(&results, &options, &stop, &mut watcher).await
    });
    match ended {
        Ok(shrunk) => finish(&shrunk, console),
        Err(error) => console.run_error(&error),
    }
}

/// Nothing that is there is written over unless the user says so.
fn check_output(path: &Path, force: bool) -> Result<(), Trouble> {
    if !force && path.exists() {
        let message = format!("{} is there already", path.display());
        return Err(Trouble::new(message).hint("`--force` writes over it, `-o FILE` writes another file"));
    }
    if !matches!(path.extension().and_then(|ending| ending.to_str()), Some("yaml" | "yml")) {
        let message = format!("{} doesn't end in .yaml", path.display());
        return Err(Trouble::new(message).hint("the race is written as YAML"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Document, Trouble> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Trouble::new(format!("can't read {}: {error}", path.display())))?;
    let documents = report::read(&text).map_err(|error| {
        Trouble::new(format!("{} can't be used: {error}", path.display())).hint(error.hint())
    })?;
    <[Document; 1]>::try_from(documents).map(|[document]| document).map_err(|several| {
        Trouble::new(format!("{} holds the documents of {} runs", path.display(), several.len()))
            .hint("run the scenario that failed alone, with `--json`")
    })
}

fn finish(shrunk: &Shrunk, console: &Console) -> u8 {
    let tried = format!(
        "{} schedules of {} races tried in {}",
        shrunk.schedules,
        shrunk.drafts,
        format_duration(shrunk.took)
    );
    let Some(found) = &shrunk.found else {
        for refused in &shrunk.refused {
            console.warning(refused);
        }
        if shrunk.drafts == 0 && !shrunk.refused.is_empty() {
            console.error(&Trouble::new(format!(
                "no race can be made of what the run broke: {}",
                shrunk.what
            )));
            return status::USAGE;
        }
        console.error(
            &Trouble::new(format!("no race of two operations shows {}: {tried}", shrunk.what)).hint(
                "more time may help: `--budget 5m`; what needs three sessions, or many rows, isn't found",
            ),
        );
        return status::INCONCLUSIVE;
    };
    // Not masked: the environment isn't put in, and what the scenario itself says stands beside it anyway.
    if let Err(error) = report::write(&shrunk.path, found.text.as_bytes()) {
        console.error(&Trouble::new(error.to_string()));
        return status::COULD_NOT_RUN;
    }
    if !found.smallest {
        console.warning("time ran out before nothing more could be left out; `--budget` gives it more");
    }
    let style = Style { color: console.stdout_color(), width: report::terminal_width() };
    let [one, other] = &found.operations;
    let who = if one == other { format!("two of {one}") } else { format!("{one} and {other}") };
    let file = shrunk.path.display();
    let steps = found.record.schedule.split(' ').count();
    console.result(&format!(
        "\n{}: {who}, {steps} steps; {tried}\n\n{}\nWritten: {file}\n  deadheat race {file}\n  deadheat replay {file} --times \
         100\n",
        shrunk.what,
        report::one_race(&found.race.sessions, &found.record, &style),
    ))
}
