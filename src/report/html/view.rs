//! What the templates see: the document in the order of the scenario, with the charts drawn and
//! the words chosen.

use indexmap::IndexMap;
use serde::Serialize;

use super::{
    bins::{Bin, bins},
    comparison::ComparisonView,
    cut,
    cycles::{self, CycleView},
    latencies, timeline,
    waits::{self, Edge},
};
use crate::{
    measure::{
        ComparedRun, ControlResults, Distribution, EffectResults, InvariantResult, OperationResults,
        RaceResults, TableRows, TargetInfo,
    },
    report::{
        command, cycles as explained,
        document::Document,
        findings::findings,
        incidents, probe, race, retries,
        sections::{effect_word, request_sentences, success},
        texts::visible,
        tuning,
    },
    verdict::ThresholdResult,
};

/// Widths of a chart on a desk and on a phone; the page shows the one that fits.
const WIDE: f64 = 960.0;
const NARROW: f64 = 340.0;
/// Rows of the timeline's table.
const MOST_BINS: usize = 120;
/// Longest scenario that is shown whole.
const LONGEST_SCENARIO: usize = 100_000;

/// The page.
#[derive(Debug, Default, Serialize)]
pub(super) struct PageView {
    title: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    run: Option<Box<RunView>>,
    could_not: Option<CouldNotRunView>,
}

/// A scenario without a run.
#[derive(Debug, Serialize)]
pub(super) struct CouldNotRunView {
    pub scenario: String,
    pub message: String,
}

impl PageView {
    pub(super) fn add_run(&mut self, run: RunView) {
        self.name(&format!("{}: {}", run.document.scenario, run.word));
        self.items.push(Item { run: Some(Box::new(run)), could_not: None });
    }

    pub(super) fn add_could_not_run(&mut self, could_not: CouldNotRunView) {
        self.name(&format!("{}: could not run", could_not.scenario));
        self.items.push(Item { run: None, could_not: Some(could_not) });
    }

    fn name(&mut self, name: &str) {
        let separator = if self.title.is_empty() { "" } else { ", " };
        self.title = cut(&format!("{}{separator}{name}", self.title), 200);
    }
}

/// A value and its name. Templates see maps in the order of their keys, so that lists stand for
/// those whose order matters.
#[derive(Debug, Serialize)]
struct Named<T> {
    name: String,
    value: T,
}

fn named<T: Clone>(map: &IndexMap<String, T>) -> Vec<Named<T>> {
    map.iter().map(|(name, value)| Named { name: name.clone(), value: value.clone() }).collect()
}

/// A chart in two widths.
#[derive(Debug, Serialize)]
struct Chart {
    wide: String,
    narrow: String,
}

fn chart(id: &str, draw: impl Fn(f64, &str, &str) -> String) -> Option<Chart> {
    let wide = draw(WIDE, &format!("{id}-wide"), "wide");
    let narrow = draw(NARROW, &format!("{id}-narrow"), "narrow");
    (!wide.is_empty()).then_some(Chart { wide, narrow })
}

/// A race at a level.
#[derive(Debug, Serialize)]
struct RaceView {
    results: RaceResults,
    level: &'static str,
    outcome: &'static str,
    word: &'static str,
}

impl RaceView {
    fn new(results: &RaceResults) -> Self {
        let (outcome, conclusion) = race::outcome(results);
        Self {
            results: RaceResults { transcript: Vec::new(), ..results.clone() },
            level: results.isolation.name(),
            outcome,
            word: conclusion.word(),
        }
    }
}

/// The run with another retry policy.
#[derive(Debug, Serialize)]
struct ComparedView {
    success: String,
    results: ComparedRun,
}

/// What operations said they changed of one quantity.
#[derive(Debug, Serialize)]
struct EffectView {
    results: EffectResults,
    word: &'static str,
    holds: bool,
    /// What each difference is called.
    kinds: Vec<&'static str>,
}

impl EffectView {
    fn new(results: &EffectResults) -> Self {
        let (word, holds) = effect_word(results);
        let kinds = results.differences.iter().map(|one| one.kind.words()).collect();
        Self { results: results.clone(), word, holds, kinds }
    }
}

/// One operation's row.
#[derive(Debug, Serialize)]
struct OperationView {
    name: String,
    results: OperationResults,
    /// Share of the operations that were carried out; `None` without any.
    success: Option<f64>,
    p999_ms: Option<f64>,
    causes: Vec<Named<u64>>,
    statuses: Vec<Named<u64>>,
}

