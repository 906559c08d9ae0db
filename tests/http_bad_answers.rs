//! Whatever a service does, the request gets a cause of its own and the run goes on or stops as the
//! scenario says: never a panic, never a hang. Over both ways that requests are sent.

mod support;

use std::{
    io::Read,
    net::TcpListener,
    time::{Duration, Instant},
};

use support::{
    Program,
    http::{
        Reply, Service, answer,
        scenario::{Ran, Scenario, run_file},
    },
};

/// Connections of our own, and reqwest's client, which follows redirects.
const WAYS: [&str; 2] = ["", "redirects: 1"];
const STEP: &str = "- http: POST /hook\n  body: {json: {a: 1}}\n  assert: [\"status == 200\"]";

/// Three operations against a service that always does the same, both ways.
#[track_caller]
fn expect(reply: &Reply, steps: &str, outcomes: &str, cause: &str, message: &str) {
    for way in WAYS {
        let fixed = reply.clone();
        let service = Service::start(move |_| fixed.clone());
        let target = format!("timeout: 400ms, largest_answer: 100000, {way}");
        let load = "concurrency: 1, iterations: 3";
        let begun = Instant::now();
        let ran = Scenario { url: &service.url(), target: &target, steps, load, more: "" }.run();
        assert!(begun.elapsed() < Duration::from_secs(20), "{way}: it hangs");
        expect_failure(&ran, outcomes, cause, message);
        assert_eq!(service.seen().len(), 3, "{way}: the run goes on, and nothing is sent twice");
    }
}

#[track_caller]
fn expect_failure(ran: &Ran, outcomes: &str, cause: &str, message: &str) {
    assert_eq!(ran.outcomes(), outcomes, "{:#}", ran.results["errors"]);
    let (told, words) = ran.error();
    assert_eq!(told, cause, "{words}");
    assert!(words.contains(message), "`{message}` isn't in `{words}`");
    assert!(!ran.ended.stderr.contains("panicked"), "{}", ran.ended.stderr);
}

#[test]
fn a_refused_connection() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    for way in WAYS {
        let url = format!("http://127.0.0.1:{port}");
        let load = "concurrency: 2, iterations: 4";
        let ran = Scenario { url: &url, target: way, steps: STEP, load, more: "" }.run();
        expect_failure(&ran, "failed 4", "connection", "Connection refused");
    }
}

#[test]
fn a_reset_before_any_answer_leaves_the_outcome_unknown() {
    for way in WAYS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().expect("a connection");
                // What stays unread makes the kernel send a reset instead of an orderly end.
                stream.read_exact(&mut [0; 10]).expect("ten bytes");
            }
        });
        let load = "concurrency: 1, iterations: 2";
        let ran = Scenario { url: &url, target: way, steps: STEP, load, more: "" }.run();
        expect_failure(&ran, "unknown 2", "reset", "");
        server.join().expect("no panic");
    }
}

#[test]
fn an_end_instead_of_an_answer() {
    expect(&Reply::Bytes(Vec::new()), STEP, "unknown 3", "reset", "connection closed before message");
    let half = b"HTTP/1.1 200 OK\r\ncontent-le";
    expect(&Reply::Bytes(half.to_vec()), STEP, "unknown 3", "reset", "");
}

#[test]
fn an_end_within_the_body() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    expect(&Reply::Bytes(half.to_vec()), STEP, "unknown 3", "reset", "");
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    expect(&Reply::Bytes(chunk.to_vec()), STEP, "unknown 3", "reset", "");
}

#[test]
fn an_answer_that_never_comes_or_never_ends() {
    expect(&Reply::Silence, STEP, "timeout 3", "timeout", "no answer within 400ms");
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless = Reply::Endless(
        head.to_vec(),
        b"1000\r\n".iter().copied().chain([b'x'; 0x1000]).chain(*b"\r\n").collect(),
    );
    expect(&endless, STEP, "failed 3", "too_large", "longer than 100000 bytes");
    let headers = Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-more: and more\r\n".to_vec());
    expect(&headers, STEP, "failed 3", "protocol", "");
}

#[test]
fn an_answer_of_a_hundred_megabytes() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n";
    let huge = Reply::Endless(head.to_vec(), vec![b'x'; 1 << 20]);
    expect(&huge, STEP, "failed 3", "too_large", "longer than 100000 bytes");
}

#[test]
fn what_is_no_http() {
    for broken in [
        "HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: \u{1}\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ] {
        expect(&Reply::Bytes(broken.into()), STEP, "failed 3", "protocol", "");
    }
}

