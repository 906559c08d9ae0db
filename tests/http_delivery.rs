//! Deliveries, barriers and gates, seen from the service: what comes together, in which order, how
//! often, and with which signature.

mod support;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use support::{
    Program,
    http::{
        Reply, Seen, Service, answer,
        scenario::{Ran, Scenario, run_file},
    },
    server, sql, value,
};

fn run(service: &Service, steps: &str, load: &str) -> Ran {
    let url = service.url();
    Scenario { url: &url, target: "timeout: 5s", steps, load, more: "" }.run()
}

const ONCE: &str = "concurrency: 1, iterations: 1";

/// From the first last byte to the last one.
fn spread(seen: &[Seen]) -> Duration {
    let moments = || seen.iter().map(|one| one.complete);
    moments().max().expect("one") - moments().min().expect("one")
}

/// The last bytes came within a short time of each other, as far as a busy machine lets the server's
/// threads see it. (What the client did is in the skew that it measures.)
#[track_caller]
fn expect_together(seen: &[Seen]) {
    assert!(spread(seen) < Duration::from_secs(1), "{:?}", spread(seen));
}

#[test]
fn copies_are_held_at_their_last_byte_and_come_together() {
    let service = Service::start(|_| answer(200, "fine"));
    let steps = r#"
        - http: POST /hook
          body: {json: {id: "{{ fake.id('evt') }}", n: "{{ random(1, 1000000) }}"}}
          deliver: {copies: 8}
          assert: status == 200
    "#;
    let ran = run(&service, steps, ONCE);
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    assert_eq!((seen.len(), service.connections()), (8, 8));
    assert_eq!(seen.iter().map(|one| &one.body).collect::<BTreeSet<_>>().len(), 1, "the same event");
    expect_together(&seen);
    assert_eq!(ran.number("totals/requests/sent"), 8.0);
    let skew = skew(&ran, "copies");
    assert_eq!(skew["count"], 8);
    assert!(skew["p99"].as_f64().expect("a number") < 250.0);
}

/// How far from their release those were let go.
#[track_caller]
fn skew<'a>(ran: &'a Ran, what: &str) -> &'a serde_json::Value {
    let releases = ran.results["releases"].as_array().expect("releases");
    let found = releases.iter().find(|one| one["what"].as_str().is_some_and(|name| name.contains(what)));
    &found.unwrap_or_else(|| panic!("{what} in {releases:?}"))["skew_ms"]
}

/// The first connection isn't read for a while, and its body is larger than what the kernel keeps: the
/// other copies, all but their last byte long since there, wait for it.
#[test]
fn a_last_byte_waits_until_the_slowest_copy_is_that_far() {
    const PAUSE: Duration = Duration::from_millis(400);
    let service = Service::start_slow(PAUSE, |_| answer(200, "fine"));
    let folder = tempfile::tempdir().expect("a folder");
    support::file(folder.path(), "large.txt", &"x".repeat(16 << 20));
    let steps = "- http: POST /hook\n  body: {file: large.txt}\n  deliver: {copies: 3}";
    let url = service.url();
    let path = Scenario { url: &url, steps, ..Scenario::default() }.write(folder.path());
    let ran = run_file(&Program::new(), &path, &[]);
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    let held: Vec<Duration> = seen.iter().filter(|one| one.connection > 1).map(Seen::held).collect();
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|held| *held > PAUSE / 4), "{held:?}");
    expect_together(&seen);
}

#[test]
fn copies_with_ids_of_their_own_and_bodies_without_a_byte_to_hold() {
    let service = Service::start(|_| answer(200, "fine"));
    let steps = r#"
        - http: POST /hook
          body: {json: {id: "{{ fake.id('evt') }}"}}
          deliver: {copies: 5, same_event_id: false}
        - http: GET /poll
          deliver: {copies: 3}
        - http: POST /one
          body: x
          deliver: {copies: 3}
    "#;
    let ran = run(&service, steps, ONCE);
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    let bodies: BTreeSet<_> = seen[..5].iter().map(|one| &one.body).collect();
    assert_eq!(bodies.len(), 5);
    let paths: Vec<&str> = seen[5..].iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/poll", "/poll", "/poll", "/one", "/one", "/one"]);
    expect_together(&seen[8..]);
}

