//! Compiles the load: how many workers, and what they are given to do.

use std::time::Duration;

use super::{
    arrivals::{Arrivals, Piece},
    model::{Enough, Load, Work},
    operation::constant,
    retry::{self, Retried},
    scope::Scope,
};
use crate::{
    expression::Value,
    scenario::{self, Release},
    units,
};

/// Most workers, operations of one run, and operations started per second.
const MOST_WORKERS: u64 = 10_000;
const MOST_ITERATIONS: u64 = 1_000_000_000;
const HIGHEST_RATE: f64 = 1e6;

pub(super) fn compile(scope: &mut Scope<'_>, file: &scenario::ScenarioFile) -> Option<Load> {
    let Some(written) = &file.load else {
        constant(scope, "concurrency", Value::from(1));
        if let Some(name) = file.operations.keys().next()
            && !scope.is_broken("load")
        {
            scope.error(
                &name.span,
                "there are operations and no `load`",
                Some("add for example `load: {concurrency: 10, iterations: 1000}`".into()),
            );
        }
        return Some(Load {
            concurrency: 1,
            work: Work::Iterations(0),
            most_operations: None,
            warmup: Duration::ZERO,
            release_together: false,
            enough: None,
            abort_on: Vec::new(),
        });
    };
    if file.operations.is_empty() && scope.loaded.broken.is_empty() {
        scope.error(&written.concurrency.span, "a `load` without operations", None);
    }
    let concurrency = scope.whole_number(&written.concurrency, "`concurrency`", 1, MOST_WORKERS);
    scope.concurrency = u32::try_from(concurrency.unwrap_or(1)).ok()?;
    let workers = scope.concurrency;
    constant(scope, "concurrency", Value::from(workers));
    let work = work(scope, written);
    let enough = match &written.stop_when {
        Some(stop_when) => Some(enough(scope, written, stop_when)?),
        None => None,
    };
    let warmup = written.warmup.map_or(Duration::ZERO, |warmup| warmup.0);
    Some(Load {
        concurrency: workers,
        work: work?,
        most_operations: None,
        warmup,
        enough,
        release_together: written.release == Some(Release::Together),
        abort_on: causes(scope, &written.abort_on),
    })
}

/// The rule of three: of `n` trials without a violation follows that fewer than `3 / n` have one, at 95 %.
fn enough(
    scope: &mut Scope<'_>,
    written: &scenario::Load,
    stop_when: &scenario::Spanned<scenario::StopWhen>,
) -> Option<Enough> {
    let text = &stop_when.upper_bound;
    let share = match units::parse_percent(text.value.trim()) {
        Ok(share) if share > 0.0 && share <= 1.0 => share,
        Ok(_) => {
            scope.error(&text.span, "an upper bound is above 0% and at most 100%", None);
            return None;
        }
        Err(error) => {
            scope.error(&text.span, error.to_string(), None);
            return None;
        }
    };
    if written.duration.is_none() || written.iterations.is_some() || written.rate.is_some() {
        scope.error(
            &stop_when.span,
            "`stop_when` goes with `duration`",
            Some(
                "add `duration: 60s`, the longest time that it may take, and no `iterations` or `rate`"
                    .into(),
            ),
        );
        return None;
    }
    Some(Enough { upper_bound: share, trials: (3.0 / share).ceil() as u64 })
}

fn work(scope: &mut Scope<'_>, written: &scenario::Load) -> Option<Work> {
    let span = written.concurrency.span.clone();
    if written.rate.is_some() || !written.stages.is_empty() {
        if let Some(iterations) = &written.iterations {
            scope.error(
                &iterations.span,
                "`iterations` with an open load",
                Some("the rate and the duration say how many operations are started".into()),
            );
            return None;
        }
        return arrivals(scope, written, &span).map(Work::Arrivals);
    }
    match (&written.iterations, written.duration) {
        (Some(iterations), None) => {
            scope.whole_number(iterations, "`iterations`", 1, MOST_ITERATIONS).map(Work::Iterations)
        }
        (None, Some(duration)) => Some(Work::Duration(duration.0)),
        (Some(iterations), Some(_)) => {
            scope.error(
                &iterations.span,
                "`iterations` and `duration` together",
                Some("leave one of them out".into()),
            );
            None
        }
        (None, None) => {
            scope.error(
                &span,
                "the load has no end",
                Some("give `load` either `iterations: 5000` or `duration: 30s`".into()),
            );
            None
        }
    }
}

/// The warm-up is part of the first piece.
fn arrivals(
    scope: &mut Scope<'_>,
    written: &scenario::Load,
    span: &std::ops::Range<usize>,
) -> Option<Arrivals> {
    let first = written.rate.map_or(0.0, |rate| rate.0);
    let mut pieces = Vec::new();
    if written.stages.is_empty() {
        let Some(duration) = written.duration else {
            scope.error(span, "`rate` without `duration`", Some("add for example `duration: 30s`".into()));
            return None;
        };
        let warmup = written.warmup.map_or(Duration::ZERO, |warmup| warmup.0);
        pieces.push(Piece { length: warmup + duration.0, from: first, to: first });
    } else if written.duration.is_some() {
        scope.error(span, "`duration` and `stages` together", Some("each stage has its duration".into()));
        return None;
    }
    let mut from = first;
    for stage in &written.stages {
        let to = stage.value.rate.0;
        if stage.value.duration.0.is_zero() {
            // A jump.
            from = to;
            continue;
        }
        pieces.push(Piece { length: stage.value.duration.0, from, to });
        from = to;
    }
    let arrivals = Arrivals::new(pieces);
    if arrivals.pieces().iter().any(|piece| piece.from.max(piece.to) > HIGHEST_RATE) {
        scope.error(span, format!("a rate above {HIGHEST_RATE}/s"), None);
        return None;
    }
    if !(1..=MOST_ITERATIONS).contains(&arrivals.count()) {
        scope.error(span, format!("the load starts {} operations", arrivals.count()), None);
        return None;
    }
    Some(arrivals)
}

/// Causes as a scenario lists them.
pub(super) fn causes(scope: &mut Scope<'_>, written: &[scenario::Spanned<String>]) -> Vec<Retried> {
    let mut causes = Vec::new();
    for text in written {
        match retry::parse_cause(&text.value) {
            Ok(cause) => causes.push(cause),
            Err(error) => scope.error(&text.span, error.to_string(), Some(error.hint())),
        }
    }
    causes
}
