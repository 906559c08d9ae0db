//! Turns what was recorded into results: names for indices, shares for counts, an order for
//! everything that a person will see.

use std::{collections::HashMap, hash::Hash, time::Duration};

use indexmap::IndexMap;

use super::{
    ApplicationFindings, ApplicationRecorder, LiveBoard, StatementLogFindings, StatementLogResults,
    WaitRecorder, WaitSecond,
    application::ORDER_UNKNOWN,
    meeting_results::{ArrivalResults, GateResults, Overlap, OverlapPair, ReleaseResults},
    operation_results::{OperationResults, RequestResults, RetryAttempt, RetryResults, UntriedFailure},
    recorder::{Recorder, Release},
    records::{OperationRecord, RequestRecord, SecondRecord},
    results::{ErrorSample, RunResults, TimelineEntry},
    transaction_results::{IsolationObservation, IsolationResults, LockOrderResults, LockOrderViolation},
};
use crate::{
    dialect::Dialect,
    outcome::Cause,
    plan::{Plan, RetryPolicy},
};

/// Kinds of failures that are shown.
const MOST_ERRORS: usize = 20;

/// Everything that a load brings home.
#[derive(Debug)]
pub struct Collected<'a> {
    pub recorder: &'a Recorder,
    pub waits: &'a WaitRecorder,
    /// `None`: no application was watched.
    pub application: Option<ApplicationRecorder>,
    /// `None`: there was no log to read.
    pub log: Option<StatementLogFindings>,
    pub board: &'a LiveBoard,
    pub duration: Duration,
    /// Of an open load: operations planned, and those started.
    pub arrivals: Option<(u64, u64)>,
}

/// Fills in everything that the load recorded.
pub fn collect(results: &mut RunResults, plan: &Plan, collected: Collected<'_>) {
    let Collected { recorder, waits, application, log, board, duration, arrivals } = collected;
    let names = plan.operation_names();
    let seconds = measured_seconds(recorder, duration);
    results.duration_ms = duration.as_secs_f64() * 1e3;
    results.timeline = timeline(&recorder.seconds, waits.seconds());
    let (waits, waited) = waits.finish(&names);
    let mut all = OperationRecord::default();
    for (index, (name, record)) in names.iter().zip(&recorder.operations).enumerate() {
        let mut one = operation(record, seconds);
        one.lock_wait_ms = waited.get(&index).copied().unwrap_or_default();
        results.operations.insert(name.clone(), one);
        all.merge(record.clone());
    }
    results.totals = operation(&all, seconds);
    results.totals.lock_wait_ms = waits.total_ms;
    let retries_told = plan.requests.iter().any(|request| request.service_retries.is_some());
    for one in results.operations.values_mut().chain([&mut results.totals]) {
        one.requests.retries_told = retries_told && one.requests.sent > 0;
    }
    results.waits = waits;
    results.retries = retries(plan, recorder, &all);
    results.isolation = isolation(plan, recorder, &names);
    results.does_not_apply.clone_from(&plan.does_not_apply);
    results.lock_order = lock_order(plan, recorder);
    let mut deadlocks = recorder.deadlocks.clone();
    let mut logged = None;
    if let Some(StatementLogFindings { results, violations, deadlocks: of_application }) = log {
        deadlocks.merge(of_application);
        logged = results.map(|results| (results, violations));
    }
    results.deadlocks = deadlocks.results(plan);
    results.overlap = Overlap {
        most_in_flight: u64::from(board.most_in_flight()),
        shared_rows: recorder.shared_rows,
        most_on_one_row: u64::from(recorder.most_on_one_row),
        conflicts: recorder.conflicts,
        trials: all.trials,
        overlapped: all.met,
        wanted_bound: plan.load.enough.map(|enough| enough.upper_bound),
        pairs: pairs(recorder, &names),
    };
    results.arrivals = arrivals.map(|(planned, started)| ArrivalResults {
        planned,
        started,
        late: recorder.late_starts,
        dropped: planned.saturating_sub(started),
    });
    results.releases = releases(plan, recorder);
    results.gates = gates(plan, recorder);
    results.errors = errors(recorder, &names);
    if let Some(application) = application {
        add_application(results, application.finish(), logged);
    }
}

/// What the application's transactions did counts like what deadheat's own did.
/// The order of locks is taken from the server's log where that was read, and else from samples.
fn add_application(
    results: &mut RunResults,
    findings: ApplicationFindings,
    logged: Option<(StatementLogResults, Vec<LockOrderViolation>)>,
) {
    let ApplicationFindings { results: mut application, isolation, violations } = findings;
    if !isolation.is_empty() {
        results.isolation.read.push_str("; of the application, from outside");
    }
    results.isolation.observed.extend(isolation);
    let sampled = (application.orders_told, violations);
    let (judged, violations) = match logged {
        Some((log, violations)) => {
            let judged = log.judged;
            application.statement_log = Some(log);
            application.unknown.retain(|why| !why.starts_with(ORDER_UNKNOWN));
            (judged, violations)
        }
        None => sampled,
    };
    if !results.lock_order.declared.is_empty() {
        results.lock_order.transactions += judged;
        results.lock_order.violations.extend(violations);
    }
    results.application = Some(application);
}

