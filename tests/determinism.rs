//! The same seed gives the same work, and the same result document gives the same reports.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use support::{
    Program, REPORTS, file,
    http::{Service, answer},
    text,
};

/// Every function that draws, in operations of different weights, with a retry that draws nothing anew.
const SCENARIO: &str = r#"
version: 1
name: drawn
vars: {sizes: [1, 2, 3, 5, 8]}
targets:
  db: {database: "sqlite:", migrations: migrations}
  api: {http: "URL"}
fixtures:
  shelves: {table: shelves, rows: 7, values: {size: "{{ random(1, 1000) }}"}}
  books: {table: books, rows: 3, per: shelves, values: {shelf: "{{ parent.id }}", pages: "{{ random(1, 1000) }}"}}
operations:
  often:
    weight: 5
    let: {book: "{{ pick(books) }}", two: "{{ pick(shelves, 2) }}", size: "{{ choice(sizes) }}", key: "{{ uuid() }}"}
    steps:
      - http: POST /
        body: {json: {worker: "{{ worker }}", iteration: "{{ iteration }}", drawn: "{{ [book.id, book.pages, two[0].size, two[1].id, size, key, random(1, 10 ** 9), fake.id('pi')] }}"}}
  seldom:
    weight: 1
    steps:
      - if: random(1, 2) == 1
        then:
          - http: POST /
            body: {json: {worker: "{{ worker }}", iteration: "{{ iteration }}", drawn: "{{ [random(1, 10 ** 9), pick(books).pages] }}"}}
        else:
          - repeat: 2
            steps:
              - http: POST /
                body: {json: {worker: "{{ worker }}", iteration: "{{ iteration }}", drawn: "{{ [i, random(1, 10 ** 9)] }}"}}
  shuffled:
    weight: 2
    steps:
      - http: POST /
        bodies:
          - {json: {worker: "{{ worker }}", iteration: "{{ iteration }}", drawn: one}}
          - {json: {worker: "{{ worker }}", iteration: "{{ iteration }}", drawn: "{{ random(1, 10 ** 9) }}"}}
        deliver: {order: shuffle, spread: 1ms}
load: {LOAD}
"#;

const TABLES: &str = "CREATE TABLE shelves (id integer PRIMARY KEY, size int);
CREATE TABLE books (id integer PRIMARY KEY, shelf int, pages int);";

/// What was sent: by worker and iteration, in the order in which it came.
type Sent = BTreeMap<(u64, u64), Vec<serde_json::Value>>;

/// Runs it against a service that takes its time with every `slow`th request.
fn sent(load: &str, seed: &str, slow: u64) -> Sent {
    let count = AtomicU64::new(0);
    let service = Service::start(move |_| {
        if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(slow) {
            // No wait for something: it disturbs who comes when.
            std::thread::sleep(Duration::from_millis(7));
        }
        answer(200, "")
    });
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "migrations/sqlite/1.sql", TABLES);
    let scenario = SCENARIO.replace("URL", &service.url()).replace("LOAD", load);
    let path = file(folder.path(), "drawn.yaml", &scenario);
    let ended = Program::new().run(&["run", "--quiet", "--seed", seed, text(&path)]);
    // Without a threshold or an invariant nothing was demanded.
    assert!(matches!(ended.status, Some(0 | 4)), "{}\n{}", ended.stdout, ended.stderr);
    let mut sent = Sent::new();
    for seen in service.seen() {
        let body = seen.json();
        let number = |name: &str| body[name].as_u64().expect("a number");
        sent.entry((number("worker"), number("iteration"))).or_default().push(body["drawn"].clone());
    }
    // Copies of a delivery have a connection each: which comes first is up to the network.
    sent.values_mut().for_each(|drawn| drawn.sort_by_key(ToString::to_string));
    sent
}

