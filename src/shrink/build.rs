//! Builds the first draft: two operations of a scenario as the sessions of a race, on as few rows as may be.

use std::path::{Component, Path, PathBuf};

use super::draft::{
    Action, Draft, Entries, Failure, Session, Step, items, map, text, with, with_rows, without,
};
use crate::scenario::{Node, NodeKind, STEP_KEYS, Source, Spanned};

/// The operations of the two sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<'a> {
    pub one: &'a str,
    pub other: &'a str,
}

/// Why operations can't be the sessions of a race.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "operation {operation} sends requests (`{line}`): what the service does can't be driven step by step"
    )]
    Request { operation: String, line: String },
    #[error("operation {operation} holds a gate, which waits for more sessions than a race has")]
    Gate { operation: String },
    #[error("the scenario has no operation {0} any more")]
    NoOperation(String),
    #[error("the scenario has no invariant {0} any more")]
    NoInvariant(String),
    #[error("the scenario has no target with a `database`")]
    NoDatabase,
}

/// Where a scenario names files from, and where they will be named from.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The scenario: each file of it names others from its own folder.
    pub source: &'a Source,
    /// The folder of the file to be written.
    pub to: &'a Path,
}

impl Places<'_> {
    /// A map as it is written in the other folder: the file that it names under this key stays where it is.
    fn moved(&self, node: &Node, key: &str) -> Node {
        let Some(named) = node.get(key) else { return node.clone() };
        let here = |folder: &Path| match folder.as_os_str().is_empty() {
            true => Path::new(".").canonicalize(),
            false => folder.canonicalize(),
        };
        let folders = (here(self.source.folder_at(named.span.start)), here(self.to));
        let ((Ok(from), Ok(to)), Some(written)) = (folders, named.as_text()) else { return node.clone() };
        if from == to || Path::new(written).is_absolute() || written.starts_with("${") {
            return node.clone();
        }
        let meant = from.join(written);
        let meant = meant.canonicalize().unwrap_or(meant);
        with(node, key, text(relative(&meant, &to).display().to_string()))
    }
}

/// Makes a draft of two operations. `rows` is how many rows each fixture gets that isn't made `per` another
/// one.
///
/// # Errors
/// Why it can't be done.
pub fn build(
    tree: &Node,
    pair: &Pair<'_>,
    failure: &Failure,
    rows: i64,
    places: &Places<'_>,
) -> Result<Draft, Refusal> {
    let target = database(tree)?;
    let mut made = 0;
    let first = operation(tree, pair.one, &mut made)?;
    let mut sessions = vec![first];
    if pair.other == pair.one {
        let name = format!("{}_2", pair.one);
        sessions.push(Session { name, steps: None, ..sessions[0].clone() });
    } else {
        sessions.push(operation(tree, pair.other, &mut made)?);
    }
    let isolation = level(tree, pair.one).or(target.1.get("isolation")).cloned();
    let invariants = match failure {
        Failure::Deadlock => vec![no_session_fails(pair)],
        Failure::Invariant(name) => vec![invariant(tree, name, pair)?],
    };
    let name = tree.get("name").and_then(Node::as_text).unwrap_or("scenario");
    let race = match failure {
        Failure::Invariant(name) => name.clone(),
        Failure::Deadlock => "deadlock".to_owned(),
    };
    let who = match pair.one == pair.other {
        true => format!("Two sessions of {}", pair.one),
        false => format!("{} and {}", pair.one, pair.other),
    };
    let what = match failure {
        Failure::Invariant(name) => format!("break {name} when they meet like this"),
        Failure::Deadlock => "deadlock when they meet like this".to_owned(),
    };
    Ok(Draft {
        name: format!("{name}-race"),
        race,
        description: format!("{who} {what}."),
        vars: entries(tree, "vars"),
        secrets: entries(tree, "secrets"),
        data: entries(tree, "data")
            .into_iter()
            .map(|(name, one)| (name, places.moved(&one, "file")))
            .collect(),
        target: (target.0.clone(), places.moved(&kept(&target.1), "migrations")),
        fixtures: entries(tree, "fixtures")
            .into_iter()
            .map(|(name, one)| (name, fewer(&one, rows)))
            .collect(),
        isolation,
        sessions,
        invariants,
        failure: failure.clone(),
        made,
    })
}

