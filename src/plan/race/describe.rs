//! A race in words, for `explain` and `check`.

use std::fmt::Write as _;

use super::{
    interleaving::{Interleavings, count},
    model::{Race, RaceAction, Schedules},
    reduction::reduction,
};
use crate::{
    outcome::Isolation,
    scenario::{Blocked, OnError},
};

impl Race {
    /// How many schedules there are: `252 interleavings`, `a sample of 200 of 252 interleavings`.
    pub fn schedules_in_words(&self) -> String {
        let all =
            count(&self.lengths()).map_or_else(|| "more than 10^38".to_owned(), |all| all.to_string());
        match &self.schedules {
            Schedules::All => format!("{all} interleavings"),
            Schedules::Listed(listed) if listed.len() == 1 => {
                format!("1 schedule of {all} interleavings")
            }
            Schedules::Listed(listed) => format!("{} schedules of {all} interleavings", listed.len()),
            Schedules::Sample(wanted) => format!("a sample of {wanted} of {all} interleavings"),
        }
    }
}

/// The whole race.
pub(in crate::plan) fn describe(race: &Race, text: &mut String) {
    let name = |level: &Option<Isolation>| level.map_or("the server's default", Isolation::name);
    let levels: Vec<String> = race
        .levels
        .iter()
        .zip(&race.expect)
        .map(|(level, expect)| match expect {
            Some(expect) => format!("{} ({expect})", name(level)),
            None => name(level).to_owned(),
        })
        .collect();
    // Writing to a string can't fail.
    let _ = writeln!(text, "\nrace {} at {}", race.name, levels.join(", "));
    for session in &race.sessions {
        let _ = writeln!(text, "  session {}", session.name);
        for step in &session.steps {
            let shown: Vec<&str> = step.shown.split_whitespace().collect();
            let _ = match step.action {
                RaceAction::Begin | RaceAction::Commit | RaceAction::Rollback => {
                    writeln!(text, "    {}", step.name)
                }
                RaceAction::Do(_) => writeln!(text, "    {}: {}", step.name, shown.join(" ")),
            };
        }
    }
    let _ = writeln!(text, "  {}", race.schedules_in_words());
    if matches!(race.schedules, Schedules::All) {
        left_out(race, text);
    }
    let blocked = match race.blocked {
        Blocked::Defer => "a blocked session's steps wait in line",
        Blocked::Strict => "a schedule is pruned when a blocked session's step is due",
        Blocked::Wait => "a blocked session whose step is due is waited for",
    };
    let after = match race.on_error {
        OnError::Abort => "after an error a session's rest is skipped",
        OnError::Continue => "after an error a session goes on",
    };
    let _ = writeln!(text, "  {blocked}; {after}");
    for invariant in &race.plan.invariants {
        let _ = writeln!(text, "  invariant {}", invariant.name);
    }
}

/// As far as it is known without the database: foreign keys and triggers may connect more tables.
fn left_out(race: &Race, text: &mut String) {
    let Some(all) = count(&race.lengths()) else { return };
    for level in race.levels.iter().flatten() {
        let found = reduction(race, *level, None);
        let left = Interleavings::new(&race.lengths(), &found.independence).count() as u128;
        if left < all {
            let _ = writeln!(
                text,
                "    at {level} up to {} of them can't differ from another one: {}",
                all - left,
                found.reasons.join("; ")
            );
        }
    }
}
