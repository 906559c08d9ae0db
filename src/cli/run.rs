//! `run`: one file after the other, reports at the end.

use std::{future::Future, path::Path, sync::Arc};

use super::{args::RunArguments, console::Console, exporters, kept, outputs, status};
use crate::{
    exporter::{Exported, Exporters},
    history,
    measure::{LiveBoard, RaceBoard},
    plan::Plan,
    report::{self, Document, Progress, Reported, Style, Watched},
    run::{Finished, RunError, StopSignal, Trouble, Watcher, load_run},
    scenario::Problems,
    verdict::{Baseline, Conclusion},
};

/// Runs a future to its end.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime needs nothing but threads and descriptors, which every process has")
        .block_on(future)
}

pub(super) fn run(arguments: &RunArguments, console: &Console) -> u8 {
    let outputs = arguments.shared.running.outputs();
    if let Err(status) = outputs::check(&outputs.paths(), console) {
        return status;
    }
    console.hide_passwords(arguments.shared.running.reach.scenario.targets.iter().map(|(_, url)| url));
    let chosen = match chosen_files(arguments, console) {
        Ok(chosen) => chosen,
        Err(status) => return status,
    };
    let baselines = match arguments.baseline.as_deref().map(kept::find).transpose() {
        Ok(found) => found.unwrap_or_default(),
        Err(failed) => return kept::fail(failed, console),
    };
    let exporters = match exporters::start(arguments, console) {
        Ok(exporters) => exporters,
        Err(status) => return status,
    };
    let (documents, statuses) = block_on(async {
        let stop = StopSignal::default();
        listen(stop.clone(), console);
        let mut documents = Vec::new();
        let mut statuses = Vec::new();
        for file in chosen {
            if stop.is_stopped() {
                break;
            }
            let watcher = ConsoleWatcher::new(console).ended_by(&stop).exporting(&exporters);
            let (document, status) = run_file(file, arguments, &baselines, console, &stop, watcher).await;
            statuses.extend(keep(&document, arguments, console).await);
            documents.push(document);
            statuses.push(status);
        }
        (documents, statuses)
    });
    let written = outputs.write(&documents, console);
    if written.iter().all(|status| *status == status::PASS) {
        offer_to_shrink(arguments, &documents, console);
    }
    overall(statuses.into_iter().chain(written))
}

/// What a run broke can be shrunk from its document, when there is one.
fn offer_to_shrink(arguments: &RunArguments, reported: &[Reported], console: &Console) {
    if let (Some(path), [Reported::Ran(document)]) = (&arguments.shared.running.json, reported)
        && path != Path::new("-")
        && can_be_shrunk(document)
    {
        let line =
            format!("To search the smallest race that shows it:\n  deadheat shrink {}\n", path.display());
        if outputs::takes_stdout(&arguments.shared.running.outputs().paths()) {
            console.note(line.trim_end());
        } else {
            console.result(&line);
        }
    }
}

/// What a service does with a request can't be taken apart.
fn can_be_shrunk(document: &Document) -> bool {
    let is_in_the_database =
        |name: &str| document.operations.get(name).is_some_and(|operation| operation.requests.sent == 0);
    let mut suspects = document.incidents.iter().flat_map(|incident| &incident.suspects);
    suspects.any(|pair| is_in_the_database(&pair.one) && is_in_the_database(&pair.other))
}

/// The highest of 130, 3, 2, 1, 4, 0 in that order.
pub(super) fn overall(statuses: impl Iterator<Item = u8>) -> u8 {
    const ORDER: [u8; 6] = [
        status::PASS,
        status::INCONCLUSIVE,
        status::FAIL,
        status::USAGE,
        status::COULD_NOT_RUN,
        status::INTERRUPTED,
    ];
    let rank = |status: u8| ORDER.iter().position(|known| *known == status).unwrap_or(ORDER.len());
    statuses.max_by_key(|status| rank(*status)).unwrap_or(status::PASS)
}