/// From the first measured begin to the last measured end, so that neither connecting nor a
/// worker's idle tail counts.
fn measured_seconds(recorder: &Recorder, duration: Duration) -> f64 {
    recorder.window.map_or(duration, |(first, last)| last.saturating_sub(first)).as_secs_f64()
}

fn operation(record: &OperationRecord, seconds: f64) -> OperationResults {
    let committed = record.ok + record.recovered;
    OperationResults {
        started: record.started(),
        ok: record.ok,
        recovered: record.recovered,
        exhausted: record.exhausted,
        failed: record.failed,
        assertion: record.assertion,
        timeout: record.timeout,
        unknown: record.unknown,
        skipped: record.skipped,
        causes: by_cause(&record.causes),
        met_deadlock: record.met_deadlock,
        met_serialization: record.met_serialization,
        retried: record.retried,
        deadlocks: record.deadlocks,
        retries: record.retries,
        latency_ms: record.latency.distribution(),
        attempt_ms: record.attempt.distribution(),
        backoff_ms: record.backoff.distribution(),
        lock_wait_ms: 0.0,
        requests: requests(&record.requests),
        trials: record.trials,
        overlapped: record.met,
        throughput_per_s: if seconds > 0.0 { committed as f64 / seconds } else { 0.0 },
    }
}

fn requests(record: &RequestRecord) -> RequestResults {
    let mut statuses: Vec<(u16, u64)> =
        record.statuses.iter().map(|(status, count)| (*status, *count)).collect();
    statuses.sort_unstable();
    RequestResults {
        sent: record.sent,
        resent: record.resent,
        statuses: statuses.into_iter().map(|(status, count)| (status.to_string(), count)).collect(),
        deadlock_answers: record.deadlock_answers,
        service_retries: record.service_retries,
        retries_told: false,
        changes: record.changes,
        late_changes: record.late_changes,
        missing_changes: record.missing_changes,
    }
}

fn pairs(recorder: &Recorder, names: &[String]) -> Vec<OverlapPair> {
    let mut pairs: Vec<OverlapPair> = sorted(&recorder.pairs)
        .into_iter()
        .map(|((one, other), meetings)| OverlapPair {
            one: names[one].clone(),
            other: names[other].clone(),
            meetings,
        })
        .collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.meetings));
    pairs
}

fn releases(plan: &Plan, recorder: &Recorder) -> Vec<ReleaseResults> {
    let mut all: Vec<_> = recorder.skew.iter().collect();
    all.sort_by_key(|(release, _)| **release);
    let shown =
        all.into_iter().filter(|(release, _)| **release != Release::Start || plan.load.release_together);
    shown
        .map(|(release, skew)| ReleaseResults {
            what: match release {
                Release::Start => "start of the load".to_owned(),
                Release::Barrier(index) => format!("barrier {}", plan.barriers[*index].name),
                Release::Copies => "copies of a delivery".to_owned(),
            },
            skew_ms: skew.distribution(),
        })
        .collect()
}

fn gates(plan: &Plan, recorder: &Recorder) -> Vec<GateResults> {
    let mut all: Vec<_> = recorder.gates.iter().collect();
    all.sort_by_key(|(statement, _)| **statement);
    all.into_iter()
        .map(|(statement, gate)| GateResults {
            operation: plan.statements[*statement].operation.clone(),
            step: plan.statements[*statement].step.clone(),
            opened: gate.opened,
            timed_out: gate.timed_out,
            held_ms: gate.held.distribution(),
        })
        .collect()
}

/// Most frequent first, then by name.
fn by_cause(causes: &HashMap<Cause, u64>) -> IndexMap<String, u64> {
    let mut list: Vec<(String, u64)> =
        causes.iter().map(|(cause, count)| (cause.to_string(), *count)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.into_iter().collect()
}

fn retries(plan: &Plan, recorder: &Recorder, all: &OperationRecord) -> RetryResults {
    let policies = plan.retry_policies();
    let mut texts: Vec<String> = policies.values().map(ToString::to_string).collect();
    texts.dedup();
    let policy = match texts.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        _ => Some(
            policies
                .iter()
                .map(|(operation, policy)| format!("{operation}: {policy}"))
                .collect::<Vec<_>>()
                .join("; "),
        ),
    };
    let attempts = recorder.retries.iter().zip(1..).map(|(record, retry)| RetryAttempt {
        retry,
        count: record.count,
        causes: by_cause(&record.causes),
        recovered: record.recovered,
        recovered_causes: by_cause(&record.recovered_causes),
        exhausted: record.exhausted,
        declared_ms: record.declared.as_secs_f64() * 1e3,
        measured_ms: record.measured.distribution(),
    });
    RetryResults {
        policy,
        attempts: attempts.collect(),
        exhausted: by_cause(&all.exhausted_causes),
        untried: policies
            .iter()
            .filter(|(_, policy)| !policy.delays.is_empty())
            .flat_map(|(name, policy)| untried(plan, recorder, name, policy))
            .collect(),
    }
}

