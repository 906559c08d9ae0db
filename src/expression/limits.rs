//! Tests of what an expression may take: steps, output and depth. A scenario may come from somebody else.

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::{Frame, JsonTemplate, Names, Payloads, RandomStream, Template, Value};

fn frame(payloads: Payloads) -> (Names, Frame) {
    let mut names = Names::default();
    let long = names.declare("long");
    let stream = RandomStream { seed: 7, worker: 0, iteration: 0 };
    let frame = Frame::new(Arc::new(names.clone()), Arc::new(payloads), stream, UNIX_EPOCH);
    frame.store(long, Value::from("x".repeat(1 << 20)));
    (names, frame)
}

/// What is said of a template, which must be soon.
fn said(text: &str) -> String {
    let (names, frame) = frame(Payloads::default());
    let begun = Instant::now();
    let said = match Template::compile(text, &names) {
        Ok(template) => match template.evaluate(&frame) {
            Ok(value) => format!("a value of {} bytes", value.to_string().len()),
            Err(error) => error.message,
        },
        Err(error) => error.to_string(),
    };
    assert!(begun.elapsed() < Duration::from_secs(20), "{text} took {:?}", begun.elapsed());
    said
}

#[test]
fn endless_work_is_ended() {
    let steps = "it takes too many steps";
    assert_eq!(
        said(
            "{{ range(100000) | map('string') | map('upper') | map('lower') | map('title') | map('trim') | map('string') | map('upper') | map('lower') | map('title') | map('trim') | list | length }}"
        ),
        steps
    );
    assert_eq!(said("{{ range(10 ** 9) | list }}"), "range has too many elements");
    assert_eq!(said("{{ ((range(100000) | list) * 1000) | sum }}"), steps);
}

#[test]
fn endless_output_is_ended() {
    for text in [
        "{{ 'x' * 10 ** 9 }}",
        "{{ 'x' * 10 ** 18 }}",
        "{{ 'x' * 90000000 }}",
        "{{ ['x' * 9000] * 9000 | join }}",
        "{{ range(9999) | join(long) }}",
        "{{ 'x' | indent(10 ** 12, true) }}",
        "{{ '%0999999999d' | format(1) }}",
        "{{ '%.999999999f' | format(1.5) }}",
        "{{ long.replace('x', long) }}",
        "{{ long | replace('x', long) }}",
    ] {
        let said = said(text);
        assert!(!said.starts_with("a value"), "{text}: {said}");
    }
    assert_eq!(said(&"{{ long }} ".repeat(20)), "its text is longer than 16 MiB");
    assert_eq!(said("{{ long * 17 }}"), "its text is longer than 16 MiB");
    assert_eq!(said("{{ long * 15 }}"), "a value of 15728640 bytes");
    let (names, frame) = frame(Payloads::default());
    let body = Template::List(
        (0..20).map(|_| Template::compile("{{ long }}", &names).expect("compiles")).collect(),
    );
    let error =
        JsonTemplate::from(body).write(&mut Vec::new(), &mut |expression| expression.evaluate(&frame));
    assert_eq!(error.expect_err("too long").message, "its text is longer than 16 MiB");
}

#[test]
fn endless_depth_is_ended() {
    let many = "this expression can't be read: it has more than 500 operators, filters and attributes";
    let chains = [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("not ", ""),
        ("1 + (", ")"),
        ("1 and ", ""),
        ("1 if 1 else ", ""),
        ("", "[0]"),
        ("", ".a"),
        ("", " | int"),
        ("", " ~ 1"),
    ];
    for (open, close) in chains {
        for times in [501, 100_000] {
            let said = said(&format!("{{{{ {}long{} }}}}", open.repeat(times), close.repeat(times)));
            assert_eq!(said, many, "{times} times {open}{close}");
        }
        // As many as may be fit a thread's stack, whatever is said of them.
        let text = format!("{{{{ {}long{} }}}}", open.repeat(120), close.repeat(120));
        std::thread::spawn(move || said(&text)).join().expect("the stack is enough");
    }
    assert_eq!(
        said(&format!("{{{{ [{}] | length }}}}", "'a.b-c', 1, ".repeat(5_000))),
        "a value of 5 bytes"
    );
    assert!(
        said("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}")
            .contains("blocks aren't part of the language")
    );
}

/// Macros aren't part of the language: payloads are what can call itself.
#[test]
fn a_payload_within_itself_is_ended() {
    let mut payloads = Payloads::default();
    payloads.add("a.json", r#"{"a": "{{ payload('b.json', x=1) }}"}"#).expect("a document");
    payloads
        .add("b.json", r#"{"b": "{{ payload('a.json', x=1) }}", "c": "{{ payload('a.json', x=2) }}"}"#)
        .expect("one");
    let (names, frame) = frame(payloads);
    let template = Template::compile("{{ payload('a.json', x=1) }}", &names).expect("compiles");
    let begun = Instant::now();
    let error = template.evaluate(&frame).expect_err("it has no end");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(error.message.contains("payloads within payloads"), "{error}");
}
