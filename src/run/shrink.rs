//! From the result document of a run to the smallest race that shows what it broke.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    RunOptions, StopSignal, Watcher,
    execute::caught,
    search::{Bench, Found},
    trouble::RunError,
};
use crate::{
    measure::{Incident, RaceResults, RunResults, ScheduleRecord},
    plan,
    scenario::{self, Node, NodeKind, Problem, Problems, Source, did_you_mean},
    shrink::{Case, Draft, Failure, Origin, Pair, Places, Wanted, build},
};

/// Interleavings that are all driven at the first look; of more, as many are drawn.
const FIRST_LOOK: u64 = 120;
/// Interleavings that are drawn at the last look.
const LAST_LOOK: u64 = 1_500;

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct ShrinkOptions {
    /// `file` is the scenario that was run.
    pub run: RunOptions,
    /// The file to write; beside the scenario when `None`.
    pub output: Option<PathBuf>,
    /// Just this invariant, or `deadlock`.
    pub failure: Option<String>,
    /// How long the search may take.
    pub budget: Duration,
}

impl ShrinkOptions {
    /// The file that will be written: `NAME-race.yaml` beside the scenario when none was named.
    pub fn output(&self) -> PathBuf {
        let file = &self.run.file;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        self.output.clone().unwrap_or_else(|| file.with_file_name(format!("{stem}-race.yaml")))
    }
}

/// What became of a search.
#[derive(Debug, Default)]
pub struct Shrunk {
    /// The invariant that was broken, or `deadlocks`, in words.
    pub what: String,
    pub path: PathBuf,
    /// The race; `None` when no interleaving of two operations showed it.
    pub found: Option<ShrunkRace>,
    pub drafts: u64,
    pub schedules: u64,
    pub took: Duration,
    /// Pairs of operations that weren't looked at, and why.
    pub refused: Vec<String>,
}

/// A race that shows what a run broke.
#[derive(Debug)]
pub struct ShrunkRace {
    /// The file's content.
    pub text: String,
    pub operations: [String; 2],
    pub race: RaceResults,
    /// The schedule that shows it.
    pub record: ScheduleRecord,
    /// Nothing can be left out any more; false when time ran out.
    pub smallest: bool,
}

/// Searches the smallest race that shows what a run broke. What is written stays to be written.
///
/// # Errors
/// When there is nothing to shrink, the scenario is gone or wrong, or the database can't be used.
pub async fn shrink(
    results: &RunResults,
    options: &ShrinkOptions,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<Shrunk, RunError> {
    let file = &options.run.file;
    let (compiled, _) = super::load_run(&options.run).map_err(RunError::Scenario)?;
    watcher.secrets(&compiled.plan.secrets);
    let incidents = chosen(crate::verdict::incidents(&compiled.plan, results), results, options)?;
    let (source, mut tree) =
        scenario::read_tree(file, options.run.profile.as_deref()).map_err(RunError::Scenario)?;
    override_vars(&mut tree, &options.run.vars);
    let path = options.output();
    let seed = options.run.seed.unwrap_or(results.seed);
    let begun = Instant::now();
    let bench = Bench::new(&options.run, &path, seed, stop, begun + options.budget);
    let mut search = Search { tree: &tree, source: &source, bench, refused: Vec::new(), wrong: None };
    let searched = caught(search.incidents(&incidents, watcher)).await;
    let Search { bench, refused, wrong, .. } = search;
    let (drafts, schedules) = (bench.drafts, bench.schedules);
    watcher.stage("cleaning up");
    let closed = bench.close(watcher).await;
    let found = searched?;
    closed?;
    if stop.is_stopped() && found.is_none() {
        return Err(RunError::Interrupted);
    }
    if let (None, 0, Some(wrong)) = (&found, drafts, wrong) {
        return Err(wrong);
    }
    let origin = Origin { scenario: file, seed: results.seed, path: &path };
    let what: Vec<String> = incidents.iter().map(Incident::what).collect();
    let (what, found) = match found {
        Some((incident, found)) => (incident.what(), Some(written(found, &origin))),
        None => (what.join(", "), None),
    };
    Ok(Shrunk { what, path, found, drafts, schedules, took: begun.elapsed(), refused })
}

fn written(found: Found, origin: &Origin<'_>) -> ShrunkRace {
    let Found { case: Case { draft, .. }, record, race, smallest } = found;
    let operations = [0, 1].map(|session: usize| draft.sessions[session].operation.clone());
    ShrunkRace { text: draft.text(&record.schedule, origin), operations, race, record, smallest }
}

/// What is to be shown, in the order of the document.
fn chosen(
    incidents: Vec<Incident>,
    results: &RunResults,
    options: &ShrinkOptions,
) -> Result<Vec<Incident>, RunError> {
    let usage = |problem: Problem| RunError::Scenario(Problems::from(problem));
    if incidents.is_empty() {
        let problem = Problem::error(format!(
            "nothing to shrink: the run of {} broke no invariant and met no deadlock",
            results.scenario
        ));
        return Err(usage(problem));
    }
    let Some(wanted) = &options.failure else { return Ok(incidents) };
    let names: Vec<String> = incidents.iter().map(|incident| incident.name().to_owned()).collect();
    let chosen: Vec<Incident> = incidents.into_iter().filter(|one| one.name() == wanted).collect();
    if chosen.is_empty() {
        let problem = Problem::error(format!("the run didn't break `{wanted}`"));
        let hint = did_you_mean(wanted, names.iter().map(String::as_str));
        return Err(usage(problem.hint(hint.unwrap_or_else(|| format!("it broke {}", names.join(", "))))));
    }
    Ok(chosen)
}

/// `--var` counts in the file that is written, too.
fn override_vars(tree: &mut Node, vars: &[(String, String)]) {
    let NodeKind::Map(entries) = &mut tree.kind else { return };
    let Some((_, written)) = entries.iter_mut().find(|(name, _)| name.value == "vars") else { return };
    let NodeKind::Map(written) = &mut written.kind else { return };
    for (name, value) in vars {
        if let Some((_, node)) = written.iter_mut().find(|(known, _)| known.value == *name) {
            node.kind = NodeKind::from_plain(value);
        }
    }
}

struct Search<'a> {
    tree: &'a Node,
    source: &'a Source,
    bench: Bench<'a>,
    refused: Vec<String>,
    /// The first draft that couldn't be driven.
    wrong: Option<RunError>,
}

