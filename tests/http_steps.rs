//! HTTP steps, seen from the service: what is sent, what is made of the answer, over how many
//! connections, and to whom nothing is ever sent.

mod support;

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use support::{
    Program, file,
    http::{
        Reply, Service, answer,
        scenario::{Scenario, run_file},
    },
};

#[test]
fn path_query_and_headers() {
    let service = Service::start(|_| answer(200, ""));
    let steps = r#"
        - let: {id: 7, name: "a b&c"}
        - http: "GET /orders/{{ id }}?kept=1"
          query: {name: "{{ name }}", n: "{{ id + 1 }}"}
          headers: {X-Own: "{{ id }}-x", accept: text/plain}
    "#;
    let url = format!("{}/api/", service.url()).replace("http://", "http://user:p%40ss@");
    let ran = Scenario {
        url: &url,
        target: "headers: {X-All: \"1\", Accept: application/json}",
        steps,
        ..Scenario::default()
    }
    .run();
    assert_eq!(ran.outcomes(), "ok 1");
    let seen = &service.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("GET", "/api/orders/7?kept=1&name=a+b%26c&n=8")
    );
    assert_eq!(seen.header("x-own"), "7-x");
    assert_eq!(seen.header("x-all"), "1");
    assert_eq!(seen.header("accept"), "text/plain", "the step's own counts more");
    assert_eq!(seen.header("host"), format!("127.0.0.1:{}", service.port()));
    assert_eq!(seen.header("authorization"), "Basic dXNlcjpwQHNz", "user:p@ss");
    assert!(seen.header("user-agent").starts_with("deadheat/"));
    assert_eq!(seen.all("content-length"), [""; 0]);
    assert!(!format!("{:#}{}", ran.results, ran.ended.stderr).contains("p%40ss"), "no password is shown");
}

#[test]
fn every_kind_of_body() {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "raw.bin", "as {{ it }} is");
    file(
        folder.path(),
        "templates/own/order.json",
        r#"{"order": {"id": "{{ id }}", "note": "no {{ id }}"}}"#,
    );
    let service = Service::start(|_| answer(200, ""));
    let steps = r#"
        - let: {id: 7}
        - {http: POST /text, body: "plain {{ id }}"}
        - {http: POST /json, body: {json: {id: "{{ id }}", list: [1, "x{{ id }}"], none: null}}}
        - {http: POST /form, body: {form: {a: "{{ id }}", b: "x y&z"}}}
        - {http: POST /file, body: {file: raw.bin}}
        - {http: POST /template, body: {template: own/order.json}}
        - {http: PUT /with, body: {template: own/order.json, with: {id: "{{ 8 }}"}, content_type: application/vnd.x+json}}
        - {http: POST /xml, body: {text: "<a>{{ id }}</a>", content_type: text/xml}}
        - {http: POST /none}
        - {http: DELETE /none}
    "#;
    let url = service.url();
    let path = Scenario { url: &url, steps, ..Scenario::default() }.write(folder.path());
    let ran = run_file(&Program::new(), &path, &[]);
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let seen = service.seen();
    let sent: Vec<(&str, &str, &str)> = seen
        .iter()
        .map(|one| (one.path.as_str(), one.all("content-type").first().copied().unwrap_or(""), one.text()))
        .collect();
    let json = "application/json";
    assert_eq!(
        sent,
        [
            ("/text", "text/plain; charset=utf-8", "plain 7"),
            ("/json", json, r#"{"id":7,"list":[1,"x7"],"none":null}"#),
            ("/form", "application/x-www-form-urlencoded", "a=7&b=x+y%26z"),
            ("/file", "application/octet-stream", "as {{ it }} is"),
            ("/template", json, r#"{"order":{"id":7,"note":"no 7"}}"#),
            ("/with", "application/vnd.x+json", r#"{"order":{"id":8,"note":"no 8"}}"#),
            ("/xml", "text/xml", "<a>7</a>"),
            ("/none", "", ""),
            ("/none", "", ""),
        ]
    );
    assert_eq!(seen[7].header("content-length"), "0", "a POST without a body says so");
    assert_eq!(seen[8].all("content-length"), [""; 0]);
}

#[test]
fn what_is_captured_of_an_answer() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/first" => Reply::Answer {
            status: 201,
            headers: vec![("etag", "\"v1\"".into()), ("x-two", "a".into()), ("x-two", "b".into())],
            body: br#"{"id": 7, "items": [{"sku": "a"}, {"sku": "b"}], "deep": {"n": 1.5}}"#.to_vec(),
        },
        _ => answer(200, ""),
    });
    let steps = r#"
        - http: GET /first
          capture:
            code: status
            tag: header ETag
            missing: header X-None
            two: header x-two
            text: body
            all: json
            heads: headers
            id: $.id
            skus: $.items[*].sku
            n: $.deep.n
            nothing: $.nowhere
        - http: GET /first
          capture: whole
        - http: POST /second
          body:
            json:
              code: "{{ code }}"
              tag: "{{ tag }}"
              missing: "{{ missing }}"
              two: "{{ two }}"
              text: "{{ text | length }}"
              all: "{{ all.items[1].sku }}"
              heads: "{{ heads['etag'] }}"
              id: "{{ id }}"
              skus: "{{ skus }}"
              n: "{{ n }}"
              nothing: "{{ nothing }}"
              whole: ["{{ whole.status }}", "{{ whole.json.id }}", "{{ whole.headers.etag }}", "{{ whole.body | length }}"]
    "#;
    let url = service.url();
    let ran = Scenario { url: &url, steps, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let expected = serde_json::json!({
        "code": 201, "tag": "\"v1\"", "missing": null, "two": "a, b", "text": 68, "all": "b",
        "heads": "\"v1\"", "id": 7, "skus": ["a", "b"], "n": 1.5, "nothing": null,
        "whole": [201, 7, "\"v1\"", 68],
    });
    assert_eq!(service.seen()[2].json(), expected);
}

