//! Frees a case of chance: every random call that is known to have few results is replaced by one of them.

use std::ops::Range;

use super::{
    change::map_texts,
    draft::{Case, Draft},
};
use crate::scenario::{closing, split_at_commas};

/// Most cases that are proposed, of rows and of all.
const MOST: usize = 48;
/// Most results of one call that are proposed.
const MOST_RESULTS: usize = 4;

/// The case with its random calls replaced in every way: first only those that pick rows, then all. Nothing
/// when there is none to replace.
pub fn pinned(case: &Case) -> Vec<Case> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut all: Vec<Vec<String>> = Vec::new();
    replaced(case, &mut |call| {
        let results = results_of(&case.draft, call);
        rows.push(if call.starts_with("pick") { results.clone() } else { Vec::new() });
        all.push(results);
        None
    });
    let mut cases = every_way(case, &rows);
    if rows != all {
        cases.extend(every_way(case, &all));
    }
    cases
}

/// The case for every combination of the results that its random calls may give.
fn every_way(case: &Case, results: &[Vec<String>]) -> Vec<Case> {
    if results.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let ways: usize = results.iter().map(|one| one.len().max(1)).fold(1, usize::saturating_mul);
    (0..ways.min(MOST))
        .map(|way| {
            let (mut at, mut rest) = (0, way);
            replaced(case, &mut |_| {
                let results = &results[at];
                at += 1;
                let chosen = results.get(rest % results.len().max(1)).cloned();
                rest /= results.len().max(1);
                chosen
            })
        })
        .collect()
}

/// The case with some of its random calls replaced, which are told in the order of the file.
fn replaced(case: &Case, by: &mut dyn FnMut(&str) -> Option<String>) -> Case {
    let mut case = case.clone();
    case.map_nodes(&mut |node| {
        map_texts(node, &mut |text| {
            let mut out = String::new();
            let mut at = 0;
            for call in calls(text) {
                out.push_str(&text[at..call.start]);
                let written = &text[call.clone()];
                out.push_str(&by(written).unwrap_or_else(|| written.to_owned()));
                at = call.end;
            }
            out.push_str(&text[at..]);
            out
        })
    });
    case
}

/// Where random calls stand in the expressions of a text.
fn calls(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let end = text[open..].find("}}").map_or(text.len(), |at| open + at);
        for name in ["pick(", "choice(", "random("] {
            for (at, _) in text[open..end].match_indices(name) {
                let start = open + at;
                let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
                if !text[..start].ends_with(is_name)
                    && let Some(length) = closing(&text[start + name.len()..end])
                {
                    found.push(start..start + name.len() + length + 1);
                }
            }
        }
        from = end;
    }
    found.sort_by_key(|range| range.start);
    // Of calls inside calls, the outer one counts.
    let mut end = 0;
    found.retain(|range| {
        let outer = range.start >= end;
        if outer {
            end = range.end;
        }
        outer
    });
    found
}

/// What a call may give, as expressions; nothing when there is no choice.
fn results_of(draft: &Draft, call: &str) -> Vec<String> {
    let Some((name, rest)) = call.split_once('(') else { return Vec::new() };
    let arguments = arguments(&rest[..rest.len() - 1]);
    let results: Vec<String> = match (name, arguments.as_slice()) {
        ("pick", [fixture]) => (0..draft.rows(fixture)).map(|row| format!("{fixture}[{row}]")).collect(),
        ("pick", [fixture, "2"]) => {
            let rows = draft.rows(fixture);
            let pairs = (0..rows).flat_map(|one| (0..rows).map(move |other| (one, other)));
            let different = pairs.filter(|(one, other)| one != other);
            different.map(|(one, other)| format!("[{fixture}[{one}], {fixture}[{other}]]")).collect()
        }
        ("choice", several) => several.iter().map(|one| (*one).to_owned()).collect(),
        ("random", [low, high]) => match (low.parse::<i64>(), high.parse::<i64>()) {
            (Ok(low), Ok(high)) => {
                (low..=high).map(|number| number.to_string()).take(MOST_RESULTS).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    if results.len() < 2 { Vec::new() } else { results.into_iter().take(MOST_RESULTS).collect() }
}

/// The arguments of a call.
fn arguments(text: &str) -> Vec<&str> {
    split_at_commas(text).into_iter().map(|part| text[part].trim()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_in_expressions_only() {
        let text = "SELECT random() + {{ random(1, 3) }}, {{ pick(a).id ~ x.pick(b) }}, {{ choice('a)', pick(c)) }}";
        let found: Vec<&str> = calls(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["random(1, 3)", "pick(a)", "choice('a)', pick(c))"]);
        assert_eq!(arguments("'a,b', f(1, 2), [3, 4]"), ["'a,b'", "f(1, 2)", "[3, 4]"]);
    }
}
