//! The verdict of probes: what a level promises against what was seen at it.

use super::{Conclusion, Verdict};
use crate::{
    isolation::Level,
    measure::{ProbeResults, RunResults},
};

/// Transactions that must have overlapped with another one on the same list, or nothing was tried.
const ENOUGH_OVERLAP: u64 = 20;

/// Judges a probe, with the reason in words.
pub fn judge_probe(probe: &ProbeResults) -> (Conclusion, String) {
    let name = format!("isolation at {}", probe.name());
    if probe.consistent_with < Some(probe.promised) {
        let seen = probe.consistent_with.map_or("no level at all", Level::words);
        let broken = probe.anomalies.iter().filter(|one| one.kind.rules_out() <= probe.promised);
        let broken: Vec<String> = broken.map(|one| format!("{}: {}", one.kind, one.count)).collect();
        let why = format!("{} is demanded and what was seen is consistent with {seen}", probe.promised);
        return (Conclusion::Fail, format!("{name}: {why} ({})", broken.join(", ")));
    }
    let weaker = probe.in_force.iter().find(|(level, _)| probe.isolation > Some(**level));
    if let Some((level, _)) = weaker {
        return (Conclusion::Fail, format!("{name}: the server said that {level} was in force"));
    }
    if probe.interrupted {
        return (Conclusion::Inconclusive, format!("{name}: the probe was interrupted"));
    }
    if probe.overlapped < ENOUGH_OVERLAP {
        let overlapped = probe.overlapped;
        let why = format!("{overlapped} transactions met another one on a list: nothing was tried");
        return (Conclusion::Inconclusive, format!("{name}: {why}"));
    }
    (Conclusion::Pass, format!("{name}: nothing was seen that {} rules out", probe.promised))
}

/// Judges the probes of a run: the worst of them counts.
pub fn judge_probes(results: &RunResults) -> Verdict {
    let judged: Vec<(Conclusion, String)> = results.probes.iter().map(judge_probe).collect();
    let worst = [Conclusion::Fail, Conclusion::Inconclusive, Conclusion::Pass]
        .into_iter()
        .find(|conclusion| judged.iter().any(|(one, _)| one == conclusion))
        .unwrap_or_default();
    let reasons = judged.into_iter().filter(|(one, _)| *one == worst).map(|(_, reason)| reason);
    Verdict { verdict: worst, reasons: reasons.collect(), ..Verdict::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        isolation::Anomaly,
        measure::{AnomalyResults, Distribution},
        outcome::Isolation,
    };

    fn probe(promised: Level, consistent_with: Option<Level>, overlapped: u64) -> ProbeResults {
        ProbeResults {
            isolation: Some(Isolation::Serializable),
            in_force: [(Isolation::Serializable, 9)].into_iter().collect(),
            promised,
            consistent_with,
            transactions: 100,
            committed: 90,
            rolled_back: 10,
            unknown: 0,
            overlapped,
            causes: indexmap::IndexMap::new(),
            anomalies: vec![AnomalyResults { kind: Anomaly::G2Item, count: 3, explanation: Vec::new() }],
            locks_held: Distribution::default(),
            duration_ms: 1.0,
            interrupted: false,
        }
    }

    #[test]
    fn a_promise_is_kept_broken_or_was_not_tried() {
        let snapshot = Some(Level::SnapshotIsolation);
        let broken = judge_probe(&probe(Level::Serializable, snapshot, 50));
        assert_eq!(
            broken,
            (
                Conclusion::Fail,
                "isolation at serializable: serializable is demanded and what was seen is consistent with \
                 snapshot isolation (G2-item (write skew): 3)"
                    .to_owned()
            )
        );
        assert_eq!(judge_probe(&probe(Level::SnapshotIsolation, snapshot, 50)).0, Conclusion::Pass);
        assert_eq!(judge_probe(&probe(Level::SnapshotIsolation, snapshot, 2)).0, Conclusion::Inconclusive);
        assert_eq!(judge_probe(&probe(Level::ReadUncommitted, None, 50)).0, Conclusion::Fail);
        let mut weaker = probe(Level::SnapshotIsolation, snapshot, 50);
        weaker.in_force.insert(Isolation::ReadCommitted, 1);
        assert_eq!(judge_probe(&weaker).0, Conclusion::Fail, "declared, and not in force");
    }

    #[test]
    fn the_worst_probe_counts() {
        let verdict = |probes| judge_probes(&RunResults { probes, ..RunResults::default() }).verdict;
        let one = |overlapped| probe(Level::SnapshotIsolation, Some(Level::SnapshotIsolation), overlapped);
        assert_eq!(verdict(vec![one(50), one(50)]), Conclusion::Pass);
        assert_eq!(verdict(vec![one(50), one(0)]), Conclusion::Inconclusive);
        assert_eq!(verdict(vec![one(0), probe(Level::Serializable, None, 50)]), Conclusion::Fail);
        assert_eq!(verdict(Vec::new()), Conclusion::Inconclusive);
    }
}
