//! Histories of known answer, by hand and generated.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    Anomaly, History, Judgement, Level, Operation, Status, Transaction, judge,
    stores::{self, Store},
    write_json_lines,
};

/// Transactions between slashes: `ax1` appends 1 to x, `rx12` reads [1 2], `!` was rolled back, `?` is
/// unknown, and `rx?` wasn't answered. All of them are concurrent, unless `serial`.
fn history(text: &str, serial: bool) -> History {
    let transactions = text.split('/').enumerate().map(|(index, text)| {
        let text = text.trim();
        let status = match text.chars().next() {
            Some('!') => Status::Fail,
            Some('?') => Status::Info,
            _ => Status::Ok,
        };
        let (begun, ended) = if serial { (2 * index, 2 * index + 1) } else { (index, 1000 + index) };
        let operations = operations(text.trim_start_matches(['!', '?']));
        Transaction { process: index as u32, status, begun: begun as u64, ended: ended as u64, operations }
    });
    History { transactions: transactions.collect() }
}

fn operations(text: &str) -> Vec<Operation> {
    let mut letters = text.chars().peekable();
    let mut operations = Vec::new();
    while let (Some(what), Some(list)) = (letters.next(), letters.next()) {
        let mut digits = Vec::new();
        while let Some(digit) = letters.next_if(|c| c.is_ascii_digit() || *c == '?') {
            digits.push(digit);
        }
        let values: Option<Vec<u64>> =
            digits.iter().map(|digit| digit.to_digit(10).map(u64::from)).collect();
        let key = u32::from(list);
        operations.push(match what {
            'a' => Operation::Append { key, value: values.expect("a digit")[0] },
            _ => Operation::Read { key, values },
        });
    }
    operations
}

fn kinds(judgement: &Judgement) -> Vec<Anomaly> {
    judgement.found.iter().map(|found| found.anomaly).collect()
}

#[test]
fn histories_of_known_answer_are_judged_as_known() {
    use Anomaly::{
        Duplicate, FutureRead, G0, G1a, G1b, G1c, G2Item, GNonadjacent, GSingle, IncompatibleOrder,
        Internal, LostUpdate, ReadSkew, Unwritten,
    };
    for (text, expected, level) in [
        ("ax1ay1 / ax2ay2 / rx12ry21", vec![G0], None),
        ("!ax1 / rx1", vec![G1a], Some(Level::ReadUncommitted)),
        ("ax1ax2 / rx1", vec![G1b], Some(Level::ReadUncommitted)),
        ("ax1ry1 / ax2ay1 / rx12ry1", vec![G1c], Some(Level::ReadUncommitted)),
        ("ax1ay1 / ax2ry / rx12", vec![GSingle], Some(Level::RepeatableRead)),
        ("ax1ay1 / rx1ry", vec![ReadSkew], Some(Level::ReadCommitted)),
        ("ax1ry / ay1rx", vec![G2Item], Some(Level::SnapshotIsolation)),
        ("ax0 / rx0ax1 / rx0ax2", vec![LostUpdate], Some(Level::RepeatableRead)),
        ("ax0 / rx0ax1 / rx0ax2 / rx012", vec![LostUpdate], Some(Level::RepeatableRead)),
        ("rx5ay1 / ryaz2 / rzat3 / rt3au4 / ruax5", vec![], Some(Level::Serializable)),
        ("ax1ax2ax4 / ax3rx1234", vec![Internal, G0], None),
        ("rx1ax1", vec![FutureRead], None),
        ("ax1 / ax2 / rx11", vec![Duplicate], None),
        ("ax1 / rx12", vec![Unwritten], None),
        ("ax1 / ax2 / rx12 / rx2", vec![IncompatibleOrder], Some(Level::ReadUncommitted)),
        ("rxax1rx1 / ax2 / rx12", vec![], Some(Level::Serializable)),
        ("rxrx1 / ax1", vec![ReadSkew], Some(Level::ReadCommitted)),
        ("rxax2rx12 / ax1", vec![GSingle], Some(Level::RepeatableRead)),
        // Neither of two snapshots can have been taken before the other, and no two anti-dependencies meet.
        ("rxay1 / ax1 / rx1ry / ", vec![G2Item], Some(Level::SnapshotIsolation)),
        ("ax1 / rx1ry / ay1 / ry1rx", vec![GNonadjacent], Some(Level::RepeatableRead)),
    ] {
        let judgement = judge(&history(text, false), false);
        assert_eq!((kinds(&judgement), judgement.level), (expected, level), "{text}: {judgement:#?}");
    }
}

#[test]
fn writes_of_unknown_transactions_count_and_their_empty_reads_do_not() {
    let level = |text| judge(&history(text, false), false).level;
    assert_eq!(level("?ax1ay1 / rx1ry"), Some(Level::ReadCommitted), "its write was seen: it committed");
    assert_eq!(level("?ax1ay1 / rxry"), Some(Level::Serializable), "nobody knows");
    assert_eq!(level("?rx?ay1 / ax1 / rx1ry1"), Some(Level::Serializable), "its read wasn't answered");
}

