//! The verdict of races: what is known of them against what they did.

use super::{Conclusion, Verdict};
use crate::{
    measure::{RaceResults, RunResults},
    outcome::RaceOutcome,
};

const NOTHING: &str = "no race applies to this kind of database";

/// Judges a race at a level, with the reason in words.
pub fn judge_race(race: &RaceResults) -> (Conclusion, String) {
    let name = format!("{} at {}", race.race, race.isolation);
    if let Some(why) = &race.does_not_apply {
        return (Conclusion::Inconclusive, format!("{name} doesn't apply: {why}"));
    }
    if let Some(mistake) = &race.mistake {
        return (Conclusion::Fail, format!("{name}: {mistake}"));
    }
    let Some(outcome) = race.outcome else {
        let why = if race.pruned > 0 { "every schedule was pruned" } else { "no schedule was driven" };
        return (Conclusion::Inconclusive, format!("{name}: {why}"));
    };
    let broken = format!("{} of {} schedules broke something", race.violated, race.executed);
    match (race.expect, outcome) {
        (Some(RaceOutcome::Holds), RaceOutcome::Violated) => {
            (Conclusion::Fail, format!("{name}: {broken}"))
        }
        (Some(RaceOutcome::Error), RaceOutcome::Violated) => {
            (Conclusion::Fail, format!("{name}: an error was expected, and {broken}"))
        }
        (Some(RaceOutcome::Violated), RaceOutcome::Holds | RaceOutcome::Error) => (
            Conclusion::Fail,
            format!("{name}: expected to be violated, and it held in all {} schedules", race.executed),
        ),
        (Some(RaceOutcome::Error), RaceOutcome::Holds) => (
            Conclusion::Fail,
            format!("{name}: an error was expected, and no session failed in {} schedules", race.executed),
        ),
        (Some(_), _) => (Conclusion::Pass, format!("{name}: as expected")),
        (None, _) => (Conclusion::Pass, format!("{name}: nothing was demanded")),
    }
}

/// In how many of its schedules a race showed what is known of it: what it is expected to do, else any
/// failure.
pub fn reproduced(race: &RaceResults) -> u64 {
    match race.expect {
        Some(RaceOutcome::Violated) => race.violated,
        Some(RaceOutcome::Error) => race.errors,
        Some(RaceOutcome::Holds) | None => race.violated + race.errors,
    }
}

/// Judges the races of a run: the worst of them counts.
pub fn judge_races(results: &RunResults) -> Verdict {
    let applicable = || results.races.iter().filter(|race| race.does_not_apply.is_none());
    let judged: Vec<(Conclusion, String)> = applicable().map(judge_race).collect();
    let of = |conclusion: Conclusion| {
        judged.iter().filter(move |(one, _)| *one == conclusion).map(|(_, reason)| reason.clone())
    };
    let mut doubts: Vec<String> = of(Conclusion::Inconclusive).collect();
    if !results.races.is_empty() && judged.is_empty() {
        doubts.push(NOTHING.to_owned());
    }
    if results.interrupted {
        doubts.push("the run was interrupted".to_owned());
    }
    let failures: Vec<String> = of(Conclusion::Fail).collect();
    let (verdict, reasons) = match (failures.is_empty(), doubts.is_empty()) {
        (false, _) => (Conclusion::Fail, failures.into_iter().chain(doubts).collect()),
        (true, false) => (Conclusion::Inconclusive, doubts),
        (true, true) => (Conclusion::Pass, vec![passed(results)]),
    };
    Verdict { verdict, reasons, ..Verdict::default() }
}

fn passed(results: &RunResults) -> String {
    let demanded = results.races.iter().filter(|race| race.expect.is_some()).count();
    match demanded {
        0 => "nothing was demanded".to_owned(),
        1 => "the race did what is known of it".to_owned(),
        _ => format!("{demanded} races and levels did what is known of them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Isolation;

    fn race(expect: Option<RaceOutcome>, [holds, violated, errors, pruned]: [u64; 4]) -> RaceResults {
        let outcome = match (violated, errors, holds) {
            (1.., _, _) => Some(RaceOutcome::Violated),
            (0, 1.., _) => Some(RaceOutcome::Error),
            (0, 0, 1..) => Some(RaceOutcome::Holds),
            (0, 0, 0) => None,
        };
        RaceResults {
            expect,
            outcome,
            interleavings: "6".to_owned(),
            executed: holds + violated + errors,
            holds,
            violated,
            errors,
            pruned,
            side_by_side: 1,
            does_not_apply: None,
            ..RaceResults::not_driven("r".to_owned(), None, Isolation::ReadCommitted, String::new())
        }
    }

    #[test]
    fn what_does_not_apply_is_neither_held_nor_broken() {
        let sqlite =
            RaceResults::not_driven("r".to_owned(), None, Isolation::ReadCommitted, "none".to_owned());
        let nothing = judge_races(&RunResults { races: vec![sqlite.clone()], ..RunResults::default() });
        assert_eq!(
            (nothing.verdict, nothing.reasons),
            (Conclusion::Inconclusive, vec![NOTHING.to_owned()])
        );
        let held = race(Some(RaceOutcome::Holds), [6, 0, 0, 0]);
        let one = judge_races(&RunResults { races: vec![sqlite, held], ..RunResults::default() });
        assert_eq!(one.reasons, ["the race did what is known of it"]);
    }

    #[test]
    fn what_is_known_is_compared_with_what_happened() {
        use Conclusion::{Fail, Inconclusive, Pass};
        use RaceOutcome::{Error, Holds, Violated};
        for (expect, counts, conclusion) in [
            (Some(Holds), [6, 0, 0, 0], Pass),
            (Some(Holds), [5, 0, 1, 0], Pass),
            (Some(Holds), [5, 1, 0, 0], Fail),
            (Some(Violated), [5, 1, 0, 0], Pass),
            (Some(Violated), [5, 0, 1, 0], Fail),
            (Some(Error), [5, 0, 1, 0], Pass),
            (Some(Error), [6, 0, 0, 0], Fail),
            (Some(Error), [4, 1, 1, 0], Fail),
            (None, [0, 6, 0, 0], Pass),
            (Some(Violated), [0, 0, 0, 6], Inconclusive),
        ] {
            assert_eq!(judge_race(&race(expect, counts)).0, conclusion, "{expect:?} {counts:?}");
        }
    }

    #[test]
    fn a_mistake_is_a_failure_whatever_is_expected() {
        let mistaken = RaceResults { mistake: Some("no table".to_owned()), ..race(None, [6, 0, 0, 0]) };
        assert_eq!(judge_race(&mistaken), (Conclusion::Fail, "r at read_committed: no table".to_owned()));
        let results = RunResults { races: vec![mistaken], ..RunResults::default() };
        assert_eq!(judge_races(&results).verdict, Conclusion::Fail);
    }
}