impl OperationView {
    fn new(name: &str, results: &OperationResults) -> Self {
        Self {
            name: name.to_owned(),
            success: results.share(results.committed()),
            p999_ms: results.latency_ms.percentile(99.9),
            causes: named(&results.causes),
            statuses: named(&results.requests.statuses),
            // The buckets are in the chart.
            results: OperationResults {
                latency_ms: Distribution { buckets: Vec::new(), ..results.latency_ms.clone() },
                attempt_ms: Distribution::default(),
                ..results.clone()
            },
        }
    }
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct RunView {
    id: String,
    races: Vec<RaceView>,
    pictures: Vec<Named<String>>,
    pub document: Document,
    pub word: &'static str,
    command: String,
    scenario: Option<String>,
    broken_invariants: Vec<InvariantResult>,
    effects: Vec<EffectView>,
    control: Option<ControlResults>,
    control_words: &'static str,
    compared: Vec<ComparedView>,
    broken_thresholds: Vec<ThresholdResult>,
    unmet_requirements: Vec<ThresholdResult>,
    /// What else made the verdict, as sentences.
    other_reasons: Vec<String>,
    operations: Vec<OperationView>,
    totals: OperationView,
    /// Those that there were, as the document's fields are called.
    outcomes: Vec<&'static str>,
    has_requests: bool,
    /// What the answers are worth.
    request_sentences: Vec<String>,
    targets: Vec<Named<TargetInfo>>,
    tables: Vec<Named<TableRows>>,
    declared_orders: Vec<Named<Vec<String>>>,
    does_not_apply: Vec<Named<String>>,
    /// Transactions that ran at another level than declared.
    strayed: u64,
    /// With the baseline, when there is one.
    comparison: Option<ComparisonView>,
    levels: Vec<&'static str>,
    edges: Vec<Edge>,
    cycles: Vec<CycleView>,
    /// Deadlocks that aren't explained, in a sentence.
    unexplained: String,
    /// The server's count beside that of the operations, in a sentence.
    counted_deadlocks: String,
    /// Operations that met where something broke.
    incidents: Vec<String>,
    tuning: Vec<String>,
    /// Failures that should have been tried again.
    retry_findings: Vec<String>,
    retry_sentences: Vec<String>,
    /// Letter and name of each operation in the graph.
    key: Vec<(String, String)>,
    timeline: Option<Chart>,
    latencies: Option<Chart>,
    graph: Option<Chart>,
    bins: Vec<Bin>,
    has_percentiles: bool,
}

impl RunView {
    /// `text` is the scenario's, in which line breaks count.
    pub(super) fn new(document: &Document, text: Option<&str>, index: usize) -> Self {
        let id = format!("run-{}", index + 1);
        let edges = waits::edges(document);
        let bins = bins(document, MOST_BINS);
        let broken = |one: &&InvariantResult| one.violated > 0 || one.error.is_some() || one.checked == 0;
        let operations: Vec<OperationView> =
            document.operations.iter().map(|(name, results)| OperationView::new(name, results)).collect();
        let totals = OperationView::new("all", &document.totals);
        Self {
            races: document.races.iter().map(RaceView::new).collect(),
            pictures: race::pictures(document)
                .into_iter()
                .chain(probe::pictures(document))
                .map(|(name, value)| Named { name, value })
                .collect(),
            word: document.verdict.word(),
            command: command::repeat(document),
            scenario: text.map(|text| cut(&visible(text), LONGEST_SCENARIO)),
            broken_invariants: document.invariants.iter().filter(broken).cloned().collect(),
            control: document.control.clone(),
            control_words: document.control.as_ref().map_or("", |control| control.outcome.words()),
            compared: document
                .compared
                .iter()
                .map(|run| ComparedView { success: success(run), results: run.clone() })
                .collect(),
            effects: document.effects.iter().map(EffectView::new).collect(),
            broken_thresholds: document
                .thresholds
                .iter()
                .filter(|one| !one.holds && one.does_not_apply.is_none() && one.undecided.is_none())
                .cloned()
                .collect(),
            unmet_requirements: document.requirements.iter().filter(|one| !one.holds).cloned().collect(),
            other_reasons: findings(document)
                .into_iter()
                .filter(|finding| finding.demand.is_none())
                .map(|finding| finding.sentence)
                .collect(),
            outcomes: outcomes(&document.totals),
            has_requests: document.totals.requests.sent > 0,
            request_sentences: request_sentences(document),
            targets: named(&document.environment.targets),
            tables: named(&document.fixtures.tables),
            declared_orders: named(&document.lock_order.declared),
            does_not_apply: named(&document.does_not_apply),
            strayed: strayed(document),
            comparison: document.comparison.as_ref().map(ComparisonView::new),
            levels: levels(document),
            timeline: chart(&format!("{id}-time"), |width, id, class| {
                timeline::timeline(document, width, id, class)
            }),
            latencies: chart(&format!("{id}-latency"), |width, id, class| {
                latencies::latencies(document, width, id, class)
            }),
            graph: chart(&format!("{id}-waits"), |width, id, class| {
                waits::graph(document, &edges, width.min(620.0), id, class)
            }),
            key: waits::key(document, &edges),
            cycles: cycles::views(
                &document.deadlocks.cycles,
                explained::explained(document),
                &format!("{id}-deadlock"),
            ),
            counted_deadlocks: explained::counted(document),
            unexplained: explained::rest(document),
            incidents: incidents::sentences(document),
            tuning: tuning::sentences(document),
            retry_findings: retries::findings(document),
            retry_sentences: retries::sentences(document),
            has_percentiles: bins.iter().any(|bin| bin.p95_ms.is_some()),
            document: without_series(document),
            id,
            operations,
            totals,
            edges,
            bins,
        }
    }
}

fn strayed(document: &Document) -> u64 {
    let observed = document.isolation.observed.iter();
    observed.filter(|one| one.declared != one.in_force).map(|one| one.transactions).sum()
}

fn levels(document: &Document) -> Vec<&'static str> {
    let mut levels: Vec<&str> = document.isolation.observed.iter().map(|one| one.in_force.sql()).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

fn outcomes(totals: &OperationResults) -> Vec<&'static str> {
    let counts = [
        ("ok", totals.ok),
        ("recovered", totals.recovered),
        ("exhausted", totals.exhausted),
        ("failed", totals.failed),
        ("assertion", totals.assertion),
        ("timeout", totals.timeout),
        ("unknown", totals.unknown),
        ("skipped", totals.skipped),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect()
}

/// What the charts have drawn, and the views hold, isn't handed over twice.
fn without_series(document: &Document) -> Document {
    let mut document = document.clone();
    document.timeline.clear();
    document.operations.clear();
    document.totals = OperationResults::default();
    document.file_text = None;
    document
}