fn entries(tree: &Node, key: &str) -> Entries {
    tree.get(key).map(|node| node.entries().to_vec()).unwrap_or_default()
}

fn database(tree: &Node) -> Result<(Spanned<String>, Node), Refusal> {
    let targets = entries(tree, "targets");
    let database =
        targets.into_iter().find(|(_, one)| one.get("database").is_some() && one.get("http").is_none());
    database.ok_or(Refusal::NoDatabase)
}

/// A database without what only loads look at.
fn kept(target: &Node) -> Node {
    without(target, "lock_order")
}

/// How a place is reached from a folder; both are absolute.
fn relative(place: &Path, folder: &Path) -> PathBuf {
    let same = place.components().zip(folder.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(same).map(|_| Component::ParentDir);
    up.chain(place.components().skip(same)).collect()
}

/// A fixture with few rows.
fn fewer(fixture: &Node, rows: i64) -> Node {
    let is_of_data = fixture.get("data").is_some();
    match (fixture.get("per"), fixture.get("rows").map(|rows| &rows.kind)) {
        (None, Some(NodeKind::Int(written))) => with_rows(fixture, (*written).min(rows)),
        (None, Some(_)) => with_rows(fixture, rows),
        (None, None) if is_of_data => with_rows(fixture, rows),
        (Some(_), Some(NodeKind::Int(written))) => with_rows(fixture, (*written).min(rows.max(2))),
        (_, None) => fixture.clone(),
        (Some(_), Some(_)) => with_rows(fixture, 1),
    }
}

/// An invariant as a race has it: checked after every schedule. Operations that aren't in the race have done
/// nothing.
fn invariant(tree: &Node, name: &str, pair: &Pair<'_>) -> Result<(Spanned<String>, Node), Refusal> {
    let invariants = entries(tree, "invariants");
    let (name, mut node) = invariants
        .into_iter()
        .find(|(known, _)| known.value == name)
        .ok_or_else(|| Refusal::NoInvariant(name.to_owned()))?;
    node = without(&without(&node, "when"), "timeout");
    for (operation, _) in entries(tree, "operations") {
        if operation.value == pair.one || operation.value == pair.other {
            continue;
        }
        for key in ["expect", "message"] {
            if let Some(written) = node.get(key).and_then(Node::as_text) {
                let path = format!("operations.{operation}.");
                let nothing = written
                    .replace(&format!("{path}committed"), "0")
                    .replace(&format!("{path}unknown"), "0");
                node = with(&node, key, text(nothing));
            }
        }
    }
    Ok((name, node))
}

/// Deadlocks break nothing in the database. Counting who came to their end makes one a violation, so that the
/// race can say `holds` when it is fixed.
fn no_session_fails(pair: &Pair<'_>) -> (Spanned<String>, Node) {
    let committed = |name: &str| {
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain {
            format!("operations.{name}.committed")
        } else {
            format!("operations['{name}'].committed")
        }
    };
    let sum = match pair.one == pair.other {
        true => committed(pair.one),
        false => format!("{} + {}", committed(pair.one), committed(pair.other)),
    };
    let invariant = map(vec![
        ("description", text("Both sessions come to their end.")),
        ("sql", text("SELECT 2 AS sessions")),
        ("expect", text(format!("{sum} == sessions"))),
        ("message", text(format!("{{{{ {sum} }}}} of {{{{ sessions }}}} sessions came to their end"))),
    ]);
    (Spanned::new("no_session_fails".to_owned(), 0..0), invariant)
}

/// The level of an operation's first transaction, when it names one.
fn level<'a>(tree: &'a Node, operation: &str) -> Option<&'a Node> {
    let steps = tree.get("operations")?.get(operation)?.get("steps");
    items(steps).iter().find_map(|step| step.get("transaction")?.get("isolation"))
}

