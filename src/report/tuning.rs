//! What to tune, in sentences, each with the numbers that led to it.

use super::{cells::grouped, document::Document};
use crate::units::{format_millis, format_percent};

/// The advice; `explained` says that plans were asked for.
pub(super) fn sentences(document: &Document) -> Vec<String> {
    let tuning = &document.tuning;
    let mut sentences = Vec::new();
    for scan in &tuning.scans {
        sentences.push(format!(
            "Index: `{}` of {} reads all {} rows of {} to find some ({}); an index on the columns of its condition would \
             spare that.",
            scan.step,
            scan.operation,
            grouped(scan.rows),
            scan.table,
            scan.plan
        ));
    }
    for lock in &tuning.locks {
        let who = match (&lock.waiting, &lock.blocking) {
            (Some(waiting), Some(blocking)) => format!("; most of it {waiting} waiting for {blocking}"),
            _ => String::new(),
        };
        sentences.push(format!(
            "Locks: {} cost {} in {} waits, {} of the time of all attempts, with up to {} waiting at once{who}.",
            lock.table,
            format_millis(lock.total_ms),
            grouped(lock.waits),
            format_percent(lock.share),
            grouped(lock.longest_queue)
        ));
    }
    if let Some(pool) = &tuning.pool {
        let waiting = if pool.waiting >= 0.05 {
            format!("; {:.1} more waited for locks", pool.waiting)
        } else {
            String::new()
        };
        sentences.push(format!(
            "Pool: {} of the {} connections would carry this load: {:.0} attempts per second times {} of work each are {:.1} \
             connections at work{waiting}.",
            grouped(pool.suggested),
            grouped(pool.connections),
            pool.attempts_per_s,
            format_millis(pool.work_ms),
            pool.busy - pool.waiting
        ));
    }
    if tuning.explained > 0 && tuning.scans.is_empty() {
        sentences.push(format!(
            "Index: none of {} statements reads a table of 1,000 rows or more from end to end to find some.",
            grouped(tuning.explained)
        ));
    }
    for why in &tuning.unexplained {
        sentences.push(format!("The plan of {why}"));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{LockAdvice, PoolAdvice, ScanAdvice, TuningResults};

    #[test]
    fn every_advice_has_its_numbers() {
        let text = include_str!("../../tests/data/yesterday.json");
        let mut document: Document = serde_json::from_str(text).expect("a document");
        document.tuning = TuningResults {
            pool: Some(PoolAdvice {
                connections: 50,
                busy: 20.0,
                waiting: 12.0,
                attempts_per_s: 400.0,
                work_ms: 20.0,
                suggested: 10,
            }),
            locks: vec![LockAdvice {
                table: "orders".to_owned(),
                waits: 900,
                total_ms: 110_000.0,
                share: 0.55,
                longest_queue: 9,
                waiting: Some("pay".to_owned()),
                blocking: Some("refund".to_owned()),
            }],
            scans: vec![ScanAdvice {
                operation: "pay".to_owned(),
                step: "find user".to_owned(),
                table: "users".to_owned(),
                rows: 12_000,
                plan: "Seq Scan".to_owned(),
            }],
            explained: 3,
            unexplained: Vec::new(),
        };
        assert_eq!(
            sentences(&document),
            [
                "Index: `find user` of pay reads all 12,000 rows of users to find some (Seq Scan); an index on the columns of \
                 its condition would spare that.",
                "Locks: orders cost 1m50s in 900 waits, 55% of the time of all attempts, with up to 9 waiting at once; most of \
                 it pay waiting for refund.",
                "Pool: 10 of the 50 connections would carry this load: 400 attempts per second times 20ms of work each are 8.0 \
                 connections at work; 12.0 more waited for locks.",
            ]
        );
        document.tuning = TuningResults { explained: 3, ..TuningResults::default() };
        assert_eq!(sentences(&document).len(), 1, "it is said that nothing was found");
    }
}