/// The files that `--only` and `--tags` leave; without them all, unread.
fn chosen_files<'a>(arguments: &'a RunArguments, console: &Console) -> Result<Vec<&'a Path>, u8> {
    let files = arguments.shared.files.iter().map(std::path::PathBuf::as_path);
    if arguments.only.is_empty() && arguments.tags.is_empty() {
        return Ok(files.collect());
    }
    let mut chosen = Vec::new();
    for file in files {
        let plan = load_run(&arguments.shared.options(file))
            .map_err(|problems: Problems| console.run_error(&RunError::Scenario(problems)))?
            .0
            .plan;
        let by_name = arguments.only.is_empty() || arguments.only.contains(&plan.name);
        let by_tag = arguments.tags.is_empty() || plan.tags.iter().any(|tag| arguments.tags.contains(tag));
        if by_name && by_tag {
            chosen.push(file);
        }
    }
    if chosen.is_empty() {
        console.error(&Trouble::new("no scenario is left by `--only` and `--tags`"));
        return Err(status::USAGE);
    }
    Ok(chosen)
}

/// Ctrl-C once ends the run gracefully; twice ends the process, and the guards do the rest.
pub(super) fn listen(stop: StopSignal, console: &Console) {
    let console = console.clone();
    tokio::spawn(async move {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_stopped() {
                console.live_block(None);
                console.say("ended at once: nothing was cleaned up, `deadheat clean` removes what is left");
                std::process::exit(i32::from(status::INTERRUPTED));
            }
            console.say("ending the run and cleaning up; once more to end at once");
            stop.stop();
        }
    });
}

async fn run_file(
    file: &Path,
    arguments: &RunArguments,
    baselines: &[Document],
    console: &Console,
    stop: &StopSignal,
    mut watcher: ConsoleWatcher<'_>,
) -> (Reported, u8) {
    let mut options = arguments.shared.options(file);
    options.baselines = baselines_of(arguments, baselines);
    options.explain_statements = arguments.explain_statements;
    options.no_sampling = arguments.no_sampling;
    let ended = crate::run::run(&options, stop, &mut watcher).await;
    drop(watcher);
    let is_alone = outputs::takes_stdout(&arguments.shared.running.outputs().paths());
    report_ended(ended, file, console, |document, style| match is_alone {
        true => String::new(),
        false => report::table(document, style),
    })
}

/// The documents that `--baseline` names. Which of them is of the scenario is known once its file is read.
fn baselines_of(arguments: &RunArguments, documents: &[Document]) -> Vec<Arc<Baseline>> {
    let Some(name) = &arguments.baseline else { return Vec::new() };
    let parts = documents.iter().map(|document| document.clone().into_parts().0);
    parts.map(|results| Arc::new(Baseline { name: name.clone(), results })).collect()
}

/// Keeps a run when it was asked for, and where runs are kept already; a status when that failed.
async fn keep(reported: &Reported, arguments: &RunArguments, console: &Console) -> Option<u8> {
    let wanted = arguments.history || arguments.save_baseline.is_some();
    if arguments.no_history || !(wanted || history::exists(Path::new("."))) {
        return None;
    }
    let Reported::Ran(document) = reported else { return None };
    let name = arguments.save_baseline.as_deref();
    match kept::keep(&outputs::masked_document(document, console), name).await {
        Ok(()) => {
            let what = name.map(|name| format!(" as the baseline {name}")).unwrap_or_default();
            console.note(&format!("kept run {}{what}", document.run_id));
            None
        }
        // A run that nobody asked to keep isn't worth a failure.
        Err(trouble) if !wanted => {
            console.warning(&format!("the run isn't kept: {}", trouble.message));
            None
        }
        Err(trouble) => {
            console.error(&trouble);
            Some(status::COULD_NOT_RUN)
        }
    }
}

