//! Specifications that are printed and read again, mistakes as they are shown, and hostile input.

use std::time::{Duration, Instant};

use proptest::{collection::vec, option, prelude::*};

use super::{check::check, convert::convert, parser::parse, specification::*};
use crate::scenario::{LoadOptions, OneOrMany, Problems, RaceAction, Spanned, SqlText, load_str};

/// A specification as somebody could have written it.
fn print(specification: &Specification) -> String {
    let mut text = String::new();
    let comments =
        |comments: &Comments| comments.iter().map(|line| format!("#{line}\n")).collect::<String>();
    let name = |name: &Spanned<String>| format!("\"{}\"", name.replace('"', "\"\""));
    let block = |keyword: &str, block: &Block| {
        format!("{}{keyword} {{ {} }}\n", comments(&block.comments), block.sql)
    };
    text.extend(specification.setups.iter().map(|setup| block("setup", setup)));
    text.extend(specification.teardown.iter().map(|teardown| block("teardown", teardown)));
    for session in &specification.sessions {
        text.push_str(&format!("{}session {}\n", comments(&session.comments), name(&session.name)));
        text.extend(session.setup.iter().map(|setup| block("setup", setup)));
        for step in &session.steps {
            let comments = comments(&step.comments);
            text.push_str(&format!("{comments}step {} {{{}}}\n", name(&step.name), step.sql.value));
        }
        text.extend(session.teardown.iter().map(|teardown| block("teardown", teardown)));
    }
    for permutation in &specification.permutations {
        text.push_str(&format!("{}permutation", comments(&permutation.comments)));
        for step in &permutation.steps {
            let markers: Vec<String> = step
                .markers
                .iter()
                .map(|marker| match marker {
                    Marker::Once => "*".to_owned(),
                    Marker::Step(step) => name(step),
                    Marker::Notices(step, count) => format!("{} notices {count}", name(step)),
                })
                .collect();
            let markers =
                if markers.is_empty() { String::new() } else { format!("({})", markers.join(",")) };
            text.push_str(&format!(" {}{markers}", name(&step.name)));
        }
        text.push('\n');
    }
    text + &comments(&specification.closing)
}

fn spanned(text: String) -> Spanned<String> {
    Spanned::new(text, 0..0)
}

fn names() -> impl Strategy<Value = Spanned<String>> {
    prop_oneof!["[a-z][a-z0-9]{0,3}", "[ -~é\t\r]{0,6}", Just("session".to_owned())].prop_map(spanned)
}

fn comments() -> impl Strategy<Value = Comments> {
    vec("([ -~é]{0,8}[!-~])?", 0..3)
}

fn sql() -> impl Strategy<Value = Spanned<String>> {
    let trimmed = |text: String| text.trim_matches(super::lexer::is_blank).to_owned();
    "([ -|~é\t\r\n\u{b}\u{c}]|\n[ \t]*){0,12}".prop_map(move |text| spanned(trimmed(text)))
}

fn blocks() -> impl Strategy<Value = Block> {
    (comments(), sql()).prop_map(|(comments, sql)| Block { comments, sql })
}

fn sessions() -> impl Strategy<Value = Session> {
    let step = (comments(), names(), sql()).prop_map(|(comments, name, sql)| Step { comments, name, sql });
    (comments(), names(), option::of(blocks()), vec(step, 1..4), option::of(blocks())).prop_map(
        |(comments, name, setup, steps, teardown)| Session { comments, name, setup, steps, teardown },
    )
}

fn permutations() -> impl Strategy<Value = Permutation> {
    let marker = prop_oneof![
        Just(Marker::Once),
        names().prop_map(Marker::Step),
        (names(), any::<u32>()).prop_map(|(name, count)| Marker::Notices(name, count)),
    ];
    let step = (names(), vec(marker, 0..3)).prop_map(|(name, markers)| PermutationStep { name, markers });
    (comments(), vec(step, 1..5)).prop_map(|(comments, steps)| Permutation { comments, steps })
}

