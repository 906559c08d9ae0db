//! Ways of making a draft smaller, each of which may or may not keep its failure.

use super::{
    build::Names,
    draft::{Action, Case, Draft, Step, Turn, items, list, with, with_rows, without},
};
use crate::scenario::Node;

/// One way of making a draft smaller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Without a step of a session.
    DropStep {
        session: usize,
        id: usize,
    },
    /// The steps of one branch in the place of an `if`, where each has a turn of its own.
    Unwrap {
        session: usize,
        id: usize,
        branch: &'static str,
    },
    /// Without a step of a branch, which has others.
    DropInner {
        session: usize,
        id: usize,
        branch: &'static str,
        place: usize,
    },
    /// Without an assertion, a capture or a branch.
    DropKey {
        session: usize,
        id: usize,
        key: &'static str,
    },
    /// Without a value of the session's `let`.
    DropBinding {
        name: String,
    },
    DropFixture {
        name: String,
    },
    /// One row for each row of its parent.
    OneRow {
        fixture: String,
    },
}

/// Keys of an `if` that hold steps.
const BRANCHES: [&str; 2] = ["then", "else"];

/// Every change that a draft allows, those that take away most first.
pub fn changes(draft: &Draft) -> Vec<Change> {
    let own = || (0..draft.sessions.len()).filter(|session| draft.sessions[*session].steps.is_some());
    let steps =
        || own().flat_map(|session| draft.steps(session).iter().rev().map(move |step| (session, step)));
    let done = |step: &Step| match &step.action {
        Action::Do(node) => Some(node.clone()),
        _ => None,
    };
    let mut all = Vec::new();
    for (session, step) in steps().filter(|(_, step)| done(step).is_some()) {
        all.push(Change::DropStep { session, id: step.id });
    }
    for (session, step) in steps() {
        let Some(node) = done(step) else { continue };
        let id = step.id;
        for branch in BRANCHES.into_iter().filter(|branch| node.get(branch).is_some()) {
            all.push(Change::Unwrap { session, id, branch });
            let inner = items(node.get(branch)).len();
            let places = (0..inner).rev().filter(|_| inner > 1);
            all.extend(places.map(|place| Change::DropInner { session, id, branch, place }));
        }
        let keys = ["else", "assert", "capture"].into_iter().filter(|key| node.get(key).is_some());
        all.extend(keys.map(|key| Change::DropKey { session, id, key }));
    }
    let mut bindings: Vec<&str> =
        draft.sessions.iter().flat_map(|one| &one.bindings).map(|(name, _)| name.as_str()).collect();
    bindings.sort_unstable();
    bindings.dedup();
    all.extend(bindings.into_iter().map(|name| Change::DropBinding { name: name.to_owned() }));
    let fixtures = || draft.fixtures.iter().rev();
    all.extend(fixtures().map(|(name, _)| Change::DropFixture { name: name.value.clone() }));
    let several = fixtures().filter(|(_, one)| one.get("rows").is_some() && with_rows(one, 1) != *one);
    all.extend(several.map(|(name, _)| Change::OneRow { fixture: name.value.clone() }));
    all
}

impl Change {
    /// The smaller draft, with the schedule that is left of its own.
    pub fn apply(&self, case: &Case) -> Case {
        let mut case = case.clone();
        match self {
            Self::DropStep { session, id } => {
                case.steps(*session).retain(|step| step.id != *id);
                case.schedule.retain(|turn| turn.id != *id);
            }
            Self::Unwrap { session, id, branch } => case.unwrap(*session, *id, branch),
            Self::DropInner { session, id, branch, place } => {
                case.change_node(*session, *id, &|node| {
                    let mut inner = items(node.get(branch)).to_vec();
                    inner.remove(*place);
                    with(node, branch, list(inner))
                });
            }
            Self::DropKey { session, id, key } => {
                case.change_node(*session, *id, &|node| without(node, key));
            }
            Self::DropBinding { name } => {
                for session in &mut case.draft.sessions {
                    session.bindings.retain(|(known, _)| known.value != *name);
                }
            }
            Self::DropFixture { name } => case.draft.fixtures.retain(|(known, _)| known.value != *name),
            Self::OneRow { fixture } => {
                for (_, node) in case.draft.fixtures.iter_mut().filter(|(name, _)| name.value == *fixture) {
                    *node = with_rows(node, 1);
                }
            }
        }
        case
    }
}

