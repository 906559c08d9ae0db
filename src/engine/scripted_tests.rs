//! The engine against a script: what is asked of a session, in which order, and what is counted.

use std::{cell::RefCell, path::Path, rc::Rc, sync::Arc, time::Instant};

use super::{
    shared::{EngineSettings, Shared, StopSignal},
    worker::Worker,
};
use crate::{
    expression::RandomStream,
    measure::{LiveBoard, Recorder},
    outcome::Cause,
    plan::{self, Plan},
    scenario::{LoadOptions, load_str},
    target::{Answer, Endpoint, Failure, Prepared, Script, Session, SessionSettings},
};

const SCENARIO: &str = "
version: 1
name: scripted
targets: {db: {database: 'postgres://user@127.0.0.1/none', isolation: read_committed, lock_order: [a, b]}}
retry: {on: [deadlock], max_retries: 2, delay: 10ms}
operations:
  op:
    steps:
      - transaction:
          steps:
            - sql: UPDATE b SET n = {{ random(1, 1000) }}
            - sql: UPDATE a SET n = 1
              assert: rows_affected == 1
load: {concurrency: 1, iterations: 1}
";

fn plan() -> Arc<Plan> {
    let options = LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None };
    let loaded = load_str(Path::new("scripted.yaml"), SCENARIO, &options).expect("the scenario is read");
    Arc::new(plan::compile(&loaded).expect("the scenario compiles").plan)
}

/// Runs one operation and returns what was asked and what was recorded.
async fn run(script: Script) -> (Vec<String>, Recorder) {
    let plan = plan();
    let recorder = Rc::new(RefCell::new(Recorder::new(1)));
    let prepared = plan.statements.iter().map(|one| Prepared::Scripted(one.text.as_str().into())).collect();
    let settings = EngineSettings {
        prepared,
        observed: vec![false; plan.statements.len()],
        observer: None,
        samples: None,
        globals: Vec::new(),
        endpoint: Some(Endpoint::from_url("postgres://user@127.0.0.1:1/none").expect("a URL")),
        services: Vec::new(),
        session: SessionSettings::default(),
        seed: 1,
        board: Arc::new(LiveBoard::new(1, 1)),
        stop: StopSignal::default(),
        plan: Arc::clone(&plan),
    };
    let shared = Arc::new(Shared::new(settings).expect("no requests to prepare"));
    let session = Session::scripted(script.clone());
    let mut worker = Worker::new(0, 0, shared, Rc::clone(&recorder), Some(session), Vec::new());
    let stream = RandomStream { seed: 1, worker: 0, iteration: 0 };
    worker.iteration(&plan, stream, Instant::now(), None).await;
    drop(worker);
    (script.asked(), recorder.take())
}

/// The statements without their comments.
fn short(asked: &[String]) -> Vec<&str> {
    asked.iter().map(|sql| sql.split(" /*").next().unwrap_or_default()).collect()
}

fn deadlock() -> Answer {
    Answer::Failure(Failure::answered("40P01", "deadlock detected"))
}

const ONE_ATTEMPT: [&str; 3] = ["BEGIN", "UPDATE b SET n = $1", "UPDATE a SET n = 1"];

#[tokio::test]
async fn a_transaction_is_begun_and_committed() {
    let (asked, recorder) = run(Script::default()).await;
    assert_eq!(short(&asked), [&ONE_ATTEMPT[..], &["COMMIT"]].concat());
    assert_eq!((recorder.operations[0].ok, recorder.transactions), (1, 1));
    assert_eq!(recorder.violations.values().sum::<u64>(), 1, "a was locked after b");
}

#[tokio::test]
async fn a_deadlock_rolls_back_and_runs_everything_again() {
    let (asked, recorder) = run(Script::default().answer("UPDATE a", deadlock())).await;
    let expected = [&ONE_ATTEMPT[..], &["ROLLBACK"], &ONE_ATTEMPT[..], &["COMMIT"]].concat();
    assert_eq!(short(&asked), expected);
    let one = &recorder.operations[0];
    assert_eq!((one.ok, one.recovered, one.retries, one.deadlocks), (0, 1, 1, 1));
    assert_eq!((recorder.retries[0].count, recorder.retries[0].recovered), (1, 1));
}

#[tokio::test]
async fn retries_end_at_the_limit() {
    let script = Script::default()
        .answer("UPDATE b", deadlock())
        .answer("COMMIT", deadlock())
        .answer("UPDATE a", deadlock());
    let (asked, recorder) = run(script).await;
    assert_eq!(asked.iter().filter(|sql| *sql == "BEGIN").count(), 3);
    let one = &recorder.operations[0];
    assert_eq!((one.exhausted, one.recovered, one.retries, one.deadlocks), (1, 0, 2, 3));
    assert_eq!(one.exhausted_causes[&Cause::Deadlock], 1);
}

#[tokio::test]
async fn a_lost_commit_is_unknown_and_a_lost_statement_is_not() {
    let lost = || Answer::Failure(Failure::lost("the connection was closed"));
    let (asked, recorder) = run(Script::default().answer("COMMIT", lost())).await;
    assert_eq!((recorder.operations[0].unknown, recorder.operations[0].unacknowledged), (1, 1));
    assert_eq!(asked.last().map(String::as_str), Some("COMMIT"), "there is nobody to roll back");
    let (_, recorder) = run(Script::default().answer("UPDATE a", lost())).await;
    assert_eq!(recorder.operations[0].failed, 1, "the server rolls back what wasn't committed");
}

#[tokio::test]
async fn a_failed_assertion_is_no_failure_of_the_server() {
    let none = Answer::Rows(crate::expression::Rows::default());
    let (asked, recorder) = run(Script::default().answer("UPDATE a", none)).await;
    assert_eq!(recorder.operations[0].assertion, 1);
    assert_eq!(asked.last().map(String::as_str), Some("ROLLBACK"));
    let ((_, step, cause), (count, message)) = recorder.failures.iter().next().expect("a failure");
    assert_eq!((step.as_str(), cause, *count), ("sql 2", &None, 1));
    assert!(message.contains("0 rows affected"), "{message}");
}