/// What a retry could have mended, and the operation's policy doesn't name.
fn untried(plan: &Plan, recorder: &Recorder, name: &str, policy: &RetryPolicy) -> Vec<UntriedFailure> {
    let place = plan.operations.iter().position(|operation| operation.name == name);
    let Some(record) = place.and_then(|index| recorder.operations.get(index)) else { return Vec::new() };
    let failures = by_cause(&record.causes);
    let given_up = by_cause(&record.exhausted_causes);
    let is_mendable = |cause: &Cause| cause.is_conflict() || matches!(cause, Cause::Http(500..));
    let mendable: Vec<String> =
        record.causes.keys().filter(|cause| is_mendable(cause)).map(ToString::to_string).collect();
    let untried = failures.into_iter().filter_map(|(cause, failed)| {
        let failed = failed.saturating_sub(given_up.get(&cause).copied().unwrap_or_default());
        (failed > 0 && mendable.contains(&cause)).then(|| UntriedFailure {
            operation: name.to_owned(),
            cause,
            failed,
            policy: policy.to_string(),
            fired: record.retries > 0,
        })
    });
    untried.collect()
}

fn isolation(plan: &Plan, recorder: &Recorder, names: &[String]) -> IsolationResults {
    let observed =
        sorted(&recorder.isolation).into_iter().map(|((operation, declared, in_force), transactions)| {
            // Where nothing is declared, whatever is in force is right.
            IsolationObservation {
                operation: names[operation].clone(),
                declared: declared.unwrap_or(in_force),
                in_force,
                transactions,
            }
        });
    let read = match plan.database.as_ref().map(|database| database.location.dialect()) {
        Some(Dialect::MySql) => "sampled from InnoDB's own table",
        _ => "inside every transaction",
    };
    let transactions = recorder.transactions;
    IsolationResults { read: read.to_owned(), transactions, observed: observed.collect() }
}

fn lock_order(plan: &Plan, recorder: &Recorder) -> LockOrderResults {
    let order = plan.database.as_ref().map(|database| database.lock_order.as_slice()).unwrap_or_default();
    let violations = sorted(&recorder.violations).into_iter().map(|((statement, table, after), count)| {
        let statement = &plan.statements[statement];
        LockOrderViolation {
            operation: statement.operation.clone(),
            step: statement.step.clone(),
            table: order[table].clone(),
            after: order[after].clone(),
            after_step: None,
            count,
        }
    });
    let mut results = LockOrderResults { violations: violations.collect(), ..LockOrderResults::default() };
    if let Some(database) = plan.database.as_ref().filter(|_| !order.is_empty()) {
        results.declared.insert(database.target.clone(), order.to_vec());
        results.transactions = recorder.transactions;
    }
    results
}

fn sorted<K: Ord + Clone + Hash>(map: &HashMap<K, u64>) -> Vec<(K, u64)> {
    let mut list: Vec<(K, u64)> = map.iter().map(|(key, count)| (key.clone(), *count)).collect();
    list.sort();
    list
}

fn timeline(seconds: &[SecondRecord], waits: &[WaitSecond]) -> Vec<TimelineEntry> {
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    let percentile = |record: &SecondRecord, percent| {
        // The middle of a bucket may lie beyond the slowest.
        record.latency.percentile(percent).map(|found| millis(found.min(record.latency_max)))
    };
    let mut entries: Vec<TimelineEntry> = seconds
        .iter()
        .zip(0..)
        .map(|(record, second)| TimelineEntry {
            second,
            ended: record.ended,
            committed: record.committed,
            retries: record.retries,
            deadlocks: record.deadlocks,
            latency_mean_ms: if record.ended > 0 {
                millis(record.latency_sum) / record.ended as f64
            } else {
                0.0
            },
            latency_max_ms: millis(record.latency_max),
            latency_p50_ms: percentile(record, 50.0),
            latency_p95_ms: percentile(record, 95.0),
            latency_p99_ms: percentile(record, 99.0),
            waiting: None,
            lock_wait_ms: None,
        })
        .collect();
    for (wait, second) in waits.iter().zip(0..).filter(|(wait, _)| wait.waiting > 0) {
        // While all wait nothing ends.
        while entries.len() <= second as usize {
            let second = u32::try_from(entries.len()).unwrap_or(second);
            entries.push(TimelineEntry { second, ..TimelineEntry::default() });
        }
        let entry = &mut entries[second as usize];
        entry.waiting = Some(wait.waiting);
        entry.lock_wait_ms = Some(wait.waited_ms);
    }
    entries
}

fn errors(recorder: &Recorder, names: &[String]) -> Vec<ErrorSample> {
    let mut samples: Vec<ErrorSample> = recorder
        .failures
        .iter()
        .map(|((operation, step, cause), (count, message))| ErrorSample {
            operation: names[*operation].clone(),
            step: step.clone(),
            cause: cause.clone(),
            count: *count,
            message: message.clone(),
        })
        .collect();
    samples.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| (&a.operation, &a.step, &a.cause).cmp(&(&b.operation, &b.step, &b.cause)))
    });
    samples.truncate(MOST_ERRORS);
    samples
}