fn specifications(fewest: usize) -> impl Strategy<Value = Specification> {
    (
        vec(blocks(), 0..3),
        option::of(blocks()),
        vec(sessions(), fewest..4),
        vec(permutations(), 0..3),
        comments(),
    )
        .prop_map(|(setups, teardown, sessions, permutations, closing)| Specification {
            setups,
            teardown,
            sessions,
            permutations,
            closing,
        })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(specification in specifications(1)) {
        let text = print(&specification);
        let (read, problems) = parse(&text);
        prop_assert!(problems.is_empty(), "{problems:?} in\n{text}");
        prop_assert_eq!(read, specification, "{}", text);
    }
}

/// A specification that a race can be made of: names of their own, and SQL in every step.
fn fit(mut specification: Specification) -> Specification {
    let mut count = 0;
    for session in &mut specification.sessions {
        count += 1;
        session.name.value = format!("{}{count}", session.name.value.replace('\r', ""));
        for step in &mut session.steps {
            count += 1;
            step.name.value =
                format!("a{}{count}", step.name.value.replace(['"', '(', ')', ',', '\t', '\r'], ""));
            step.sql.value = step.sql.value.replace("{{", "").replace("{%", "").replace("@{", "") + "x";
        }
    }
    specification
}

proptest! {
    #[test]
    fn a_scenario_has_the_words_of_its_specification(specification in specifications(2)) {
        let specification = Specification { permutations: Vec::new(), ..fit(specification) };
        let mut problems = Vec::new();
        let text = convert(specification.clone(), "a.spec", "a: [b", &mut problems);
        prop_assert!(problems.is_empty(), "{problems:?}");
        let options = LoadOptions { environment: &|_| Some("embedded".to_owned()), vars: &[], targets: &[], profile: None };
        let loaded = load_str(std::path::Path::new("a.yaml"), &text, &options);
        let loaded = loaded.map_err(|problems| TestCaseError::fail(problems.render_own(false) + &text))?;
        prop_assert!(loaded.problems.is_empty(), "{}{}", loaded.problems.render(&loaded.source, false), text);
        let race = &loaded.file.races["a: [b"];
        for (session, made) in specification.sessions.iter().zip(&race.sessions) {
            prop_assert_eq!(&session.name, made.0);
            let parts = &made.1.0;
            let steps = parts.steps.as_ref().expect("steps");
            for (step, made) in session.steps.iter().zip(steps) {
                let RaceAction::Step(made) = &made.action else { panic!("{made:?} is a word") };
                prop_assert_eq!(Some(&step.name), made.name.as_ref(), "{}", text);
                prop_assert_eq!(Some(&SqlText::Same(step.sql.clone())), made.sql.as_ref(), "{}", text);
            }
            prop_assert_eq!(words(session.setup.as_slice()), words_of(&parts.setup), "{}", text);
            prop_assert_eq!(words(session.teardown.as_slice()), words_of(&parts.teardown), "{}", text);
        }
        prop_assert_eq!(words(&specification.setups), words_of(&race.setup), "{}", text);
    }
}

/// Scripts but for the blanks and empty lines that they may lose.
fn words(blocks: &[Block]) -> Vec<Vec<String>> {
    blocks.iter().map(|block| lines(&block.sql)).collect()
}

fn words_of(scripts: &Option<OneOrMany<Spanned<String>>>) -> Vec<Vec<String>> {
    scripts.iter().flatten().map(|script| lines(script)).collect()
}

fn lines(script: &str) -> Vec<String> {
    let line = |line: &str| line.trim_start_matches([' ', '\t']).to_owned();
    script.split('\n').map(line).filter(|line| !line.is_empty()).collect()
}

