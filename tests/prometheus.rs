//! `run --prometheus`: scraped while the load runs, read by Prometheus' own parser for Python.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
};

use support::{Ended, Program, Running, counting, python, signal, text, wait_for};

fn scenario(folder: &Path) -> PathBuf {
    let refuse = "  refuse: {steps: [{sleep: 5ms}, {check: 1 == 2}]}\n";
    counting(folder, "counting \"things\"", refuse, "duration: 10m")
}

/// Starts a run, and reads from what it says where its metrics are.
fn start(program: &Program, path: &Path) -> (Running, String) {
    let mut command = program.command(&["run", text(path), "--prometheus", "127.0.0.1:0", "--no-color"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let running = Running(child);
    let url = said
        .by_ref()
        .find_map(|line| line.expect("text").strip_prefix("metrics at ").map(str::to_owned))
        .expect("it says where");
    // What is said later must not fill the pipe.
    std::thread::spawn(move || said.for_each(drop));
    (running, url)
}

/// A page's samples, as the parser reads them: a line `NAME{label=value,…} VALUE` for each.
fn scrape(url: &str) -> String {
    let output = python().args(["tests/support/scrape.py", url]).output().expect("it starts");
    Ended::of(output).expect_status(0).stdout
}

/// The value of a sample.
fn sample(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The whole answer to a request.
fn asked(request: &str, url: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_load_is_scraped_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path());
    let program = Program::new();
    let (mut running, url) = start(&program, &path);
    let ok = r#"deadheat_operations_total{operation="count",outcome="ok",scenario="counting \"things\""}"#;
    let mut first = String::new();
    wait_for("operations", || {
        first = scrape(&url);
        sample(&first, ok).is_some_and(|count| count > 0.0)
    });
    let mut later = String::new();
    wait_for("more of them", || {
        later = scrape(&url);
        sample(&later, ok) > sample(&first, ok)
    });
    let of = |name: &str| {
        sample(&later, &format!("{name}{{scenario=\"counting \\\"things\\\"\"}}"))
            .unwrap_or_else(|| panic!("{name}:\n{later}"))
    };
    let failed =
        r#"deadheat_operations_total{operation="refuse",outcome="failed",scenario="counting \"things\""}"#;
    assert!(sample(&later, failed).is_some_and(|count| count > 0.0), "{later}");
    assert!(of("deadheat_operations_started_total") >= sample(&later, ok).expect("a count"));
    assert!(of("deadheat_operations_in_flight") <= 2.0);
    assert_eq!(of("deadheat_deadlocks_total"), 0.0);
    for name in ["deadheat_retries_total", "deadheat_waiting_sessions"] {
        of(name);
    }
    // No operation is faster than its pause, and none took more than a minute.
    let below = |bound: &str| {
        let name = "deadheat_operation_duration_seconds_bucket";
        sample(&later, &format!("{name}{{le=\"{bound}\",scenario=\"counting \\\"things\\\"\"}}"))
            .expect("a bucket")
    };
    let count = of("deadheat_operation_duration_seconds_count");
    assert_eq!((below("0.004096"), below("67.108864"), below("+Inf")), (0.0, count, count));
    assert!(of("deadheat_operation_duration_seconds_sum") >= count * 0.005 * 0.93);

    signal(running.0.id(), "-INT");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(130), "interrupted");
}

#[test]
fn only_metrics_are_served_and_only_to_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path());
    let program = Program::new();
    let (_running, url) = start(&program, &path);
    let metrics = asked("GET /metrics", &url);
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
    let other = asked("GET /", &url);
    assert!(other.starts_with("HTTP/1.1 404 ") && other.ends_with("metrics are at /metrics\n"), "{other}");
    let written = asked("POST /metrics", &url);
    assert!(written.starts_with("HTTP/1.1 405 ") && written.contains("allow: GET, HEAD\r\n"), "{written}");
}

#[test]
fn an_address_that_others_reach_is_refused_and_one_that_is_taken_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario(folder.path());
    let program = Program::new();
    program
        .run(&["run", text(&path), "--prometheus", "0.0.0.0:9464"])
        .expect_status(2)
        .expect_stderr("--prometheus 0.0.0.0:9464 can be reached from other machines")
        .expect_stderr("use 127.0.0.1:9464, or add `--allow-host 0.0.0.0`");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    program
        .run(&["run", text(&path), "--prometheus", &address])
        .expect_status(3)
        .expect_stderr(&format!("metrics can't be served at {address}: "));
}