#[test]
fn assertions_say_what_was_expected_and_what_came() {
    let long = format!("{}{}", "x".repeat(500), "the end");
    let service = Service::start(move |seen| match seen.path.as_str() {
        "/long" => answer(200, long.clone()),
        "/lock" => answer(500, "ERROR: deadlock detected"),
        _ => answer(202, r#"{"state": "pending"}"#),
    });
    let url = service.url();
    let run =
        |steps: &str, target: &str| Scenario { url: &url, target, steps, ..Scenario::default() }.run();

    let ran = run("- http: GET /\n  assert: [status == 202, \"json.state == 'done'\"]", "");
    assert_eq!(ran.outcomes(), "assertion 1");
    let message =
        "`json.state == 'done'` doesn't hold: the answer was 202 Accepted: {\"state\": \"pending\"}";
    assert_eq!(ran.error(), (String::new(), message.to_owned()));

    let ran = run("- http: GET /long\n  assert: \"body == 'short'\"", "");
    let message = ran.error().1;
    assert!(message.ends_with(&format!("200 OK: {}… (507 bytes in all)", "x".repeat(200))), "{message}");

    let ran = run("- http: GET /\n  assert: \"json.nothing.at_all == 1\"", "");
    assert_eq!(ran.outcomes(), "assertion 1");
    assert!(ran.error().1.contains("the answer was 202 Accepted"), "{}", ran.error().1);

    let ran = run("- http: GET /lock\n  assert: status == 200", "");
    assert_eq!((ran.outcomes().as_str(), ran.error().0.as_str()), ("failed 1", "http_500"));
    assert!(ran.error().1.contains("`status == 200` doesn't hold"), "{}", ran.error().1);

    let target = "causes: {deadlock: \"status == 500 and body.contains('deadlock')\"}, retries: \"headers['x-retries'] | default(0) | int\"";
    let ran = run("- http: GET /lock\n  assert: status == 200", target);
    assert_eq!((ran.outcomes().as_str(), ran.error().0.as_str()), ("failed 1", "deadlock"));
    assert_eq!(ran.number("totals/requests/deadlock_answers"), 1.0);

    let ran = run("- http: GET /lock\n  assert: status == 500", "");
    assert_eq!(ran.outcomes(), "ok 1", "a status that is asked for is none to complain about");
}

#[test]
fn a_connection_for_each_worker_is_kept() {
    for (target, workers) in [("", 7), ("redirects: 1", 5)] {
        let service = Service::start(|_| {
            // Long enough for the workers to be at it at the same time.
            std::thread::sleep(Duration::from_millis(2));
            answer(200, "fine")
        });
        let load = format!("concurrency: {workers}, iterations: 140");
        let url = service.url();
        let ran = Scenario { url: &url, target, steps: "- http: GET /", load: &load, more: "" }.run();
        assert_eq!(ran.outcomes(), "ok 140");
        assert_eq!(service.connections(), workers, "{target}");
        let used: BTreeSet<usize> = service.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(used.len(), workers);
    }
}

#[test]
fn a_connection_that_the_service_closed_is_replaced_without_a_failure() {
    let service =
        Service::start(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()));
    let url = service.url();
    let steps = "- http: GET /\n- sleep: 20ms";
    let ran =
        Scenario { url: &url, steps, load: "concurrency: 1, iterations: 5", ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 5");
    assert_eq!(service.connections(), 5);
    let closing = Service::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec())
    });
    let url = closing.url();
    let ran = Scenario {
        url: &url,
        steps: "- http: GET /",
        load: "concurrency: 1, iterations: 5",
        ..Scenario::default()
    }
    .run();
    assert_eq!((ran.outcomes().as_str(), closing.connections()), ("ok 5", 5));
}

#[test]
fn over_a_unix_socket() {
    for target in ["", "redirects: 1"] {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("app.sock");
        let service = Service::start_unix(&socket, |seen| answer(200, seen.body.clone()));
        let url = format!("unix:{}", socket.display());
        let steps = "- http: POST /a?b=1\n  body: hello\n  assert: \"body == 'hello'\"";
        let ran = Scenario {
            url: &url,
            target,
            steps,
            load: "concurrency: 2, iterations: 6",
            ..Scenario::default()
        }
        .run();
        assert_eq!(ran.outcomes(), "ok 6", "{:#}", ran.results["errors"]);
        assert_eq!((service.seen()[0].path.as_str(), service.connections()), ("/a?b=1", 2));
        assert_eq!(service.seen()[0].header("host"), "localhost");
    }
}

