//! A result document in which every text from outside wants to be more than text.

use deadheat::report::{Document, edit_texts};

pub const TEXTS: [&str; 8] = [
    "<script>fetch('http://127.0.0.1:9/script')</script>",
    "\"><img src=http://127.0.0.1:9/img onerror=alert(1)>",
    "'-->]]></title></style></svg><h1>",
    "\u{202e}evil\u{2066}\u{200b}\u{fffe}\u{ffff}\0\u{1b}[2J",
    "a|b`c``d\\|[x](http://127.0.0.1:9/link) @octocat #12",
    "two\r\n::error::lines {{ 7*7 }} {% raw %}",
    "&lt;b&gt; &amp; ${HOME} %0A:,",
    "a-very-long-word-without-any-place-to-break-it-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on",
];

/// Yesterday's run, with each text followed by one of [`TEXTS`] in turn.
pub fn document() -> Document {
    let mut document: Document =
        serde_json::from_str(include_str!("../data/yesterday.json")).expect("a document of version 1");
    document.invariants[0].violated = 3;
    document.invariants[0].failing_rows = 2;
    document.invariants[0].message = Some("message".to_owned());
    document.invariants[0].columns = vec!["a".to_owned(), "b".to_owned()];
    document.invariants[0].rows =
        vec![vec!["1".to_owned(), "2".to_owned()], vec!["3".to_owned(), "4".to_owned()]];
    document.invariants[1].error = Some("error".to_owned());
    document.invariants[0].first_violation_ms = Some(1_500.0);
    document.grades[0].advice = vec!["advice".to_owned()];
    document.thresholds[0].holds = false;
    document.file_text = Some("name: x\n".to_owned());
    let next = std::cell::Cell::new(0);
    edit_texts(&document, &|text| {
        next.set(next.get() + 1);
        format!("{text} {}", TEXTS[next.get() % TEXTS.len()])
    })
}