#[test]
fn a_closed_loop_draws_the_same_whatever_the_scheduling() {
    let load = "concurrency: 4, iterations: 240";
    let (one, other) = (sent(load, "7", 3), sent(load, "7", 5));
    assert_eq!(one.len(), 240);
    for sent in [&one, &other] {
        for worker in 0..4 {
            let iterations: Vec<u64> = sent.keys().filter(|key| key.0 == worker).map(|key| key.1).collect();
            let expected: Vec<u64> = (0..iterations.len() as u64).collect();
            assert_eq!(iterations, expected, "worker {worker} counts from 0 without a gap");
        }
    }
    assert_eq!(one, other);
    let different = sent(load, "8", 3);
    let same = one.iter().filter(|(key, drawn)| different.get(key) == Some(drawn)).count();
    assert!(same < 10, "another seed draws {same} of 240 as the first one");
}

#[test]
fn an_open_loop_draws_the_same_whoever_does_the_work() {
    let load = "concurrency: 6, rate: 200/s, duration: 1s";
    let by_arrival = |sent: Sent| -> BTreeMap<u64, Vec<serde_json::Value>> {
        sent.into_iter().map(|((_, iteration), drawn)| (iteration, drawn)).collect()
    };
    let (one, other) = (by_arrival(sent(load, "7", 4)), by_arrival(sent(load, "7", 9)));
    let both: Vec<_> = one.keys().filter(|key| other.contains_key(key)).collect();
    assert!(both.len() > 150, "{} of {} and {}", both.len(), one.len(), other.len());
    for arrival in both {
        assert_eq!(one[arrival], other[arrival], "arrival {arrival}");
    }
}

/// Time zone, language, folder and width of whoever makes the report leave no trace.
#[test]
fn reports_of_one_document_are_the_same_wherever_they_are_made() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let surroundings = [
        [("TZ", "UTC"), ("LC_ALL", "C"), ("LANG", "C"), ("HOME", "/"), ("USER", "one"), ("COLUMNS", "80")],
        [
            ("TZ", "Pacific/Kiritimati"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("LANG", "tr_TR.UTF-8"),
            ("HOME", "/tmp"),
            ("USER", "another"),
            ("COLUMNS", "80"),
        ],
    ];
    for name in ["yesterday.json", "older.json", "webhooks.json"] {
        let document = root.join("tests/data").join(name);
        let made = surroundings.map(|variables| {
            let folder = tempfile::tempdir().expect("a folder");
            let report = ["report", text(&document)];
            let files = REPORTS[1..].as_flattened();
            let mut command =
                Program::new().command(&[&report, files, &["--annotations", "github"]].concat());
            command.current_dir(folder.path()).envs(variables).env_remove("GITHUB_WORKSPACE");
            let annotations = command.output().expect("the program starts");
            assert_eq!(annotations.status.code(), Some(0), "{annotations:?}");
            let mut command = Program::new().command(&report);
            let table = command.current_dir(folder.path()).envs(variables).output().expect("it starts");
            let mut made = vec![annotations.stdout, table.stdout];
            made.extend(
                REPORTS[1..].iter().map(|[_, name]| fs::read(folder.path().join(name)).expect("made")),
            );
            made
        });
        let [one, other] = made;
        for (index, (one, other)) in one.iter().zip(&other).enumerate() {
            assert!(!one.is_empty() || index == 0);
            assert!(one == other, "{name}: report {index} differs");
        }
    }
}

/// A verdict is a function of the results: judged again and again, it is the same to the byte.
#[test]
fn a_verdict_is_the_same_each_time() {
    use deadheat::{
        report::{Document, json},
        scenario::threshold::{Condition, MetricName},
        verdict::judge,
    };
    let document: Document =
        serde_json::from_str(include_str!("data/yesterday.json")).expect("a document of version 1");
    let thresholds: Vec<deadheat::plan::Threshold> = document
        .thresholds
        .iter()
        .map(|one| {
            let metric = MetricName::parse(&one.metric).expect("a metric");
            let condition = Condition::parse_for(&metric, &one.condition).expect("a condition");
            deadheat::plan::Threshold { name: one.metric.clone(), metric, condition }
        })
        .collect();
    let (results, _) = document.into_parts();
    let judged = || json(&Document::new(results.clone(), judge(&thresholds, &[], &[], &results, None)));
    let first = judged();
    assert!((0..20).all(|_| judged() == first));
}
