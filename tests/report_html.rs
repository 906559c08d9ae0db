//! The HTML report: one file that loads nothing, in which text stays text, looked at by a real
//! browser.

mod support;

use std::time::Instant;

use deadheat::{
    measure::{Recording, TimelineEntry},
    report::{Document, Reported, html},
};
use serde_json::{Value, json};
use support::{browser::Browser, file, hostile, text};

const YESTERDAY: &str = include_str!("data/yesterday.json");
const OLDER: &str = include_str!("data/older.json");

fn document(text: &str) -> Document {
    serde_json::from_str(text).expect("a document of version 1")
}

fn page(document: Document) -> String {
    html(&[Reported::Ran(Box::new(document))]).expect("a page")
}

/// An hour and a million operations of ten kinds, with something in every second.
fn an_hour() -> Document {
    let mut hour = document(YESTERDAY);
    let mut latency = Recording::default();
    for n in 0..1_000_000_u64 {
        latency.record(std::time::Duration::from_micros(100 + n * 7 % 4_000_000));
    }
    let latency = latency.distribution();
    hour.duration_ms = 3_600_000.0;
    hour.totals.started = 1_000_000;
    hour.totals.latency_ms = latency.clone();
    let one = hour.operations[0].clone();
    for n in 0..10 {
        let mut operation = one.clone();
        operation.latency_ms = latency.clone();
        hour.operations.insert(format!("operation_{n}"), operation);
    }
    let entry = |second: u32| TimelineEntry {
        second,
        ended: 278,
        committed: 270,
        retries: 5,
        deadlocks: 3,
        latency_mean_ms: 12.0,
        latency_max_ms: 3_999.0,
        latency_p50_ms: Some(f64::from(second % 97) + 1.0),
        latency_p95_ms: Some(f64::from(second % 89) * 3.0 + 5.0),
        latency_p99_ms: Some(f64::from(second % 83) * 9.0 + 9.0),
        waiting: Some(u64::from(second % 13)),
        lock_wait_ms: Some(f64::from(second % 13) * 40.0),
    };
    hour.timeline = (0..3600).map(entry).collect();
    hour.file_text = Some(include_str!("../scenarios/payments.yaml").to_owned());
    hour
}

#[test]
fn an_hour_of_a_million_operations_is_a_small_page_made_in_a_moment() {
    let text = deadheat::report::json(&an_hour());
    let begun = Instant::now();
    let document = document(&text);
    let read = begun.elapsed();
    let page = page(document);
    let took = begun.elapsed();
    println!(
        "{} bytes of JSON, read in {read:?}, became {} bytes of HTML in {took:?}",
        text.len(),
        page.len()
    );
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    // Without optimization everything takes several times as long, and a busy machine doubles that.
    let most = if cfg!(debug_assertions) { 10.0 } else { 1.0 };
    assert!(took.as_secs_f64() < most, "{took:?}");
}

#[test]
fn nothing_is_loaded_and_no_script_is_there() {
    let page = page(document(YESTERDAY));
    for forbidden in ["<script", "src=", "@import", "url(http", "//", "javascript:", " on"] {
        let found = page.find(forbidden).map(|at| &page[at..(at + 80).min(page.len())]);
        let is_text = forbidden == " on" && found.is_some_and(|found| !found[..12].contains('='));
        assert!(found.is_none() || is_text, "{found:?}");
    }
    for wanted in
        ["default-src 'none'", "lang=\"en\"", "href=\"#content\"", "--seed 3", "prefers-color-scheme: dark"]
    {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn several_runs_and_one_that_could_not_be_made_are_on_one_page() {
    let could_not =
        Reported::CouldNotRun { scenario: "broken.yaml".to_owned(), message: "no <server>".to_owned() };
    let runs = [document(OLDER), document(YESTERDAY)].map(|run| Reported::Ran(Box::new(run)));
    let page = html(&[&runs[..], &[could_not]].concat()).expect("a page");
    assert!(page.contains("<h1>3 scenarios</h1>") && page.contains("id=\"run-2\""));
    assert!(page.contains("<pre>no &lt;server&gt;</pre>"));
}

#[test]
fn a_watched_service_is_shown() {
    let page = page(document(include_str!("data/webhooks.json")));
    for wanted in [
        "<h3>Requests</h3>",
        "<p>6 deadlocks, ",
        "<p>40 sessions (shop), 2,295 transactions seen; of 1,371 the isolation level could be told",
        "<td>SELECT status FROM orders WHERE id = $1 FOR UPDATE</td>",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_document_with_nothing_in_it_is_a_page_too() {
    let (mut results, mut verdict) = document(YESTERDAY).into_parts();
    results = deadheat::measure::RunResults { scenario: results.scenario, ..Default::default() };
    verdict = deadheat::verdict::Verdict { reasons: verdict.reasons, ..Default::default() };
    let page = page(Document::new(results, verdict));
    assert!(page.contains(">inconclusive</span>") && !page.contains("NaN"));
    assert!(page.contains(">Why it is inconclusive</h2>"));
}

/// Colours of texts against what lies behind them: those below 4.5:1 (WCAG 2.2, 1.4.3).
const FAINT: &str = r#"(() => {
  const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || ['TITLE', 'DESC'].includes(e.tagName.toUpperCase())) continue;
    const style = getComputedStyle(e);
    const ink = parse(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.push(e.tagName + ' ' + (e.getAttribute('class') || '') + ' ' + ratio.toFixed(2));
  }
  return [...new Set(faint)];
})()"#;

/// What must hold for whoever can't see the page or has no mouse.
const UNREACHABLE: &str = r#"(() => {
  const wrong = [];
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id is there twice');
  for (const e of document.querySelectorAll('[aria-labelledby]'))
    for (const id of e.getAttribute('aria-labelledby').split(' '))
      if (!document.getElementById(id)?.textContent.trim()) wrong.push('nothing is called ' + id);
  for (const svg of document.querySelectorAll('svg:not([aria-hidden])'))
    if (svg.getAttribute('role') !== 'img' || !svg.querySelector('title') || !svg.querySelector('desc')) wrong.push('a picture without words');
  for (const table of document.querySelectorAll('table'))
    if (!table.querySelector('thead th[scope=col]') || !table.closest('[tabindex="0"][aria-label]')) wrong.push('a table without a head or a name');
  let level = 0;
  for (const h of document.querySelectorAll('h1, h2, h3')) { const now = +h.tagName[1]; if (now > level + 1) wrong.push('a heading skips a level: ' + h.textContent); level = now; }
  return [...new Set(wrong)];
})()"#;