/// All that is said about a text.
fn said(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.spec");
    std::fs::write(&path, text).expect("written");
    let said = match super::import(&path) {
        Ok(imported) => imported.warnings.render_own(false),
        Err(problems) => problems.render_own(false),
    };
    said.replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn mistakes_of_the_grammar_are_shown_where_they_stand() {
    let text = "setup { x }\nsetup BEGIN\nteardown { y }\nteardown { z }\nsetup { late }\nstep lost { x }\n\
                session\nsession \"two\" setup { a } setup { b }\nstep setup { c }\nstep a - { d }\n\
                setup { e }\nteardown { f }\nstep b { g }\npermutation a(b notices) b(*, ) c(\n\
                permutation\nnotices session late step x { y }\n";
    insta::assert_snapshot!(said(text));
}

#[test]
fn mistakes_of_names_are_shown_where_they_stand() {
    let text = "session one\nstep read { x }\nstep write { x }\nsession two\nstep read { y }\nstep other { y }\n\
                step idle { z }\npermutation raed write(nobody) other(write, idle, *)\n\
                permutation write(read) other(write notices 3)\n";
    insta::assert_snapshot!(said(text));
}

#[test]
fn what_a_race_cannot_do_is_shown_where_it_stands() {
    let text = "setup { SELECT '{{', '@{', '{%'; }\nsession one\nstep \"\" { x }\nstep b {}\n\
                session one\nstep \"a\"\"b\" { \n  SELECT '{{' }\n";
    insta::assert_snapshot!(said(text));
}

#[test]
fn unfinished_files_are_told_what_they_lack() {
    let texts = [
        "# nothing\n",
        "setup { x }",
        "session a",
        "session a step b { x",
        "session a step \"b\n{ x }",
        "session a\nstep b { x }\npermutation",
        "session a\nstep b { x }\npermutation b(b notices 99999999999)",
        "session a\nstep b { x }\n}\nstep c { y }",
    ];
    insta::assert_snapshot!(texts.map(said).join("\n"));
}

#[test]
fn hostile_texts_are_answered_soon() {
    let steps: String = (0..20_000).map(|n| format!("step s{n} {{x}}\n")).collect();
    let unknown: String = (0..40_000).map(|n| format!(" u{n}")).collect();
    let markers: String = (0..20_000).map(|n| format!(" a(b{n})")).collect();
    let texts = [
        "{".repeat(500_000),
        "(".repeat(500_000),
        "\"".repeat(500_001),
        "}".repeat(300_000),
        "#\n".repeat(500_000),
        "step ".repeat(200_000),
        format!("session a step a {{{}}}", "{{\n".repeat(300_000)),
        format!("session a {steps} permutation {unknown}"),
        format!("session a step a {{x}} session b step b {{x}} permutation {markers}"),
        format!("session a step a {{x}} permutation {}", "a ".repeat(300_000)),
    ];
    for text in texts {
        let begun = Instant::now();
        let (specification, mut problems) = parse(&text);
        check(&specification, &mut problems);
        let said = Problems::from(problems).render_own(false);
        assert!(said.len() < 100_000, "{} bytes said", said.len());
        // Generous for a debug build on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(10), "{:.40} took {:?}", text, begun.elapsed());
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = Vec::new();
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    for bytes in [&b"session a\0"[..], b"session caf\xE9 step a {}", b"", b" \n", &large] {
        let path = folder.path().join("bytes.spec");
        std::fs::write(&path, bytes).expect("written");
        let problems = super::import(&path).expect_err("it is no specification");
        all.push(problems.render_own(false));
    }
    std::fs::write(folder.path().join("other.spec"), "").expect("written");
    all.push(
        super::import(&folder.path().join("othr.spec")).expect_err("it isn't there").render_own(false),
    );
    all.push(super::import(folder.path()).expect_err("it is a folder").render_own(false));
    insta::assert_snapshot!(all.join("").replace(&folder.path().display().to_string(), "DIR"));
}
