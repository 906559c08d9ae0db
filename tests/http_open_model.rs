//! The open model: operations start when the schedule says so, whatever became of the earlier ones,
//! and their latency runs from the moment at which they should have started.

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use support::{
    Program,
    http::{
        Seen, Service, answer,
        scenario::{Ran, Scenario},
    },
    text,
};

fn run(service: &Service, load: &str) -> Ran {
    let url = service.url();
    Scenario { url: &url, steps: "- http: GET /", load, ..Scenario::default() }.run()
}

/// Starts that were planned, begun, begun late, and never begun.
fn arrivals(ran: &Ran) -> [u64; 4] {
    ["planned", "started", "late", "dropped"].map(|name| ran.number(&format!("arrivals/{name}")) as u64)
}

/// The share of requests that came within this time of the first one.
fn share_within(seen: &[Seen], time: Duration) -> f64 {
    let first = seen.iter().map(|one| one.complete).min().expect("one");
    seen.iter().filter(|one| one.complete - first <= time).count() as f64 / seen.len() as f64
}

#[test]
fn a_constant_rate() {
    let service = Service::start(|_| answer(200, ""));
    let ran = run(&service, "concurrency: 20, rate: 100/s, duration: 2s");
    assert_eq!(ran.outcomes(), "ok 200");
    let [planned, started, _, dropped] = arrivals(&ran);
    assert_eq!((planned, started, dropped), (200, 200, 0));
    let half = share_within(&service.seen(), Duration::from_secs(1));
    assert!((0.35..0.65).contains(&half), "half of them in half of the time: {half}");
    assert!(ran.number("duration_ms") > 1900.0);
}

#[test]
fn a_rate_that_rises_and_falls() {
    let service = Service::start(|_| answer(200, ""));
    let stages =
        "stages: [{duration: 1s, rate: 200/s}, {duration: 0s, rate: 100/s}, {duration: 1s, rate: 0/s}]";
    let ran = run(&service, &format!("concurrency: 20, {stages}"));
    assert_eq!(ran.outcomes(), "ok 150", "100 while it rises to 200/s, 50 while it falls from 100/s");
    // A sixth of all comes in the first half of the rise.
    let begin = share_within(&service.seen(), Duration::from_millis(500));
    assert!((0.05..0.35).contains(&begin), "{begin}");
    let rise = share_within(&service.seen(), Duration::from_secs(1));
    assert!((0.5..0.8).contains(&rise), "{rise}");
}

/// Coordinated omission: a closed loop would see one slow request and fifty fast ones.
#[test]
fn a_stall_counts_for_everyone_who_should_have_started_meanwhile() {
    const STALL: Duration = Duration::from_millis(600);
    let count = AtomicUsize::new(0);
    let service = Service::start(move |_| {
        if count.fetch_add(1, Ordering::AcqRel) == 10 {
            std::thread::sleep(STALL);
        }
        answer(200, "")
    });
    let ran = run(&service, "concurrency: 1, rate: 50/s, duration: 1s");
    let [planned, started, late, dropped] = arrivals(&ran);
    assert_eq!((planned, started + dropped), (50, 50));
    assert!(late >= 20, "{late} late");
    // 30 starts fall into the stall; on average they wait for half of it.
    assert!(ran.number("totals/latency_ms/p50") > 60.0, "{:#}", ran.results["totals"]);
    assert!(ran.number("totals/latency_ms/p90") > 400.0, "{:#}", ran.results["totals"]);
    assert!(ran.number("totals/attempt_ms/p90") < 200.0, "the requests themselves were fast");
    assert!(ran.number("totals/attempt_ms/max") > 590.0);
}

#[test]
fn what_could_not_be_started_is_counted_and_told() {
    let service = Service::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        answer(200, "")
    });
    let ran = run(&service, "concurrency: 2, rate: 100/s, duration: 1s");
    let [planned, started, late, dropped] = arrivals(&ran);
    assert_eq!((planned, started + dropped), (100, 100));
    assert!(started <= 24 && dropped >= 76 && late >= 10, "{started} started, {late} late");
    assert_eq!(ran.number("totals/started") as u64, started);
}

#[test]
fn the_warm_up_is_not_measured() {
    let service = Service::start(|_| answer(200, ""));
    let ran = run(&service, "concurrency: 5, rate: 50/s, duration: 1s, warmup: 1s");
    assert_eq!(service.seen().len(), 100);
    assert_eq!(ran.outcomes(), "ok 50");
}

#[test]
fn what_makes_no_sense_is_found_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for (load, message) in [
        ("rate: 10/s", "`rate` without `duration`"),
        ("rate: 10/s, duration: 1s, iterations: 5", "`iterations` with an open load"),
        ("duration: 1s, stages: [{duration: 1s, rate: 5/s}]", "`duration` and `stages` together"),
        ("stages: [{duration: 1s, rate: 0/s}]", "the load starts 0 operations"),
        ("rate: 2000000/s, duration: 1s", "a rate above 1000000/s"),
        ("rate: 10, duration: 1s", "10"),
    ] {
        let load = format!("concurrency: 2, {load}");
        let path = Scenario {
            url: "http://127.0.0.1:9",
            steps: "- http: GET /",
            load: &load,
            ..Scenario::default()
        }
        .write(folder.path());
        Program::new().run(&["check", text(&path)]).expect_status(2).expect_stderr(message);
    }
}