/// How a draft is looked at.
#[derive(Clone, Copy)]
struct Look {
    rows: i64,
    /// With the branches of its `if`s in their place.
    unwrapped: bool,
    most: u64,
}

/// From cheap and likely to costly and unlikely.
const LOOKS: [Look; 5] = [
    Look { rows: 1, unwrapped: false, most: FIRST_LOOK },
    Look { rows: 2, unwrapped: false, most: 2 * FIRST_LOOK },
    Look { rows: 1, unwrapped: true, most: 2 * FIRST_LOOK },
    Look { rows: 1, unwrapped: false, most: LAST_LOOK },
    Look { rows: 3, unwrapped: true, most: LAST_LOOK },
];

impl Search<'_> {
    /// The first incident that a race of two operations shows.
    async fn incidents<'b>(
        &mut self,
        incidents: &'b [Incident],
        watcher: &mut dyn Watcher,
    ) -> Result<Option<(&'b Incident, Found)>, RunError> {
        for look in LOOKS {
            for incident in incidents {
                for suspects in &incident.suspects {
                    if self.bench.is_over() {
                        return Ok(None);
                    }
                    let pair = Pair { one: &suspects.one, other: &suspects.other };
                    let failure = Failure::from(incident);
                    let Some(case) = self.look(&pair, &failure, look, watcher).await? else { continue };
                    watcher.stage(&format!(
                        "{} and {} show {}: making it smaller",
                        pair.one,
                        pair.other,
                        incident.what()
                    ));
                    return Ok(Some((incident, self.bench.minimise(case, watcher).await?)));
                }
            }
        }
        Ok(None)
    }

    async fn look(
        &mut self,
        pair: &Pair<'_>,
        failure: &Failure,
        look: Look,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Case>, RunError> {
        let to = self.bench.path.parent().unwrap_or(Path::new(""));
        let built = build(self.tree, pair, failure, look.rows, &Places { source: self.source, to });
        let draft = match built {
            Ok(draft) if look.unwrapped => match draft.unwrapped() {
                Some(draft) => draft,
                None => return Ok(None),
            },
            Ok(draft) => draft,
            Err(refusal) => {
                self.refuse(refusal.to_string());
                return Ok(None);
            }
        };
        watcher.stage(&format!("looking at {} and {}", pair.one, pair.other));
        match self.bench.search(&draft, &wanted(&draft, look.most), watcher).await {
            Ok(case) => Ok(case),
            Err(RunError::Interrupted) => Err(RunError::Interrupted),
            // Another draft may do: with more rows, say.
            Err(error) => {
                let why = match &error {
                    RunError::Scenario(problems) => first_line(problems),
                    RunError::CouldNotRun(trouble) => trouble.message.clone(),
                    RunError::Interrupted => String::new(),
                };
                self.refuse(format!("{} and {}: {why}", pair.one, pair.other));
                self.wrong.get_or_insert(error);
                Ok(None)
            }
        }
    }

    fn refuse(&mut self, why: String) {
        if !self.refused.contains(&why) {
            self.refused.push(why);
        }
    }
}

/// All interleavings when they are few, else some of them.
fn wanted(draft: &Draft, most: u64) -> Wanted {
    match plan::count(&draft.lengths()) {
        Some(count) if count <= u128::from(most) => Wanted::All,
        _ => Wanted::Sample(most),
    }
}

fn first_line(problems: &Problems) -> String {
    let text = problems.render_own(false);
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