impl Draft {
    /// The branch that is taken when its condition holds in the place of every `if`: finer steps, between
    /// which others may come.
    pub fn unwrapped(&self) -> Option<Self> {
        let mut case = Case { draft: self.clone(), schedule: Vec::new() };
        let mut any = false;
        while let Some(change) = changes(&case.draft)
            .into_iter()
            .find(|change| matches!(change, Change::Unwrap { branch: "then", .. }))
        {
            case = change.apply(&case);
            any = true;
        }
        any.then_some(case.draft)
    }
}

impl Case {
    fn steps(&mut self, session: usize) -> &mut Vec<Step> {
        self.draft.sessions[session].steps.get_or_insert_default()
    }

    fn change_node(&mut self, session: usize, id: usize, change: &dyn Fn(&Node) -> Node) {
        for step in self.steps(session).iter_mut().filter(|step| step.id == id) {
            if let Action::Do(node) = &step.action {
                step.action = Action::Do(change(node));
            }
        }
    }

    fn unwrap(&mut self, session: usize, id: usize, branch: &str) {
        let name = self.draft.sessions[session].name.clone();
        let mut made = self.draft.made;
        let steps = self.steps(session);
        let Some(place) = steps.iter().position(|step| step.id == id) else { return };
        let taken = steps.iter().filter_map(|step| step.name.clone()).collect();
        let mut names = Names { session: name, taken };
        let Action::Do(node) = &steps[place].action else { return };
        let inner: Vec<Step> = items(node.get(branch))
            .iter()
            .map(|step: &Node| {
                made += 1;
                Step { id: made, name: names.of(step), action: Action::Do(without(step, "name")) }
            })
            .collect();
        let ids: Vec<usize> = inner.iter().map(|step| step.id).collect();
        steps.splice(place..=place, inner);
        self.draft.made = made;
        self.schedule = self
            .schedule
            .iter()
            .flat_map(|turn| match turn.id == id {
                true => ids.iter().map(|id| Turn { session: turn.session, id: *id }).collect(),
                false => vec![*turn],
            })
            .collect();
    }

    /// The same case with other values for the nodes of its sessions.
    pub(super) fn map_nodes(&mut self, change: &mut dyn FnMut(&Node) -> Node) {
        for session in &mut self.draft.sessions {
            for (_, node) in &mut session.bindings {
                *node = change(node);
            }
            for step in session.steps.iter_mut().flatten() {
                if let Action::Do(node) = &step.action {
                    step.action = Action::Do(change(node));
                }
            }
        }
    }
}