#[test]
fn text_that_is_none() {
    let broken = answer(200, b"{\"name\": \"\xff\"}".to_vec());
    for looked_at in ["body.contains('a')", "json.name == 'a'"] {
        let steps = format!("- http: GET /\n  assert: \"{looked_at}\"");
        expect(&broken, &steps, "failed 3", "encoding", "isn't UTF-8: byte 11 of 13");
    }
    // Bytes that nobody takes for text do no harm.
    let service = Service::start(move |_| broken.clone());
    let steps = "- http: GET /\n  assert: status == 200";
    let ran = Scenario { url: &service.url(), steps, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 1");
}

#[test]
fn a_body_that_is_no_json_after_its_expressions_were_put_in() {
    let service = Service::start(|_| answer(200, "fine"));
    let folder = tempfile::tempdir().expect("a folder");
    let steps = r#"
        - http: POST /
          body:
            content_type: application/json
            text: |
              {
                "name": "{{ 'a "quoted" name' }}",
                "n": 1
              }
    "#;
    let path = Scenario {
        url: &service.url(),
        steps,
        load: "concurrency: 1, iterations: 2",
        ..Scenario::default()
    }
    .write(folder.path());
    let ran = run_file(&Program::new(), &path, &[]);
    let message = "expected `,` or `}` at line 2 column 15: ";
    expect_failure(&ran, "failed 2", "payload", message);
    assert!(ran.error().1.contains(r#""name": "a "quoted" name","#), "{}", ran.error().1);
    assert_eq!(service.seen().len(), 0, "nothing is sent");
}

#[test]
fn values_that_cannot_be_sent() {
    for (steps, message) in [
        (
            "- http: GET /\n  headers: {X-Name: \"{{ 'a\\nb' }}\"}",
            "the value of header x-name has characters",
        ),
        ("- http: \"GET /a{{ ' ' }}b\"", "is no path"),
        (
            "- http: POST /\n  sign: {scheme: standard_webhooks, secret: c2VjcmV0, id: \"{{ 'a\\nb' }}\"}",
            "the value of header webhook-id has characters",
        ),
    ] {
        let service = Service::start(|_| answer(200, ""));
        let ran = Scenario { url: &service.url(), steps, ..Scenario::default() }.run();
        expect_failure(&ran, "failed 1", "value", message);
        assert_eq!(service.seen().len(), 0, "nothing is sent");
    }
}

#[test]
fn abort_on_ends_the_run_at_the_first_such_cause() {
    let service = Service::start(|seen| match seen.connection {
        1 => answer(503, "busy"),
        _ => answer(200, ""),
    });
    let url = service.url();
    let load = "concurrency: 1, iterations: 1000, abort_on: [http_5xx]";
    let ran = Scenario { url: &url, target: "", steps: "- http: GET /", load, more: "" }.run();
    assert_eq!(ran.outcomes(), "failed 1");
    let aborted = ran.results["aborted"].as_str().expect("a reason");
    assert!(aborted.starts_with("http_503 in work, http 1: 503 Service Unavailable: busy"), "{aborted}");
    assert_eq!((ran.results["verdict"].as_str(), ran.ended.status), (Some("fail"), Some(1)));

    let load = "concurrency: 1, iterations: 10, abort_on: [timeout, too_large]";
    let ran = Scenario { url: &url, target: "", steps: "- http: GET /", load, more: "" }.run();
    assert_eq!(ran.outcomes(), "ok 10", "other causes don't");
}

#[test]
fn what_is_wrong_in_the_file_stands_at_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (steps, message, place) in [
        ("- http: FETCH /", "`FETCH` is no method of HTTP", ":7:15"),
        ("- http: GET x", "a path begins with `/`", ":7:15"),
        ("- http: GET /\n  headers: {\"a b\": c}", "`a b` can't be the name of a header", ":8:19"),
        ("- http: GET /\n  headers: {Content-Length: \"3\"}", "is set by deadheat itself", ":8:19"),
        ("- http: GET /\n  capture: {a: \"$.b[\"}", "this JSONPath can't be read", ":8:"),
        ("- http: GET /\n  target: db", "there is no target `db`", ":8:17"),
        ("- http: POST /\n  body: {text: a, json: 1}", "exactly one of", ":8:"),
        (
            "- http: POST /\n  sign: {scheme: custom, secret: a, header: \"a b\"}",
            "`a b` can't be the name of a header",
            ":8:",
        ),
        ("- http: POST /\n  body: {template: stripe/nothing.json}", "no payload template", ":8:"),
    ] {
        let path =
            Scenario { url: "http://127.0.0.1:9", steps, ..Scenario::default() }.write(folder.path());
        let ended = Program::new().run(&["check", path.to_str().expect("text")]).expect_status(2);
        ended.expect_stderr(message).expect_stderr(place);
    }
}
