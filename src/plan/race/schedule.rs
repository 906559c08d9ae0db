//! A schedule as text: `alice.read bob.read alice bob(*)`.

use std::ops::Range;

use super::model::{Marker, Schedule, Scheduled, StepRef};
use crate::scenario::{did_you_mean, nearest};

/// What is wrong with a schedule's text; the range is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("there is no step or session `{name}` in this race")]
    Unknown { name: String, hint: Option<String>, range: Range<usize> },
    #[error("several sessions have a step `{name}`")]
    Ambiguous { name: String, sessions: Vec<String>, range: Range<usize> },
    #[error("session `{session}` has no more steps")]
    NoMore { session: String, range: Range<usize> },
    #[error("step `{step}` stands in the schedule twice")]
    Twice { step: String, range: Range<usize> },
    #[error("step `{step}` comes before `{earlier}`, which stands before it in session `{session}`")]
    Order { step: String, earlier: String, session: String, range: Range<usize> },
    #[error("the schedule lacks {steps}")]
    Missing { steps: String },
    #[error("`{text}` is no marker")]
    Marker { text: String, range: Range<usize> },
    #[error("`{text}` without its end")]
    Unclosed { text: char, range: Range<usize> },
    #[error("the schedule has no steps")]
    Empty,
}

impl ScheduleError {
    /// Where in the text; `None` for all of it.
    pub fn range(&self) -> Option<Range<usize>> {
        match self {
            Self::Unknown { range, .. }
            | Self::Ambiguous { range, .. }
            | Self::NoMore { range, .. }
            | Self::Twice { range, .. }
            | Self::Order { range, .. }
            | Self::Marker { range, .. }
            | Self::Unclosed { range, .. } => Some(range.clone()),
            Self::Missing { .. } | Self::Empty => None,
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        const PARTIAL: &str = "a schedule has every step of every session once, in the session's order; \
                               with `partial: true` it may do otherwise";
        match self {
            Self::Unknown { hint, .. } => hint.clone(),
            Self::Ambiguous { name, sessions, .. } => {
                let written: Vec<String> =
                    sessions.iter().map(|session| format!("`{session}.{name}`")).collect();
                Some(format!("write {}", written.join(" or ")))
            }
            Self::NoMore { .. } | Self::Twice { .. } | Self::Order { .. } | Self::Missing { .. } => {
                Some(PARTIAL.to_owned())
            }
            Self::Marker { .. } => {
                Some("a marker is `*`, a step, or a step with `notices` and a number".to_owned())
            }
            Self::Unclosed { .. } => None,
            Self::Empty => Some("write steps with blanks between them".to_owned()),
        }
    }
}

/// The names of a race's sessions and their steps.
pub struct ScheduleNames<'a> {
    pub sessions: Vec<(&'a str, Vec<&'a str>)>,
}