#[test]
fn real_time_is_kept_only_where_it_is_asked_for() {
    let stale = history("ax1 / rx", true);
    assert_eq!(judge(&stale, false).level, Some(Level::Serializable));
    let judgement = judge(&stale, true);
    assert_eq!((kinds(&judgement), judgement.level), (vec![Anomaly::RealTime], Some(Level::Serializable)));
    assert_eq!(
        judgement.found[0].explanation,
        ["T1 had ended before T2 began", "T2 read list 120 as [] and didn't see 1, which T1 appended"]
    );
    assert_eq!(judge(&history("ax1 / rx1", true), true).level, Some(Level::StrictSerializable));
    assert_eq!(judge(&history("ax1 / rx", false), true).level, Some(Level::StrictSerializable));
}

#[test]
fn the_shortest_cycle_is_told_in_words() {
    let judgement = judge(&history("ax1 / ax2ay1 / rx12ry", false), false);
    assert_eq!(judgement.found.len(), 1);
    let found = &judgement.found[0];
    assert_eq!((found.anomaly, found.count), (Anomaly::ReadSkew, 1));
    assert_eq!(
        found.explanation,
        [
            "T3 read list 121 as [] and didn't see 1, which T2 appended",
            "T2 appended 2 to list 120 and T3 read it",
        ]
    );
    let judgement = judge(&history("ax1ay1 / ax2ay2 / rx12ry21", false), false);
    assert_eq!(
        judgement.found[0].explanation,
        [
            "T1 appended 1 to list 120 before T2 appended 2",
            "T2 appended 2 to list 121 before T1 appended 1",
        ]
    );
}

#[test]
fn other_checkers_read_the_history() {
    let mut out = Vec::new();
    write_json_lines(&history("ax1rx1 / !ay2", true), &mut out).expect("written");
    assert_eq!(
        String::from_utf8(out).expect("text"),
        r#"{"index":0,"type":"invoke","process":0,"value":[["append",120,1],["r",120,null]],"time":0}
{"index":1,"type":"ok","process":0,"value":[["append",120,1],["r",120,[1]]],"time":1}
{"index":2,"type":"invoke","process":1,"value":[["append",121,2]],"time":2}
{"index":3,"type":"fail","process":1,"value":[["append",121,2]],"time":3}
"#
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_store_is_judged_at_least_at_its_level(seed: u64, count in 1_usize..80, processes in 1_usize..6) {
        for (store, level) in [
            (Store::Serial, Level::StrictSerializable),
            (Store::Snapshot, Level::SnapshotIsolation),
            (Store::ReadCommitted, Level::ReadCommitted),
        ] {
            let history = stores::run(store, seed, count, processes, 10);
            let judgement = judge(&history, true);
            prop_assert!(judgement.level >= Some(level), "{store:?}: {judgement:#?}\n{history:#?}");
        }
    }

    #[test]
    fn an_injected_anomaly_is_found(seed: u64, count in 1_usize..80, which in 0_usize..7) {
        let (text, anomaly) = [
            ("ax1ay1 / ax2ay2 / rx12ry21", Anomaly::G0),
            ("!ax1 / rx1", Anomaly::G1a),
            ("ax1ax2 / rx1", Anomaly::G1b),
            ("ax1ry1 / ax2ay1 / rx12ry1", Anomaly::G1c),
            ("ax1ay1 / rx1ry", Anomaly::ReadSkew),
            ("ax1ry / ay1rx", Anomaly::G2Item),
            ("ax0 / rx0ax1 / rx0ax2", Anomaly::LostUpdate),
        ][which];
        let mut all = stores::run(Store::Serial, seed, count, 4, 10);
        let end = all.transactions.iter().map(|one| one.ended).max().unwrap_or_default();
        // Keys of letters lie above those of so short a history.
        for mut transaction in history(text, false).transactions {
            transaction.begun += end;
            transaction.ended += end;
            transaction.process += 4;
            all.transactions.push(transaction);
        }
        let judgement = judge(&all, true);
        prop_assert_eq!(kinds(&judgement), vec![anomaly], "{:#?}", judgement);
    }

    /// A read that is changed afterwards can't be what a serial store answers.
    #[test]
    fn a_read_that_lost_its_end_is_found(seed: u64, which: prop::sample::Index) {
        let mut history = stores::run(Store::Serial, seed, 60, 1, 30);
        let mut reads: Vec<&mut Vec<u64>> = Vec::new();
        for transaction in &mut history.transactions {
            for operation in &mut transaction.operations {
                if let Operation::Read { values: Some(values), .. } = operation
                    && !values.is_empty()
                {
                    reads.push(values);
                }
            }
        }
        prop_assume!(!reads.is_empty());
        let place = which.index(reads.len());
        reads[place].pop();
        prop_assert!(judge(&history, true).level < Some(Level::StrictSerializable), "{history:#?}");
    }
}

#[test]
fn a_hundred_thousand_transactions_are_judged_in_seconds() {
    for (store, level) in [
        (Store::Serial, Level::StrictSerializable),
        (Store::Snapshot, Level::SnapshotIsolation),
        (Store::ReadCommitted, Level::ReadCommitted),
    ] {
        let history = stores::run(store, 1, 100_000, 8, 60);
        let begun = Instant::now();
        let judgement = judge(&history, true);
        let took = begun.elapsed();
        assert_eq!(judgement.level, Some(level), "{store:?}");
        // Generous: tests aren't optimised, and share the machine.
        assert!(took < Duration::from_secs(60), "{store:?} took {took:?}");
    }
}
