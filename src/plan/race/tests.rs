//! Races compiled from text, and which of their steps are independent.

use std::path::Path;

use super::{Interleavings, Race, RaceAction, Schedules, TableLinks, reduction};
use crate::{
    outcome::{Isolation, RaceOutcome},
    plan::{self, Plan},
    scenario::{LoadOptions, load_str},
};

const HEAD: &str = "
version: 1
name: races
targets: {db: {database: 'postgres://user@127.0.0.1/none', isolation: read_committed}}
";

fn compile(races: &str) -> Result<Plan, String> {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    let loaded = load_str(Path::new("race.yaml"), &format!("{HEAD}{races}"), &options)
        .map_err(|problems| problems.render_own(false))?;
    let compiled = plan::compile(&loaded).map_err(|problems| problems.render(&loaded.source, false))?;
    Ok(compiled.plan)
}

fn race(text: &str) -> Race {
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    let mut plan = compile(&format!("races:\n  one:\n{indented}")).expect("it compiles");
    plan.races.remove(0)
}

/// The steps of a session by name, with what they do.
fn steps(race: &Race, session: usize) -> Vec<String> {
    let shown = |step: &super::RaceStep| match &step.action {
        RaceAction::Begin => format!("{}: begin", step.name),
        RaceAction::Commit => format!("{}: commit", step.name),
        RaceAction::Rollback => format!("{}: rollback", step.name),
        RaceAction::Do(_) => format!("{}: {}", step.name, step.shown),
    };
    race.sessions[session].steps.iter().map(shown).collect()
}

#[test]
fn steps_are_words_named_steps_or_plain_steps() {
    let race = race(
        "
sessions:
  a:
    - begin
    - read: {sql: SELECT 1 AS n, capture: seen}
    - {name: write, sql: 'UPDATE t SET n = {{ seen.n }}'}
    - savepoint: s
    - sql: SELECT 2; SELECT 3
    - sql: SELECT 4
    - let: {twice: '{{ 2 * seen.n }}'}
    - check: twice == 2
    - rollback_to: s
    - commit
    - again: begin
    - rollback
  b: {like: a}
schedules: {sample: 5}
",
    );
    let expected = [
        "begin: begin",
        "read: SELECT 1 AS n",
        "write: UPDATE t SET n = {{ seen.n }}",
        "savepoint1: SAVEPOINT s",
        "sql1: SELECT 2; SELECT 3",
        "sql2: SELECT 4",
        "let1: let1",
        "check1: check twice == 2",
        "rollback_to1: ROLLBACK TO SAVEPOINT s",
        "commit: commit",
        "again: begin",
        "rollback: rollback",
    ];
    assert_eq!(steps(&race, 0), expected);
    assert_eq!(steps(&race, 1), expected);
    assert_eq!(race.levels, [Some(Isolation::ReadCommitted)]);
    let scripts: Vec<bool> = race.plan.statements.iter().map(|one| one.is_script).collect();
    assert_eq!(&scripts[..3], [true, false, true], "only the one with an expression is prepared");
}

#[test]
fn an_operation_becomes_steps_between_begin_and_commit() {
    let mut plan = compile("
fixtures: {rows: {table: t, rows: 2, values: {n: 1}}}
operations:
  op:
    let: {row: '{{ pick(rows) }}', amount: 1}
    steps:
      - transaction:
          steps:
            - {name: take, sql: 'UPDATE t SET n = n - {{ amount }} WHERE id = {{ row.id }}', assert: rows_affected == 1}
            - sql: SELECT 1
      - sql: SELECT 2
load: {concurrency: 2, iterations: 1}
races:
  one:
    sessions:
      a: {operation: op, with: {amount: 5}}
      b: {operation: op}
    expect: {read_committed: violated}
")
    .expect("it compiles");
    let race = plan.races.remove(0);
    let names: Vec<&str> = race.sessions[0].steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["begin", "take", "sql1", "commit", "sql2"]);
    assert_eq!(race.expect, [Some(RaceOutcome::Violated)]);
    assert!(race.sessions[0].steps[1].asserts);
    assert_eq!(plan.statements.len(), 3, "the load's own are untouched");
}

#[test]
fn listed_schedules_are_resolved() {
    let race = race(
        "
sessions:
  a: [begin, {read: {sql: SELECT 1}}, commit]
  b: [begin, {write: {sql: SELECT 2}}, commit]
schedules: [a b read write b.commit a, 'b b b a a a']
isolation: [serializable, read_committed]
expect: holds
",
    );
    let Schedules::Listed(listed) = &race.schedules else { panic!("{:?}", race.schedules) };
    let texts: Vec<String> = listed.iter().map(|schedule| race.schedule_text(schedule)).collect();
    assert_eq!(texts[0], "a.begin b.begin read write b.commit a.commit");
    assert_eq!(texts[1], "b.begin write b.commit a.begin read a.commit");
    for (text, schedule) in texts.iter().zip(listed) {
        assert_eq!(race.parse_schedule(text).as_ref(), Ok(schedule), "what is printed is read back");
    }
    assert_eq!(race.expect, [Some(RaceOutcome::Holds); 2]);
}

fn left(race: &Race, level: Isolation, links: Option<&TableLinks>) -> (usize, Vec<&'static str>) {
    let reduction = reduction(race, level, links);
    (Interleavings::new(&race.lengths(), &reduction.independence).count(), reduction.reasons)
}