/// Prints what came of a file with `print`.
pub(super) fn report_ended(
    ended: Result<Finished, RunError>,
    file: &Path,
    console: &Console,
    print: impl Fn(&Document, &Style) -> String,
) -> (Reported, u8) {
    match ended {
        Ok(finished) => report_finished(finished, console, print),
        Err(error) => {
            let status = console.run_error(&error);
            let message = match &error {
                RunError::Scenario(problems) => problems.render_own(false),
                RunError::CouldNotRun(trouble) => trouble.message.clone(),
                RunError::Interrupted => "interrupted before the load began".to_owned(),
            };
            (
                Reported::CouldNotRun {
                    scenario: file.display().to_string(),
                    message: console.masked(&message),
                },
                status,
            )
        }
    }
}

fn report_finished(
    finished: Finished,
    console: &Console,
    print: impl Fn(&Document, &Style) -> String,
) -> (Reported, u8) {
    let Finished { results, verdict, cleanup } = finished;
    let interrupted = results.interrupted;
    let status = match verdict.verdict {
        Conclusion::Pass => status::PASS,
        Conclusion::Fail => status::FAIL,
        Conclusion::Inconclusive => status::INCONCLUSIVE,
    };
    // Before it is laid out: a secret that is broken across lines wouldn't be found any more.
    let document = outputs::masked_document(&Document::new(results, verdict), console);
    let style = Style { color: console.stdout_color(), width: report::terminal_width() };
    let text = print(&document, &style);
    if !text.is_empty() {
        console.result(&text);
    }
    let mut statuses = vec![status];
    if let Some(trouble) = cleanup {
        console.error(&trouble.hint("`deadheat clean` removes what is left"));
        statuses.push(status::COULD_NOT_RUN);
    }
    if interrupted {
        statuses.push(status::INTERRUPTED);
    }
    (Reported::Ran(Box::new(document)), overall(statuses.into_iter()))
}

/// Shows stages and progress on stderr.
pub(super) struct ConsoleWatcher<'a> {
    console: &'a Console,
    progress: Option<Progress>,
    stop: StopSignal,
    exporters: Option<&'a Exporters>,
}

impl<'a> ConsoleWatcher<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self { console, progress: None, stop: StopSignal::default(), exporters: None }
    }

    /// Shows, too, that this signal was given.
    pub(super) fn ended_by(self, stop: &StopSignal) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// Exports what the load counts, too.
    pub(super) fn exporting(self, exporters: &'a Exporters) -> Self {
        Self { exporters: Some(exporters), ..self }
    }

    fn show(&mut self, watched: Watched<'_>) {
        if self.console.is_quiet() {
            return;
        }
        let stop = self.stop.clone();
        let is_ending = Box::new(move || stop.is_stopped());
        let progress = Progress::start(watched, self.console.stderr_color(), is_ending);
        self.console.live_block(progress.block().cloned());
        self.progress = Some(progress);
    }
}

impl Watcher for ConsoleWatcher<'_> {
    fn stage(&mut self, text: &str) {
        self.console.note(text);
    }

    fn secrets(&mut self, secrets: &[String]) {
        self.console.hide(secrets);
    }

    fn warning(&mut self, text: &str) {
        self.console.warning(text);
    }

    fn load_begins(&mut self, board: Arc<LiveBoard>, plan: &Plan) {
        if let Some(exporters) = self.exporters {
            let masked = |name: &str| self.console.masked(name);
            exporters.show(&Exported {
                scenario: masked(&plan.name),
                operations: plan.operation_names().iter().map(|name| masked(name)).collect(),
                board: Arc::clone(&board),
            });
        }
        self.show(Watched::Load(board, plan));
    }

    fn race_begins(&mut self, board: Arc<RaceBoard>, race: &str) {
        self.show(Watched::Race(board, race));
    }

    fn load_ended(&mut self) {
        if let Some(progress) = self.progress.take() {
            self.console.live_block(None);
            progress.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_status_counts() {
        assert_eq!(overall([0, 4].into_iter()), 4);
        assert_eq!(overall([0, 4, 1].into_iter()), 1);
        assert_eq!(overall([1, 2].into_iter()), 2);
        assert_eq!(overall([3, 2, 1].into_iter()), 3);
        assert_eq!(overall(std::iter::empty()), 0);
    }
}
