//! What keeps two runs from being compared, and what else is different between them.

use crate::measure::{Environment, RunResults};

/// Why the two can't be compared.
pub(super) fn incomparable(before: &RunResults, after: &RunResults) -> Vec<String> {
    let mut reasons = Vec::new();
    if before.scenario != after.scenario {
        reasons.push(format!("they are of two scenarios: {} and {}", before.scenario, after.scenario));
    }
    for (which, run) in [("first", before), ("second", after)] {
        if !run.races.is_empty() {
            reasons.push(format!("the {which} drove races, which have no rates and times"));
        } else if run.totals.started == run.totals.skipped {
            reasons.push(format!("nothing was measured in the {which}"));
        }
    }
    for (name, target) in &before.environment.targets {
        if let Some(other) = after.environment.targets.get(name)
            && target.kind != other.kind
        {
            reasons.push(format!("{name} is {} in one and {} in the other", target.kind, other.kind));
        }
    }
    reasons
}

/// What may be the reason of a difference beside what was changed on purpose. The seed isn't one.
pub(super) fn unlike(before: &RunResults, after: &RunResults) -> Vec<String> {
    let mut found = Vec::new();
    for name in before.vars.keys().chain(after.vars.keys().filter(|name| !before.vars.contains_key(*name)))
    {
        let [one, other] =
            [before, after].map(|run| run.vars.get(name).map_or("as written", String::as_str));
        if one != other {
            found.push(format!("variable {name}: {one}, {other}"));
        }
    }
    let arrivals = |run: &RunResults| run.arrivals.as_ref().map(|arrivals| arrivals.planned);
    if arrivals(before) != arrivals(after) {
        let words = |planned: Option<u64>| planned.map_or("closed".to_owned(), |count| count.to_string());
        found.push(format!("planned starts: {}, {}", words(arrivals(before)), words(arrivals(after))));
    }
    environments(&before.environment, &after.environment, &mut found);
    for (which, run) in [("first", before), ("second", after)] {
        if run.interrupted {
            found.push(format!("the {which} was interrupted"));
        }
        if run.aborted.is_some() {
            found.push(format!("the {which} was ended by the scenario"));
        }
    }
    found
}

/// What is different and seldom matters.
pub(super) fn notes(before: &RunResults, after: &RunResults) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(one), Some(other)) = (&before.file_text, &after.file_text)
        && one != other
    {
        found.push("the text of the scenario".to_owned());
    }
    let [one, other] = [before, after].map(|run| &run.environment.deadheat);
    if one != other {
        found.push(format!("version of deadheat: {one}, {other}"));
    }
    found
}

fn environments(before: &Environment, after: &Environment, found: &mut Vec<String>) {
    let mut differs = |what: &str, one: &str, other: &str| {
        if one != other {
            found.push(format!("{what}: {one}, {other}"));
        }
    };
    differs("workers", &before.concurrency.to_string(), &after.concurrency.to_string());
    differs("platform", &before.platform, &after.platform);
    if let (Some(one), Some(other)) = (&before.machine, &after.machine) {
        differs("machine", one, other);
    }
    differs("processors", &before.processors.to_string(), &after.processors.to_string());
    for (name, target) in &before.targets {
        let Some(other) = after.targets.get(name) else {
            found.push(format!("target {name}: only in the first"));
            continue;
        };
        let embedded = |location: &str| if location == "embedded" { "embedded" } else { "a server" };
        let mut differs = |what: &str, one: &str, other: &str| {
            if one != other {
                found.push(format!("{what} of {name}: {one}, {other}"));
            }
        };
        differs("version", &target.version, &other.version);
        differs("place", embedded(&target.location), embedded(&other.location));
    }
    found.extend(
        after
            .targets
            .keys()
            .filter(|name| !before.targets.contains_key(*name))
            .map(|name| format!("target {name}: only in the second")),
    );
}