impl ScheduleNames<'_> {
    fn qualified(&self, name: &str) -> Option<StepRef> {
        self.sessions.iter().enumerate().find_map(|(session, (session_name, steps))| {
            let step = name.strip_prefix(session_name)?.strip_prefix('.')?;
            Some(StepRef { session, step: steps.iter().position(|known| *known == step)? })
        })
    }

    fn named(&self, name: &str) -> Vec<StepRef> {
        let steps = self.sessions.iter().enumerate().flat_map(|(session, (_, steps))| {
            steps.iter().enumerate().map(move |(step, known)| (StepRef { session, step }, *known))
        });
        steps.filter(|(_, known)| *known == name).map(|(at, _)| at).collect()
    }

    fn session(&self, name: &str) -> Option<usize> {
        self.sessions.iter().position(|(known, _)| *known == name)
    }

    fn full(&self, at: StepRef) -> String {
        let (session, steps) = &self.sessions[at.session];
        format!("{session}.{}", steps[at.step])
    }

    /// What a word means. `taken` tells how many steps of each session came before.
    fn resolve(&self, word: &Word<'_>, taken: &[usize]) -> Result<StepRef, ScheduleError> {
        let (name, range) = (word.text, word.range.clone());
        if let Some(step) = self.qualified(name) {
            return Ok(step);
        }
        let named = self.named(name);
        if let [only] = named.as_slice() {
            return Ok(*only);
        }
        if let Some(session) = self.session(name) {
            let step = taken.get(session).copied().unwrap_or_default();
            if step >= self.sessions[session].1.len() {
                return Err(ScheduleError::NoMore { session: name.to_owned(), range });
            }
            return Ok(StepRef { session, step });
        }
        if !named.is_empty() {
            let sessions = named.iter().map(|at| self.sessions[at.session].0.to_owned()).collect();
            return Err(ScheduleError::Ambiguous { name: name.to_owned(), sessions, range });
        }
        let full: Vec<String> = self
            .sessions
            .iter()
            .flat_map(|(session, steps)| steps.iter().map(move |step| format!("{session}.{step}")))
            .collect();
        let short =
            self.sessions.iter().flat_map(|(session, steps)| steps.iter().chain([session]).copied());
        let nearest = nearest(name, short).map(|known| format!("did you mean `{known}`?"));
        let hint = nearest.or_else(|| did_you_mean(name, full.iter().map(String::as_str)));
        Err(ScheduleError::Unknown { name: name.to_owned(), hint, range })
    }
}

struct Word<'a> {
    text: &'a str,
    range: Range<usize>,
    /// Text of the markers, with its place.
    markers: Vec<(&'a str, Range<usize>)>,
}

/// Reads a schedule. Unless it is `partial`, it must have every step once, in its session's order.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_schedule(
    text: &str,
    names: &ScheduleNames<'_>,
    partial: bool,
) -> Result<Schedule, ScheduleError> {
    let mut taken = vec![0; names.sessions.len()];
    let mut schedule = Vec::new();
    for word in words(text)? {
        let step = names.resolve(&word, &taken)?;
        if !partial {
            in_order(names, step, taken[step.session], &word.range)?;
        }
        taken[step.session] = step.step + 1;
        let markers = word.markers.iter().map(|(text, range)| marker(text, range, names, &taken));
        schedule.push(Scheduled { step, markers: markers.collect::<Result<_, _>>()? });
    }
    if schedule.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let missing: Vec<String> = names
        .sessions
        .iter()
        .enumerate()
        .flat_map(|(session, (_, steps))| {
            (taken[session]..steps.len())
                .map(move |step| format!("`{}`", names.full(StepRef { session, step })))
        })
        .collect();
    if !partial && !missing.is_empty() {
        return Err(ScheduleError::Missing { steps: missing.join(", ") });
    }
    Ok(Schedule(schedule))
}

fn in_order(
    names: &ScheduleNames<'_>,
    step: StepRef,
    next: usize,
    range: &Range<usize>,
) -> Result<(), ScheduleError> {
    let range = range.clone();
    if step.step < next {
        return Err(ScheduleError::Twice { step: names.full(step), range });
    }
    if step.step > next {
        let earlier = names.full(StepRef { step: next, ..step });
        let session = names.sessions[step.session].0.to_owned();
        return Err(ScheduleError::Order { step: names.full(step), earlier, session, range });
    }
    Ok(())
}

fn marker(
    text: &str,
    range: &Range<usize>,
    names: &ScheduleNames<'_>,
    taken: &[usize],
) -> Result<Marker, ScheduleError> {
    let step = |name: &str| {
        names.resolve(&Word { text: unquoted(name), range: range.clone(), markers: Vec::new() }, taken)
    };
    let parts: Vec<&str> = text.split_whitespace().collect();
    match parts.as_slice() {
        ["*"] => Ok(Marker::Waits),
        [name] => Ok(Marker::After(step(name)?)),
        [name, "notices", count] => match count.parse() {
            Ok(count) => Ok(Marker::Notices { step: step(name)?, count }),
            Err(_) => Err(ScheduleError::Marker { text: text.to_owned(), range: range.clone() }),
        },
        _ => Err(ScheduleError::Marker { text: text.to_owned(), range: range.clone() }),
    }
}

fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name)
}

/// The words of a schedule: plain or in double quotes, each with its markers in parentheses.
fn words(text: &str) -> Result<Vec<Word<'_>>, ScheduleError> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() || c == ',' {
            at += c.len_utf8();
        } else if c == '(' {
            let end = rest.find(')').ok_or(ScheduleError::Unclosed { text: '(', range: at..text.len() })?;
            let inside = &rest[1..end];
            let mut from = at + 1;
            let Some(word) = words.last_mut() else {
                return Err(ScheduleError::Marker { text: inside.to_owned(), range: at..at + end + 1 });
            };
            for part in inside.split(',') {
                let start = from + (part.len() - part.trim_start().len());
                word.markers.push((part.trim(), start..start + part.trim().len()));
                from += part.len() + 1;
            }
            at += end + 1;
        } else if c == '"' {
            let end =
                rest[1..].find('"').ok_or(ScheduleError::Unclosed { text: '"', range: at..text.len() })?;
            let range = at + 1..at + 1 + end;
            words.push(Word { text: &text[range.clone()], range, markers: Vec::new() });
            at += end + 2;
        } else {
            let length = rest.find(|c: char| c.is_whitespace() || "(,\"".contains(c)).unwrap_or(rest.len());
            let range = at..at + length;
            words.push(Word { text: &text[range.clone()], range, markers: Vec::new() });
            at += length;
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ScheduleNames<'static> {
        ScheduleNames {
            sessions: vec![("a", vec!["begin", "read", "w 1"]), ("b", vec!["begin", "r2", "commit"])],
        }
    }

    fn at(session: usize, step: usize) -> StepRef {
        StepRef { session, step }
    }

    fn parse(text: &str, partial: bool) -> Result<Vec<(StepRef, Vec<Marker>)>, ScheduleError> {
        let schedule = parse_schedule(text, &names(), partial)?;
        Ok(schedule.0.into_iter().map(|one| (one.step, one.markers)).collect())
    }

    fn message(text: &str) -> String {
        let error = parse(text, false).expect_err("it is wrong");
        format!("{error} {:?}", error.range().map(|range| &text[range]))
    }

    #[test]
    fn words_are_sessions_steps_or_both() {
        let steps: Vec<StepRef> = parse("a read b.begin \"w 1\" r2 b", false)
            .expect("fine")
            .into_iter()
            .map(|one| one.0)
            .collect();
        assert_eq!(steps, [at(0, 0), at(0, 1), at(1, 0), at(0, 2), at(1, 1), at(1, 2)]);
    }

    #[test]
    fn markers_are_kept() {
        let parsed = parse("r2(*) read(r2, b.commit notices 2) read", true).expect("fine");
        assert_eq!(parsed[0], (at(1, 1), vec![Marker::Waits]));
        let notices = Marker::Notices { step: at(1, 2), count: 2 };
        assert_eq!(parsed[1], (at(0, 1), vec![Marker::After(at(1, 1)), notices]));
        assert_eq!(parsed[2].0, at(0, 1), "a partial schedule may repeat");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(message("a raed"), "there is no step or session `raed` in this race Some(\"raed\")");
        assert_eq!(message("begin"), "several sessions have a step `begin` Some(\"begin\")");
        assert_eq!(message("a a.begin"), "step `a.begin` stands in the schedule twice Some(\"a.begin\")");
        assert_eq!(
            message("read"),
            "step `a.read` comes before `a.begin`, which stands before it in session `a` Some(\"read\")"
        );
        assert_eq!(message("a a a a"), "session `a` has no more steps Some(\"a\")");
        assert_eq!(message("a a a b"), "the schedule lacks `b.r2`, `b.commit` None");
        assert_eq!(message("a(x y)"), "`x y` is no marker Some(\"x y\")");
        assert_eq!(message("a("), "`(` without its end Some(\"(\")");
        assert_eq!(message(" "), "the schedule has no steps None");
    }
}
