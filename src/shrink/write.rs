//! Writes a draft as a scenario file.

use std::path::Path;

use super::{
    build::node_of,
    draft::{Draft, Entries, Failure, Wanted, list, map, named, text},
};
use crate::{
    outcome::RaceOutcome,
    scenario::{Node, NodeKind, to_yaml},
};

/// Longest line of a comment.
const WIDTH: usize = 96;

/// Where a race comes from, for the comment at its head.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The scenario that was run.
    pub scenario: &'a Path,
    pub seed: u64,
    /// The file that is written.
    pub path: &'a Path,
}

impl Draft {
    /// The scenario, without a comment.
    pub fn yaml(&self, schedules: &Wanted) -> String {
        let race = self.race(schedules);
        let mut entries = vec![
            ("version", Node::new(0..0, NodeKind::Int(1))),
            ("name", text(self.name.as_str())),
            ("description", text(self.description.as_str())),
        ];
        let rest = [named(self.fixtures.clone()), race.clone(), named(vec![self.target.clone()])];
        let vars = mentioned(&self.vars, &rest, "");
        let secrets = mentioned(&self.secrets, &rest, "secrets.");
        let data = mentioned(&self.data, &rest, "");
        if !vars.is_empty() {
            entries.push(("vars", named(vars)));
        }
        if !secrets.is_empty() {
            entries.push(("secrets", named(secrets)));
        }
        if !data.is_empty() {
            entries.push(("data", named(data)));
        }
        entries.push(("targets", named(vec![self.target.clone()])));
        if !self.fixtures.is_empty() {
            entries.push(("fixtures", named(self.fixtures.clone())));
        }
        entries.push(("races", map(vec![(&self.race, race)])));
        to_yaml(&map(entries))
    }

    fn race(&self, schedules: &Wanted) -> Node {
        let mut race = Vec::new();
        if let Some(level) = &self.isolation {
            race.push(("isolation", level.clone()));
        }
        let sessions =
            (0..self.sessions.len()).map(|at| (self.sessions[at].name.as_str(), self.session(at)));
        race.push(("sessions", map(sessions.collect())));
        race.push((
            "schedules",
            match schedules {
                Wanted::All => text("all"),
                Wanted::Sample(count) => {
                    let count = i64::try_from(*count).unwrap_or(i64::MAX);
                    map(vec![("sample", Node::new(0..0, NodeKind::Int(count)))])
                }
                Wanted::Listed(listed) => list(listed.iter().map(text).collect()),
            },
        ));
        if !self.invariants.is_empty() {
            race.push(("invariants", named(self.invariants.clone())));
        }
        // While the bug is there.
        let outcome = text(RaceOutcome::Violated.name());
        // A level that the environment may set isn't known here.
        let level = self.isolation.as_ref().and_then(Node::as_text).filter(|level| !level.contains("${"));
        race.push((
            "expect",
            match level {
                Some(level) => map(vec![(level, outcome)]),
                None => outcome,
            },
        ));
        map(race)
    }

    fn session(&self, at: usize) -> Node {
        let session = &self.sessions[at];
        let Some(steps) = &session.steps else {
            let mut like = vec![("like", text(self.sessions[0].name.as_str()))];
            if session.bindings != self.sessions[0].bindings {
                like.push(("let", named(session.bindings.clone())));
            }
            return map(like);
        };
        let steps = list(steps.iter().map(node_of).collect());
        match session.bindings.is_empty() {
            true => steps,
            false => map(vec![("let", named(session.bindings.clone())), ("steps", steps)]),
        }
    }

    /// The file: the scenario under a comment that says where it comes from and how it is used.
    pub fn text(&self, schedule: &str, origin: &Origin<'_>) -> String {
        let file = origin.path.display();
        let broke = match &self.failure {
            Failure::Invariant(name) => format!("broke the invariant {name}"),
            Failure::Deadlock => "met deadlocks".to_owned(),
        };
        let outcome = RaceOutcome::Violated.name();
        let told = format!(
            "Made by `deadheat shrink` from a run of {} with seed {}, which {broke}. {} One after the other \
             they do no harm.",
            origin.scenario.display(),
            origin.seed,
            self.description,
        );
        let again = format!(
            "\n    deadheat race {file}\n    deadheat replay {file} --times 100     # how often it happens\n"
        );
        let after = format!(
            "The steps are those of the operations, without what isn't needed to show it. `expect` says \
             `{outcome}`: the race passes while the bug is there. When it is fixed, fix the steps here too, and \
             change it to `holds`: then the race keeps the bug from coming back."
        );
        let comment =
            [lines(&told), again.lines().map(str::to_owned).collect(), vec![String::new()], lines(&after)]
                .concat();
        let comment: String =
            comment.iter().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
        format!("{comment}{}", self.yaml(&Wanted::Listed(vec![schedule.to_owned()])))
    }
}

/// A text in lines for a comment.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The entries whose names, behind `prefix`, stand in one of these or in an entry that does.
fn mentioned(entries: &Entries, rest: &[Node], prefix: &str) -> Entries {
    let mut texts = Vec::new();
    for node in rest {
        node.walk(&mut |node| texts.extend(node.as_text().map(str::to_owned)));
    }
    let mut kept = Entries::new();
    for (name, node) in entries.iter().rev() {
        if texts.iter().any(|text| has_word(text, &format!("{prefix}{name}"))) {
            node.walk(&mut |node| texts.extend(node.as_text().map(str::to_owned)));
            kept.insert(0, (name.clone(), node.clone()));
        }
    }
    kept
}

fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside))
}