fn operation(tree: &Node, name: &str, made: &mut usize) -> Result<Session, Refusal> {
    let missing = || Refusal::NoOperation(name.to_owned());
    let written = tree.get("operations").and_then(|all| all.get(name)).ok_or_else(missing)?;
    refuse(name, written)?;
    let mut steps = Vec::new();
    let mut names = Names { session: name.to_owned(), taken: Vec::new() };
    let mut push = |action: Action, name: Option<String>| {
        *made += 1;
        steps.push(Step { id: *made, name, action });
    };
    for step in items(written.get("steps")).iter().filter_map(without_pauses) {
        let Some(transaction) = step.get("transaction") else {
            push(Action::Do(without(&step, "name")), names.of(&step));
            continue;
        };
        push(Action::Begin, None);
        let inner = items(transaction.get("steps"));
        for step in inner.iter() {
            if step.get("rollback").is_some() {
                push(Action::Rollback, None);
            } else {
                push(Action::Do(without(step, "name")), names.of(step));
            }
        }
        if inner.last().is_none_or(|last| last.get("rollback").is_none()) {
            push(Action::Commit, None);
        }
    }
    Ok(Session {
        name: name.to_owned(),
        operation: name.to_owned(),
        bindings: entries(written, "let"),
        steps: Some(steps),
    })
}

fn refuse(name: &str, operation: &Node) -> Result<(), Refusal> {
    let mut refusal = None;
    operation.walk(&mut |node| {
        if let Some(line) = node.get("http") {
            let line = line.as_text().unwrap_or_default().to_owned();
            refusal.get_or_insert(Refusal::Request { operation: name.to_owned(), line });
        } else if node.get("gate").is_some() {
            refusal.get_or_insert(Refusal::Gate { operation: name.to_owned() });
        }
    });
    refusal.map_or(Ok(()), Err)
}

/// A step without pauses and meeting points in it: in a race the schedule says when a step has its turn.
/// `None` for a step that is one.
fn without_pauses(step: &Node) -> Option<Node> {
    if ["sleep", "think_time", "barrier"].iter().any(|key| step.get(key).is_some()) {
        return None;
    }
    let mut step = step.clone();
    for key in ["then", "else", "steps"] {
        if let Some(inner) = step.get(key) {
            let inner = items(Some(inner)).iter().filter_map(without_pauses).collect();
            step = with(&step, key, super::draft::list(inner));
        }
    }
    if let Some(transaction) = step.get("transaction") {
        let inner = items(transaction.get("steps")).iter().filter_map(without_pauses).collect();
        let transaction = with(transaction, "steps", super::draft::list(inner));
        step = with(&step, "transaction", transaction);
    }
    Some(step)
}

/// Names for the steps of a session: words that schedules need no quotes for.
pub(super) struct Names {
    pub session: String,
    pub taken: Vec<String>,
}

impl Names {
    /// The name of a step, where the scenario gives it one.
    pub(super) fn of(&mut self, step: &Node) -> Option<String> {
        let written = step.get("name")?.as_text()?;
        let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let word: String = written.chars().map(plain).collect();
        let word = word.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        let reserved = STEP_KEYS.contains(&word.as_str())
            || ["begin", "commit"].contains(&word.as_str())
            || word.is_empty()
            || word == self.session;
        let word = if reserved { format!("{word}_step") } else { word };
        let numbered = (2..).map(|n| format!("{word}_{n}"));
        let mut names = std::iter::once(word.clone()).chain(numbered);
        let free = names.find(|name| !self.taken.contains(name));
        let free = free.expect("there are more numbers than steps");
        self.taken.push(free.clone());
        Some(free)
    }
}

/// A step as a session of a race has it.
pub(super) fn node_of(step: &Step) -> Node {
    let node = match &step.action {
        Action::Begin => text("begin"),
        Action::Commit => text("commit"),
        Action::Rollback => text("rollback"),
        Action::Do(node) => node.clone(),
    };
    match &step.name {
        Some(name) => map(vec![(name, node)]),
        None => node,
    }
}