fn moved(to: String) -> Reply {
    Reply::Answer { status: 302, headers: vec![("location", to)], body: Vec::new() }
}

#[test]
fn redirects_are_followed_only_when_asked_for_and_only_to_the_same_host() {
    let elsewhere = Service::start(|_| answer(200, "stolen"));
    let other = elsewhere.url();
    let other_name = elsewhere.url().replace("127.0.0.1", "localhost");
    let service = Service::start(move |seen| match seen.path.as_str() {
        "/a" => moved("/b".into()),
        "/b" => moved("/c".into()),
        "/twice" => {
            Reply::Answer { status: 307, headers: vec![("location", "/c".into())], body: Vec::new() }
        }
        "/out" => moved(format!("{other}/c")),
        "/name" => moved(format!("{other_name}/c")),
        _ => answer(200, seen.body.clone()),
    });
    let url = service.url();
    let run = |path: &str, target: &str, status: u16| {
        let steps = format!("- http: POST {path}\n  body: kept\n  assert: status == {status}");
        Scenario { url: &url, target, steps: &steps, ..Scenario::default() }.run()
    };
    assert_eq!(run("/a", "", 302).outcomes(), "ok 1", "off by default");
    assert_eq!(run("/a", "redirects: 2", 200).outcomes(), "ok 1");
    let steps = "- http: POST /twice\n  body: kept\n  assert: \"body == 'kept'\"";
    let ran = Scenario { url: &url, target: "redirects: 1", steps, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 1", "a 307 sends the same body again: {:#}", ran.results["errors"]);

    let ran = run("/a", "redirects: 1", 200);
    assert_eq!((ran.outcomes().as_str(), ran.error().0.as_str()), ("failed 1", "redirect"));
    assert!(ran.error().1.contains("there are more than 1 of them"), "{}", ran.error().1);
    for path in ["/out", "/name"] {
        let ran = run(path, "redirects: 5", 200);
        assert_eq!((ran.outcomes().as_str(), ran.error().0.as_str()), ("failed 1", "redirect"));
        assert!(ran.error().1.contains("it leads to another host, http://"), "{}", ran.error().1);
    }
    assert_eq!(elsewhere.connections(), 0, "nothing is sent there");
}

#[test]
fn proxies_of_the_environment_are_ignored_for_this_machine() {
    let proxy = Service::start(|_| answer(502, "the proxy"));
    let service = Service::start(|_| answer(200, "the service"));
    let (proxy_url, url) = (proxy.url(), service.url());
    for target in ["", "redirects: 1"] {
        let mut program = Program::new();
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            program = program.with(name, &proxy_url);
        }
        let steps = "- http: GET /\n  assert: \"body == 'the service'\"";
        let ran = Scenario { url: &url, target, steps, ..Scenario::default() }.run_with(&program, &[]);
        assert_eq!(ran.outcomes(), "ok 1");
    }
    assert_eq!(proxy.connections(), 0);
}

/// Refused by the address, before anything is connected: 192.0.2.1 is nobody's (RFC 5737), and a
/// connection to it would hang until a time-out.
#[test]
fn other_machines_are_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in
        ["http://192.0.2.1", "https://192.0.2.1:8443/api", "http://[2001:db8::1]:80", "http://0.0.0.0:80"]
    {
        let path = Scenario { url, steps: "- http: GET /", ..Scenario::default() }.write(folder.path());
        let begun = std::time::Instant::now();
        let ended = Program::new().run(&["run", "--quiet", path.to_str().expect("text")]).expect_status(3);
        assert!(begun.elapsed() < Duration::from_secs(5), "{url}: it was connected to");
        ended.expect_stderr("is not this machine").expect_stderr("--allow-host");
    }
    // The word is for one host only.
    let path = Scenario { url: "http://192.0.2.1", steps: "- http: GET /", ..Scenario::default() }
        .write(folder.path());
    let arguments = ["run", "--quiet", "--allow-host", "192.0.2.2", path.to_str().expect("text")];
    Program::new().run(&arguments).expect_status(3).expect_stderr("192.0.2.1 is not this machine");
}

/// `--target` takes another service than the file's, under the same rule.
#[test]
fn another_service_by_the_command_line() {
    let service = Service::start(|_| answer(200, ""));
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let url = format!("http://{nobody}");
    let scenario = Scenario { url: &url, steps: "- http: GET /", ..Scenario::default() };
    let ran = scenario.run_with(&Program::new(), &["--target", &format!("api={}", service.url())]);
    assert_eq!(ran.outcomes(), "ok 1");
    let folder = tempfile::tempdir().expect("a folder");
    let path = scenario.write(folder.path());
    let arguments = ["run", "--quiet", "--target", "api=http://192.0.2.1", path.to_str().expect("text")];
    Program::new().run(&arguments).expect_status(3).expect_stderr("192.0.2.1 is not this machine");
}