#[test]
fn begins_move_and_reads_move() {
    let race = race(
        "
sessions:
  a: [begin, {read: {sql: SELECT n FROM t}}, {write: {sql: UPDATE t SET n = 1}}, commit]
  b: {like: a}
",
    );
    let (committed, reasons) = left(&race, Isolation::ReadCommitted, None);
    // Read, write and commit of each: 20 orders, of which reads that are neighbours are one.
    assert_eq!((committed, reasons.len()), (14, 2));
    assert_eq!(left(&race, Isolation::Serializable, None).0, 20);
}

#[test]
fn a_snapshot_is_for_the_whole_transaction() {
    let race = race(
        "
sessions:
  a: [begin, {one: {sql: SELECT n FROM t}}, {two: {sql: SELECT n FROM u}}, commit]
  b: [begin, {write: {sql: UPDATE u SET n = 1}}, commit]
",
    );
    let independent = |level, one: &str, other: &str| {
        let at = |session: usize, name: &str| {
            let step = race.sessions[session].steps.iter().position(|step| step.name == name);
            super::StepRef { session, step: step.expect("a step of this name") }
        };
        reduction(&race, level, None).independence.holds(at(0, one), at(1, other))
    };
    assert!(independent(Isolation::ReadCommitted, "one", "commit"));
    assert!(!independent(Isolation::RepeatableRead, "one", "commit"), "it takes the snapshot for `two`");
    assert!(!independent(Isolation::ReadCommitted, "two", "commit"));
    assert!(!independent(Isolation::ReadCommitted, "two", "write"), "they touch the same table");
    assert!(independent(Isolation::RepeatableRead, "one", "write"));
    assert!(independent(Isolation::Serializable, "one", "begin"));
    assert!(!independent(Isolation::Serializable, "one", "write"));
}

#[test]
fn tables_that_foreign_keys_connect_are_one() {
    let race = race(
        "
sessions:
  a: [{one: {sql: UPDATE t SET n = 1}}]
  b: [{two: {sql: UPDATE u SET n = 1}}]
",
    );
    let links = |u| TableLinks([("t".to_owned(), 0), ("u".to_owned(), u)].into());
    assert_eq!(left(&race, Isolation::Serializable, Some(&links(1))).0, 1, "they can't meet");
    assert_eq!(left(&race, Isolation::ReadCommitted, Some(&links(0))).0, 2);
    assert_eq!(left(&race, Isolation::ReadCommitted, Some(&TableLinks::default())).0, 2, "unknown tables");
}

#[test]
fn markers_and_repetition_need_a_partial_race() {
    let race = race(
        "
sessions:
  a: [{one: {sql: SELECT 1}}, {two: {sql: BEGIN}}]
  b: [{three: {sql: SELECT 1}}]
schedules: ['three(*) one one(three)', two]
partial: true
on_error: continue
",
    );
    let Schedules::Listed(listed) = &race.schedules else { panic!("{:?}", race.schedules) };
    assert_eq!(listed.iter().map(|one| one.0.len()).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn a_session_has_values_of_its_own_which_one_like_it_may_replace() {
    let race = race(
        "
sessions:
  a: {let: {low: 1, high: '{{ low + 1 }}'}, steps: [{sql: 'SELECT {{ low }} + {{ high }}'}]}
  b: {like: a, let: {high: 5}}
  c: {like: b}
  d: {like: c, let: {low: 7}}
",
    );
    let bindings = |session: usize| -> Vec<String> {
        let names = &race.sessions[session].names;
        let bindings = race.sessions[session].bindings.iter();
        bindings.map(|(slot, value)| format!("{}={value:?}", names.name(*slot).expect("a name"))).collect()
    };
    for (session, low, high) in [(0, "1", "low + 1"), (1, "1", "5"), (2, "1", "5"), (3, "7", "5")] {
        let found = bindings(session);
        assert!(found[0].starts_with("low=") && found[0].contains(low), "{session}: {found:?}");
        assert!(found[1].starts_with("high=") && found[1].contains(high), "{session}: {found:?}");
        assert_eq!(race.sessions[session].counts_as, "a");
    }
}

#[test]
fn values_of_sessions_stand_where_there_are_some_to_replace() {
    let wrong = |sessions: &str| {
        let text = format!(
            "operations: {{o: {{let: {{x: 1}}, steps: [{{sql: SELECT 1}}]}}}}\nload: {{concurrency: 1, iterations: 1}}\nraces: \
             {{r: {{sessions: {{{sessions}}}}}}}\n"
        );
        compile(&text).expect_err("it is wrong")
    };
    let unknown = wrong("a: {let: {low: 1}, steps: [{sql: SELECT 1}]}, b: {like: a, let: {lwo: 2}}");
    assert!(unknown.contains("the other session's `let` has no `lwo`"), "{unknown}");
    assert!(unknown.contains("did you mean `low`?"), "{unknown}");
    let operation = wrong("a: {operation: o, let: {x: 2}}, b: {like: a}");
    assert!(operation.contains("a session of an `operation` has the operation's `let`"), "{operation}");
    assert!(operation.contains("replace a value of it under `with`"), "{operation}");
}
