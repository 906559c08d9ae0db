//! Which races of a plan are driven, and what is said of those that aren't.

use super::{RaceOptions, trouble::RunError};
use crate::{
    measure::RaceResults,
    plan::{Plan, Schedule, Schedules},
    scenario::{Problem, Problems, Source, did_you_mean},
};

/// The races that are to be driven, each with the schedule that was asked for.
pub(super) fn chosen(
    plan: &Plan,
    options: &RaceOptions,
    source: &Source,
) -> Result<Vec<(usize, Option<Schedule>)>, RunError> {
    let usage = |problem: Problem| RunError::Scenario(Problems::from(problem).with_source(source.clone()));
    if plan.races.is_empty() && plan.not_driven.is_empty() {
        let problem = Problem::error("the scenario has no races");
        return Err(usage(problem.hint("`deadheat run` runs its load")));
    }
    let names = || {
        let driven = plan.races.iter().map(|race| race.name.as_str());
        driven.chain(plan.not_driven.iter().map(|one| one.race.as_str()))
    };
    if let Some(unknown) = options.only.iter().find(|name| !names().any(|known| known == name.as_str())) {
        let problem = Problem::error(format!("there is no race `{unknown}`"));
        return Err(usage(match did_you_mean(unknown, names().collect::<Vec<_>>()) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }));
    }
    let mut chosen = Vec::new();
    for (index, race) in plan.races.iter().enumerate() {
        if options.only.is_empty() || options.only.contains(&race.name) {
            chosen.push((index, None));
        }
    }
    if options.times.is_some() && options.schedule.is_none() {
        chosen.retain(|(index, _)| matches!(plan.races[*index].schedules, Schedules::Listed(_)));
        if chosen.is_empty() {
            let problem = Problem::error(
                "there is no schedule to replay: no race that was asked for lists its schedules",
            );
            return Err(usage(
                problem.hint("name one with `--schedule`; `deadheat race` drives all interleavings"),
            ));
        }
    }
    if let Some(text) = &options.schedule {
        let [(index, schedule)] = chosen.as_mut_slice() else {
            let problem = Problem::error("`--schedule` is for one race, and the file has several");
            return Err(usage(problem.hint("name it with `--only NAME`")));
        };
        *schedule = Some(plan.races[*index].parse_schedule(text).map_err(|error| {
            let problem = Problem::error(format!("`--schedule`: {error}"));
            usage(match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            })
        })?);
    }
    Ok(chosen)
}

/// The results of driven races, and between them, where they stand in the file, what doesn't apply.
pub(super) fn with_not_driven(
    plan: &Plan,
    only: &[String],
    driven: Vec<(usize, Vec<RaceResults>)>,
) -> Vec<RaceResults> {
    let mut results: Vec<((usize, usize), RaceResults)> = Vec::new();
    for (index, levels) in driven {
        results.extend(levels.into_iter().map(|one| ((index, 1), one)));
    }
    for one in plan.not_driven.iter().filter(|one| only.is_empty() || only.contains(&one.race)) {
        let same = plan.races.get(one.before).is_some_and(|race| race.name == one.race);
        let (race, description) = (one.race.clone(), one.description.clone());
        let result = RaceResults::not_driven(race, description, one.isolation, one.why.clone());
        // Levels of a driven race follow those that were driven.
        results.push(((one.before, if same { 2 } else { 0 }), result));
    }
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}