#[test]
fn bodies_start_in_the_order_that_is_asked_for() {
    let sent = |deliver: &str| -> Vec<String> {
        let service = Service::start(|_| answer(200, ""));
        let bodies = "[{json: 1}, {json: 2}, {json: 3}, {json: 4}, {json: 5}, {json: 6}]";
        // Far enough apart for a busy machine to keep them apart.
        let steps = format!("- http: POST /\n  bodies: {bodies}\n  deliver: {{{deliver}, spread: 1200ms}}");
        assert_eq!(run(&service, &steps, ONCE).outcomes(), "ok 1");
        let seen = service.seen();
        assert!(spread(&seen) >= Duration::from_millis(1000), "{deliver}: {:?}", spread(&seen));
        seen.iter().map(|one| one.text().to_owned()).collect()
    };
    assert_eq!(sent("order: as_listed"), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(sent("order: reverse"), ["6", "5", "4", "3", "2", "1"]);
    let shuffled = sent("order: shuffle");
    assert_eq!(shuffled, sent("order: shuffle"), "from the seed");
    assert!(!shuffled.is_sorted(), "{shuffled:?}");
}

#[test]
fn every_answer_is_there_to_be_looked_at() {
    let service =
        Service::start(|seen| answer(if seen.connection == 1 { 201 } else { 200 }, r#"{"fresh": 1}"#));
    let steps = r#"
        - http: POST /hook
          body: x
          deliver: {copies: 3}
        - check: answers | map(attribute='status') | sum == 601 and answers | length == 3
        - check: answers[0].json.fresh == 1
    "#;
    let ran = run(&service, steps, ONCE);
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    // A duplicate that isn't acknowledged counts, whatever the others got.
    let service = Service::start(|seen| answer(if seen.connection == 2 { 409 } else { 200 }, ""));
    let steps = "- http: POST /hook\n  body: x\n  deliver: {copies: 3}\n  assert: status == 200";
    let ran = run(&service, steps, ONCE);
    assert_eq!((ran.outcomes().as_str(), ran.error().0.as_str()), ("failed 1", "http_409"));
    assert_eq!(ran.number("totals/requests/statuses/200"), 2.0);
}

#[test]
fn redelivery_sends_the_same_bytes_with_a_new_signature_after_growing_pauses() {
    let count = AtomicUsize::new(0);
    let service = Service::start(move |_| match count.fetch_add(1, Ordering::AcqRel) {
        0 => answer(503, ""),
        1 => Reply::Silence,
        2 => answer(500, ""),
        _ => answer(200, ""),
    });
    let steps = r#"
        - http: POST /hook
          timeout: 300ms
          body: {json: {id: "{{ fake.id('evt') }}"}}
          sign: {scheme: stripe, secret: whsec_test}
          deliver: {redeliver_on: [http_5xx, timeout], redelivery_delay: 400ms}
          assert: status == 200
    "#;
    let ran = run(&service, steps, ONCE);
    assert_eq!(ran.outcomes(), "recovered 1", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|one| one.body == seen[0].body), "the same event");
    let pauses: Vec<Duration> = seen.windows(2).map(|two| two[1].complete - two[0].complete).collect();
    for (pause, least) in pauses.iter().zip([400, 300 + 800, 1600]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    let signatures: BTreeSet<&str> = seen.iter().map(|one| one.header("stripe-signature")).collect();
    assert!(signatures.len() >= 3, "signed anew in later seconds: {signatures:?}");
    assert_eq!((ran.number("totals/requests/sent"), ran.number("totals/requests/resent")), (4.0, 3.0));

    let service = Service::start(|_| answer(503, ""));
    let steps = "- http: POST /\n  body: x\n  deliver: {redeliver_on: http_5xx, max_redeliveries: 2, redelivery_delay: 1ms}";
    let ran = run(&service, steps, "concurrency: 1, iterations: 2");
    assert_eq!((ran.outcomes().as_str(), service.seen().len()), ("exhausted 2", 6));
    let steps = "- http: POST /\n  body: x\n  deliver: {redeliver_on: [timeout], redelivery_delay: 1ms}";
    assert_eq!(run(&service, steps, ONCE).outcomes(), "failed 1", "another cause isn't sent again");
}

/// As Stripe does it: a redirect isn't an acknowledgement.
#[test]
fn whatever_isnt_2xx_is_delivered_again() {
    let count = AtomicUsize::new(0);
    let service = Service::start(move |_| match count.fetch_add(1, Ordering::AcqRel) {
        0 => answer(302, ""),
        1 => answer(404, ""),
        _ => answer(204, ""),
    });
    let steps = "- http: POST /\n  body: x\n  deliver: {redeliver_on: not_2xx, redelivery_delay: 1ms}";
    let ran = run(&service, steps, ONCE);
    assert_eq!((ran.outcomes().as_str(), service.seen().len()), ("recovered 1", 3));
}

#[test]
fn all_workers_are_released_together() {
    let service = Service::start(|_| answer(200, ""));
    let ran = run(&service, "- http: GET /", "concurrency: 20, iterations: 20, release: together");
    assert_eq!(ran.outcomes(), "ok 20");
    expect_together(&service.seen());
    assert_eq!(skew(&ran, "start")["count"], 20);
}

#[test]
fn a_barrier_opens_again_and_again_and_holds_last_bytes() {
    let service = Service::start(|_| answer(200, ""));
    // Workers of different pace meet in every round.
    let steps = r#"
        - sleep: 5ms
        - if: worker == 0
          then: [{sleep: 300ms}]
        - http: POST /hook
          body: "round {{ iteration }}"
          barrier: {name: at_once, parties: 4}
          assert: status == 200
    "#;
    let ran = run(&service, steps, "concurrency: 4, iterations: 12");
    assert_eq!(ran.outcomes(), "ok 12", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    for round in 0..3 {
        let text = format!("round {round}");
        let these: Vec<Seen> = seen.iter().filter(|one| one.text() == text).cloned().collect();
        assert_eq!(these.len(), 4);
        let held = these.iter().filter(|one| one.held() > Duration::from_millis(20)).count();
        assert!(held >= 3, "all but the late one waited: {these:?}");
        expect_together(&these);
    }
    assert_eq!(skew(&ran, "barrier at_once")["count"], 12);
}

#[test]
fn a_barrier_to_which_too_few_come() {
    let service = Service::start(|_| answer(200, ""));
    let steps = r#"
        - if: worker > 0
          then:
            - barrier: {name: b, parties: 3, timeout: 150ms}
          else:
            - sleep: 400ms
        - http: GET /
    "#;
    let ran = run(&service, steps, "concurrency: 3, iterations: 3");
    // The second one is skipped when it learns in time that the first one has given up.
    let given_up = ["ok 1, timeout 2", "ok 1, timeout 1, skipped 1"];
    assert!(given_up.contains(&ran.outcomes().as_str()), "{}", ran.outcomes());
    assert_eq!(ran.error(), ("timeout".into(), "fewer than 3 workers came in time".into()));
    // Held requests aren't sent to their end either.
    let steps = r#"
        - if: worker > 0
          then: [{http: POST /held, body: abc, barrier: {name: b, parties: 3, timeout: 150ms}}]
          else: [{sleep: 400ms}]
    "#;
    let ran = run(&service, steps, "concurrency: 3, iterations: 3");
    assert!(given_up.contains(&ran.outcomes().as_str()), "{}", ran.outcomes());
    assert_eq!(service.seen().iter().filter(|one| one.path == "/held").count(), 0);
}

#[test]
fn at_the_end_of_a_run_nobody_waits_for_those_who_are_gone() {
    let service = Service::start(|_| answer(200, ""));
    let begun = Instant::now();
    // Two workers have a third operation, and the barrier takes four.
    let ran = run(&service, "- barrier: {name: b}\n- http: GET /", "concurrency: 4, iterations: 10");
    assert_eq!((ran.outcomes().as_str(), service.seen().len()), ("ok 8, skipped 2", 8));
    assert!(begun.elapsed() < Duration::from_secs(10), "the barrier's time-out is 30 seconds");
}

#[test]
fn mistakes_are_found_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for (steps, message) in [
        ("- barrier: {name: b, parties: 5}", "waits for 5 workers, but there are only 2"),
        (
            "- barrier: {name: b, parties: 2}\n- barrier: {name: b, parties: 1}",
            "declared twice with different `parties`",
        ),
        (
            "- barrier: {name: b, timeout: 1s}\n- barrier: {name: b, timeout: 2s}",
            "declared twice with different `timeout`",
        ),
        ("- http: POST /\n  deliver: {copies: 0}", "`copies` must be a whole number from 1"),
        ("- http: POST /\n  deliver: {redeliver_on: [nothing]}", "nothing"),
        ("- gate: {lock: SELECT 1 FOR UPDATE, until: {blocked: 1}}", "a gate locks in a database"),
    ] {
        let path = Scenario {
            url: "http://127.0.0.1:9",
            steps,
            load: "concurrency: 2, iterations: 2",
            ..Scenario::default()
        }
        .write(folder.path());
        let ended = Program::new().run(&["check", support::text(&path)]).expect_status(2);
        ended.expect_stderr(message);
    }
}

/// An application that knows nothing of us: it locks the row, looks, and writes, on a connection for
/// each request.
fn application(url: String) -> Service {
    Service::start(move |_| {
        use sqlx::{Connection, Executor};
        let withdraw = async {
            let mut connection = sqlx::PgConnection::connect(&url).await?;
            let mut transaction = connection.begin().await?;
            transaction.execute("UPDATE accounts SET balance = balance - 1 WHERE id = 1").await?;
            transaction.commit().await?;
            connection.close().await
        };
        match support::block_on(withdraw) {
            Ok(()) => answer(200, ""),
            Err(error) => answer(500, error.to_string()),
        }
    })
}

const GATE: &str = r#"
version: 1
name: gate
targets:
  db: {database: "${DATABASE_URL}"}
  api: {http: "${APPLICATION}", database: db}
operations:
  withdraw:
    steps:
      - gate:
          lock: SELECT id FROM accounts WHERE id = 1 FOR UPDATE
          until: {blocked: BLOCKED}
          timeout: 1500ms
        steps:
          - http: POST /withdraw
            body: x
            deliver: {copies: 2}
            assert: status == 200
load: {concurrency: 1, iterations: 3}
"#;

#[test]
fn a_gate_lets_go_when_enough_sessions_wait_for_its_lock() {
    let database = server(&[], 40);
    sql(
        &database,
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int); INSERT INTO accounts VALUES (1, 100)",
    );
    let url = database.url();
    let application = application(url.clone());
    let program = Program::new().with("DATABASE_URL", &url).with("APPLICATION", &application.url());
    let folder = tempfile::tempdir().expect("a folder");
    let path = support::file(folder.path(), "gate.yaml", &GATE.replace("BLOCKED", "2"));
    let ran = run_file(&program, &path, &[]);
    assert_eq!(ran.outcomes(), "ok 3", "{:#}", ran.results["errors"]);
    let gate = &ran.results["gates"][0];
    assert_eq!((gate["opened"].as_u64(), gate["timed_out"].as_u64()), (Some(3), Some(0)), "{gate}");
    assert_eq!(
        value(&database, "SELECT balance FROM accounts"),
        "94",
        "the gate's own transaction changes nothing"
    );

    // One too many: it lets go all the same, and says so.
    let path = support::file(
        folder.path(),
        "gate.yaml",
        &GATE.replace("BLOCKED", "3").replace("iterations: 3", "iterations: 1"),
    );
    let ran = run_file(&program, &path, &[]);
    assert_eq!(ran.outcomes(), "timeout 1");
    assert!(
        ran.error().1.starts_with("only 2 of 3 sessions waited for the lock within 1.5"),
        "{}",
        ran.error().1
    );
    assert_eq!(value(&database, "SELECT balance FROM accounts"), "92");
}