/// A node with its texts changed.
pub(super) fn map_texts(node: &Node, change: &mut dyn FnMut(&str) -> String) -> Node {
    use crate::scenario::NodeKind;
    match &node.kind {
        NodeKind::Text(text) => super::draft::text(change(text)),
        NodeKind::List(items) => {
            super::draft::list(items.iter().map(|item| map_texts(item, change)).collect())
        }
        NodeKind::Map(entries) => entries
            .iter()
            .fold(node.clone(), |whole, (name, value)| with(&whole, name, map_texts(value, change))),
        _ => node.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{Failure, Pair, Places, Refusal, Wanted, build},
        *,
    };
    use crate::scenario::Source;

    const SCENARIO: &str = "
version: 1
name: shop
vars: {most: 3, unused: 1}
data: {catalogue: {file: goods.csv}, prices: {file: prices.csv}}
targets:
  db: {database: embedded, isolation: read_committed, lock_order: [a]}
  api: {http: 'http://127.0.0.1:1'}
fixtures:
  shops: {table: shops, rows: '{{ 3 * concurrency }}'}
  goods: {table: goods, data: catalogue}
  chairs: {table: chairs, per: shops, rows: 4}
operations:
  buy:
    let: {chair: '{{ pick(chairs) }}'}
    steps:
      - transaction:
          isolation: serializable
          steps:
            - {name: Look at it, sql: SELECT 1, capture: seen, assert: row_count == 1}
            - sleep: 1ms
            - if: seen.a < most
              then: [{name: Look at it, sql: SELECT 2}, {sleep: 1ms}, {sql: SELECT 3}]
              else: [{sql: SELECT 4}]
  pay: {steps: [{name: commit, sql: SELECT 5}]}
  call: {steps: [{http: GET /}]}
invariants:
  kept: {sql: SELECT 6, expect: operations.buy.committed + operations.call.committed == 1, when: after}
";

    fn tree() -> (Source, Node) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.yaml");
        std::fs::write(&path, SCENARIO).expect("written");
        crate::scenario::read_tree(&path, None).expect("a tree")
    }

    fn draft(one: &str, other: &str) -> Result<Draft, Refusal> {
        let failure = Failure::Invariant("kept".to_owned());
        let (source, tree) = tree();
        build(&tree, &Pair { one, other }, &failure, 1, &Places { source: &source, to: Path::new(".") })
    }

    fn case(one: &str, other: &str) -> Case {
        let draft = draft(one, other).expect("a draft");
        let [schedule, _] = draft.serial();
        Case { draft, schedule }
    }

    #[test]
    fn two_operations_become_sessions_on_few_rows() {
        insta::assert_snapshot!(case("buy", "pay").draft.yaml(&Wanted::All), @r#"
            version: 1
            name: shop-race
            description: buy and pay break kept when they meet like this.
            vars: {most: 3}

            data:
              catalogue: {file: goods.csv}

            targets:
              db: {database: embedded, isolation: read_committed}

            fixtures:
              shops: {table: shops}
              goods: {table: goods, data: catalogue, rows: 1}
              chairs: {table: chairs, per: shops, rows: 2}

            races:
              kept:
                isolation: serializable
                sessions:
                  buy:
                    let: {chair: "{{ pick(chairs) }}"}
                    steps:
                      - begin
                      - look_at_it: {sql: SELECT 1, capture: seen, assert: row_count == 1}
                      - if: seen.a < most
                        then: [{name: Look at it, sql: SELECT 2}, {sql: SELECT 3}]
                        else: [{sql: SELECT 4}]
                      - commit
                  pay: [{commit_step: {sql: SELECT 5}}]
                schedules: all
                invariants: {kept: {sql: SELECT 6, expect: operations.buy.committed + 0 == 1}}
                expect: {serializable: violated}
        "#);
    }

    #[test]
    fn what_is_no_step_of_a_session_is_refused() {
        let refusal = draft("buy", "call").expect_err("it sends requests").to_string();
        assert_eq!(
            refusal,
            "operation call sends requests (`GET /`): what the service does can't be driven step by step"
        );
        assert_eq!(draft("buy", "gone"), Err(Refusal::NoOperation("gone".to_owned())));
    }

    #[test]
    fn every_change_leaves_a_scenario_that_reads_back() {
        let case = case("buy", "buy");
        let changes = changes(&case.draft);
        let mut seen: Vec<String> = Vec::new();
        for change in &changes {
            let smaller = change.apply(&case);
            assert_ne!(smaller.draft, case.draft, "{change:?}");
            let text =
                smaller.draft.yaml(&Wanted::Listed(vec![smaller.draft.schedule_text(&smaller.schedule)]));
            assert!(!seen.contains(&text), "{change:?} does what another one does");
            let turns = smaller.draft.lengths().iter().sum::<usize>();
            assert_eq!(smaller.schedule.len(), turns, "{change:?}: every step has its turn");
            seen.push(text);
        }
        assert!(changes.contains(&Change::DropFixture { name: "shops".to_owned() }));
    }

    #[test]
    fn the_steps_of_a_branch_get_turns_and_names_of_their_own() {
        let draft = case("buy", "pay").draft.unwrapped().expect("there is an `if`");
        let names: Vec<Option<&str>> = draft.steps(0).iter().map(|step| step.name.as_deref()).collect();
        assert_eq!(names, [None, Some("look_at_it"), Some("look_at_it_2"), None, None]);
        assert_eq!(draft.unwrapped(), None);
    }
}
