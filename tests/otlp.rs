//! `run --otlp`: what a collector gets while the load runs, read by the protocol's own package for Python.

mod support;

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use support::{
    Ended, Program, counting, file,
    http::{Reply, Seen, Service, answer},
    python, text,
};

fn scenario(folder: &Path) -> PathBuf {
    counting(folder, "counting", "", "iterations: 100")
}

fn run(program: &Program, url: &str) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    program.run(&["run", text(&scenario(folder.path())), "--otlp", url])
}

/// A message as the package reads it.
fn read(message: &[u8]) -> String {
    let mut command = python();
    command
        .arg("tests/support/otlp.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(message).expect("written");
    Ended::of_started(child).expect_status(0).stdout
}

/// A value of a message.
fn value(read: &str, name: &str) -> f64 {
    let found = read.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("{name}:\n{read}"))
}

#[test]
fn a_collector_gets_what_is_counted_and_at_the_end_all_of_it() {
    let collector = Service::start(|_| answer(200, ""));
    let program = Program::new()
        .with("OTEL_METRIC_EXPORT_INTERVAL", "50")
        .with("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop%20one,authorization=Bearer geheim");
    run(&program, &format!("{}/base/", collector.url())).expect_status(0);
    let seen = collector.seen();
    assert!(seen.len() > 3, "one each 50 ms: {}", seen.len());
    for request in &seen {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/base/v1/metrics"));
        assert_eq!(request.header("content-type"), "application/x-protobuf");
        assert_eq!(request.header("x-tenant"), "shop one");
        assert_eq!(request.header("authorization"), "Bearer geheim");
    }
    assert!(seen[0].body.is_empty(), "before the load, to know whether it would be taken");
    assert_eq!(collector.connections(), 1, "kept open");
    let (first, last) = (read(&seen[1].body), read(&seen.last().expect("some").body));
    let resource = |read: &str| read.lines().next().map(str::to_owned);
    assert!(resource(&first).is_some_and(|line| line.contains("service.name=deadheat")), "{first}");
    assert_eq!(resource(&first), resource(&last), "one and the same sender");
    let ok = "deadheat.operations{operation=count,outcome=ok,scenario=counting}";
    assert!(value(&first, ok) < 100.0, "{first}");
    assert_eq!(value(&last, ok) + value(&last, &ok.replace("=ok", "=recovered")), 100.0);
    let of = |name: &str| value(&last, &format!("deadheat.{name}{{scenario=counting}}"));
    assert_eq!((of("operations_started"), of("operation_duration_count")), (100.0, 100.0));
    assert_eq!(of("operation_duration_below_4ms"), 0.0, "each sleeps for longer");
    assert!(of("operation_duration_sum") >= 0.5 * 0.93);
    assert_eq!((of("operations_in_flight"), of("deadlocks")), (0.0, 0.0));
    let kinds: Vec<&str> = last.lines().filter_map(|line| line.strip_prefix("metric ")).collect();
    insta::assert_snapshot!(kinds.join("\n"));
}

#[test]
fn each_scenario_is_sent_to_its_end() {
    let collector = Service::start(|_| answer(200, ""));
    let folder = tempfile::tempdir().expect("a folder");
    let one = scenario(folder.path());
    let written = std::fs::read_to_string(&one).expect("a scenario");
    let other = file(folder.path(), "other.yaml", &written.replace("name: counting", "name: other"));
    // The pause is ten seconds: what is sent is what a load's end asks for.
    Program::new().run(&["run", text(&one), text(&other), "--otlp", &collector.url()]).expect_status(0);
    let read: Vec<String> = collector.seen().iter().skip(1).map(|request| read(&request.body)).collect();
    for name in ["counting", "other"] {
        let all = format!("deadheat.operations_started{{scenario={name}}} 100\n");
        assert!(read.iter().any(|message| message.contains(&all)), "{name}: {read:?}");
    }
}

#[test]
fn a_collector_that_takes_nothing_is_told_once_and_ends_no_run() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let told = |url: &str, what: &str| {
        let program = Program::new()
            .with("OTEL_METRIC_EXPORT_INTERVAL", "50")
            .with("OTEL_EXPORTER_OTLP_HEADERS", "authorization=geheim");
        let url = url.replace("http://", "http://user:verborgen@");
        let ended = run(&program, &url).expect_status(0);
        let warnings: Vec<&str> =
            ended.stderr.lines().filter(|line| line.starts_with("warning: metrics don't reach ")).collect();
        assert_eq!(warnings.len(), 1, "{}", ended.stderr);
        assert!(
            warnings[0].contains(what) && warnings[0].ends_with("tried again every 50ms"),
            "{warnings:?}"
        );
        assert!(
            !ended.stderr.contains("geheim") && !ended.stderr.contains("verborgen"),
            "{}",
            ended.stderr
        );
    };
    told(&format!("http://{free}"), "Connection refused");
    let closed = Service::start(|_| answer(401, "who are you?"));
    told(&closed.url(), "it answers 401 Unauthorized");
    // Field 1, partial_success: field 1, rejected_data_points: 3; field 2, error_message.
    let partial = Service::start(|_: &Seen| answer(200, b"\x0a\x09\x08\x03\x12\x05too\x1bo".as_slice()));
    told(&partial.url(), "it refused 3 values: tooo");
}

#[test]
fn a_silent_collector_holds_nothing_up_for_long() {
    let collector = Service::start(|_| Reply::Silence);
    let begun = Instant::now();
    let ended = run(&Program::new(), &collector.url()).expect_status(0);
    assert!(ended.stderr.contains("no answer within 5s"), "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_collector_of_this_machine_is_refused() {
    let program = Program::new();
    for url in
        ["127.0.0.1:4318", "", "postgres://127.0.0.1:4318/metrics", "http://127.0.0.1:4318/?key=geheim"]
    {
        let ended = run(&program, url).expect_status(2);
        assert!(!ended.stderr.contains("geheim"), "{}", ended.stderr);
        ended
            .expect_stderr("--otlp: the URL of the service can't be read")
            .expect_stderr("it is like http://127.0.0.1:4318");
    }
    run(&program, "http://192.0.2.1:4318")
        .expect_status(2)
        .expect_stderr("--otlp sends to 192.0.2.1, which is not this machine")
        .expect_stderr("if you mean it: `--allow-host 192.0.2.1`");
    let ended = run(&Program::new().with("OTEL_EXPORTER_OTLP_HEADERS", "geheim"), "http://127.0.0.1:4318");
    assert!(!ended.stderr.contains("geheim"), "{}", ended.stderr);
    ended.expect_status(2).expect_stderr("OTEL_EXPORTER_OTLP_HEADERS: part 1 is no `name=value`");
    run(&Program::new().with("OTEL_METRIC_EXPORT_INTERVAL", "soon"), "http://127.0.0.1:4318")
        .expect_status(2)
        .expect_stderr("OTEL_METRIC_EXPORT_INTERVAL: `soon` is no number of milliseconds above 0");
}