/// Events of a page that did something which it shouldn't.
fn misdeeds<'a>(browser: &'a Browser, own: &str) -> Vec<&'a Value> {
    let is_bad = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
        "Network.requestWillBeSent" => {
            let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
            url != own && !url.starts_with("data:")
        }
        "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => true,
        _ => false,
    };
    browser.events.iter().filter(is_bad).collect()
}

#[test]
fn a_browser_shows_it_in_every_size_and_colour_and_asks_for_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "report.html", &page(an_hour()));
    let url = format!("file://{}", text(&path));
    let mut browser = Browser::start();
    let mut pictures = std::collections::HashSet::new();
    for (width, scheme) in [(360, "light"), (360, "dark"), (1200, "light"), (1200, "dark")] {
        browser.look(width, 800, scheme);
        browser.open(&url);
        assert_eq!(
            browser.evaluate("document.querySelector('h1').textContent"),
            json!("payments-wrong-order")
        );
        assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), json!(width), "it fits");
        let class = if width < 640 { "narrow" } else { "wide" };
        let shown = "[...document.querySelectorAll('.chart svg')].filter(e => e.checkVisibility()).map(e => e.getAttribute('class'))";
        assert_eq!(browser.evaluate(shown), json!([class, class, class]), "each chart once");
        assert_eq!(browser.evaluate(FAINT), json!([]), "{scheme}");
        assert_eq!(browser.evaluate(UNREACHABLE), json!([]));
        let picture = browser.screenshot();
        assert!(picture.len() > 20_000, "a picture of something: {} characters", picture.len());
        assert!(pictures.insert(picture), "{width} {scheme} looks like another one");
        assert_eq!(misdeeds(&browser, &url), Vec::<&Value>::new());
    }
    let printed = browser.call("Page.printToPDF", json!({}));
    assert!(printed["data"].as_str().is_some_and(|data| data.starts_with("JVBERi")), "a PDF");
    browser.call(
        "Input.dispatchKeyEvent",
        json!({"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}),
    );
    assert_eq!(
        browser.evaluate("document.activeElement.className"),
        json!("skip"),
        "the first stop is the skip link"
    );
}

#[test]
fn what_a_person_reads_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "report.html", &page(document(OLDER)));
    let mut browser = Browser::start();
    browser.look(1200, 800, "light");
    browser.open(&format!("file://{}", text(&path)));
    let read = browser.evaluate("document.body.innerText");
    insta::assert_snapshot!("text", read.as_str().expect("text"));
}

#[test]
fn hostile_text_is_text_in_a_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(hostile::document());
    assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{fffe}', '\u{ffff}', '\0', '\u{1b}']));
    let path = file(folder.path(), "report.html", &page);
    let url = format!("file://{}", text(&path));
    let mut browser = Browser::start();
    browser.look(360, 800, "light");
    browser.open(&url);
    let foreign = browser.evaluate("document.querySelectorAll('script, img, iframe, object, h1 ~ h1, [onerror], a:not([href^=\"#\"])').length");
    assert_eq!(foreign, json!(0));
    let clean: Vec<String> = [
        "<script>fetch('",
        "\"><img src=",
        "'-->]]></title></style></svg><h1>",
        "{{ 7*7 }}",
        "&lt;b&gt; &amp;",
    ]
    .map(str::to_owned)
    .into();
    for wanted in clean {
        let found = browser.evaluate(&format!("document.body.textContent.includes({})", json!(wanted)));
        assert_eq!(found, json!(true), "{wanted} can be read");
    }
    assert_eq!(
        browser.evaluate("document.documentElement.scrollWidth"),
        json!(360),
        "long words don't widen it"
    );
    assert_eq!(browser.evaluate(UNREACHABLE), json!([]));
    assert_eq!(misdeeds(&browser, &url), Vec::<&Value>::new());
}

#[test]
fn the_program_writes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.html");
    let program = support::Program::new();
    program.run(&["report", "tests/data/older.json", "--html", text(&path)]).expect_status(0);
    let written = std::fs::read_to_string(&path).expect("written");
    assert_eq!(written, page(document(OLDER)));
    let ended = program.run(&["report", "tests/data/older.json", "--html", "-"]).expect_status(0);
    assert_eq!(ended.stdout, written);
}
