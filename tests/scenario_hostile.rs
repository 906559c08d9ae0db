//! Whatever a file holds: a clear answer, soon, in little memory, and never a panic.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use deadheat::scenario::{LoadOptions, load, load_str};
use proptest::prelude::*;

/// Generous for a debug build on a busy machine; each takes milliseconds.
const SOON: Duration = Duration::from_secs(5);

fn options() -> LoadOptions<'static> {
    LoadOptions { environment: &|_| None, vars: &[], targets: &[], profile: None }
}

/// What is said about a text, which must be soon.
fn said(path: &str, text: &str) -> String {
    let begun = Instant::now();
    let said = match load_str(Path::new(path), text, &options()) {
        Ok(loaded) => loaded.problems.render(&loaded.source, false),
        Err(problems) => problems.render_own(false),
    };
    assert!(begun.elapsed() < SOON, "{path} took {:?}", begun.elapsed());
    assert!(said.len() < 100_000, "{} bytes said", said.len());
    said
}

fn said_of_bytes(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file can be written");
    match load(&path, &options()) {
        Ok(loaded) => loaded.problems.render(&loaded.source, false),
        Err(problems) => problems.render_own(false),
    }
    .replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert!(said("a.yaml", &bomb).contains("more than 20000 values"));
    let many = format!("a: &a {}\nb: [{}]\n", "x".repeat(1000), "*a, ".repeat(15_000));
    said("a.yaml", &many);
    let merges = format!("a: &a {{{}}}\nb: [{}]\n", "k: 1, ".repeat(500), "{<<: *a}, ".repeat(5000));
    said("a.yaml", &merges);
    assert!(said("a.yaml", "a: &a [*a]\n").contains("error"));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "nested deeper than 32 levels";
    assert!(said("a.yaml", &"[".repeat(1_000_000)).contains(deep));
    assert!(said("a.yaml", &"{a: ".repeat(500_000)).contains(deep));
    assert!(said("a.yaml", &format!("a: {}1{}", "[".repeat(33), "]".repeat(33))).contains(deep));
    assert!(said("a.yaml", &"- ".repeat(1_000_000)).contains("error"));
    let stairs: String = (0..1000).map(|level| " ".repeat(level) + "a:\n").collect();
    assert!(said("a.yaml", &stairs).contains(deep));
    assert!(said("a.toml", &format!("a = {}1{}", "[".repeat(40), "]".repeat(40))).contains(deep));
    assert!(said("a.toml", &format!("a = {}", "[".repeat(90_000))).contains(deep));
    assert!(said("a.toml", &format!("[{}]\n", ["a"; 50_000].join("."))).contains("error"));
    let tables: String = (1..60).map(|level| format!("[{}]\n", ["a"; 60][..level].join("."))).collect();
    assert!(said("a.toml", &tables).contains(deep));
}

#[test]
fn as_deep_as_allowed_fits_a_small_stack() {
    let steps = "[{transaction: {steps: ".repeat(9);
    let text = format!("operations: {{a: {{steps: {steps}[{{sql: x}}]{}}}}}", "}}]".repeat(9));
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let said = thread.spawn(move || said("a.yaml", &text)).expect("a thread starts").join();
    assert!(!said.expect("the stack is enough").contains("nested deeper"));
}

#[test]
fn too_many_values_are_refused() {
    let many = "more than 20000 values";
    assert!(said("a.yaml", &"- x\n".repeat(900_000)).contains(many));
    assert!(said("a.toml", &format!("a = [{}]", "1,".repeat(1_900_000))).contains(many));
    assert!(said("a.toml", &format!("a = [{}]", "1,".repeat(30_000))).contains(many));
    let tables: String = (0..30_000).map(|n| format!("[a.b{n}]\n")).collect();
    assert!(said("a.toml", &tables).contains(many));
    let keys: String = (0..15_000).map(|n| format!("key{n}: 1\n")).collect();
    said("a.yaml", &keys);
}

#[test]
fn large_scalars_are_no_trouble() {
    for path in ["a.yaml", "a.toml"] {
        let separator = if path.ends_with("yaml") { ": " } else { " = " };
        let text = format!("name{separator}\"{}\"\nnope{separator}1\n", "x".repeat(4_000_000));
        assert!(said(path, &text).contains("unknown key `nope`"));
        let key = format!("\"{}\"{separator}1\n", "k".repeat(900));
        said(path, &key);
    }
    let references = format!("name: {}", "${A:-${B}} $${ ".repeat(200_000));
    said("a.yaml", &references);
}

#[test]
fn large_files_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("huge.yaml");
    let file = fs::File::create(&path).expect("a file can be made");
    file.set_len(100 * 1024 * 1024 * 1024).expect("a sparse file can be made");
    let begun = Instant::now();
    let problems = load(&path, &options()).expect_err("it is too large");
    assert!(begun.elapsed() < SOON);
    assert!(problems.render_own(false).contains("larger than 4 MB"));
}

#[test]
fn wrong_bytes_are_named() {
    let utf_16: Vec<u8> = "version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [&[0xFF, 0xFE], utf_16.as_slice()].concat();
    let cases: [(&str, &[u8]); 9] = [
        ("marked.yaml", &with_mark),
        ("unmarked.yaml", &utf_16),
        ("latin.yaml", b"version: 1\nname: caf\xE9\n"),
        ("nul.yaml", b"version: 1\nname: a\0b\n"),
        ("empty.yaml", b""),
        ("blank.toml", b"\n  \n"),
        ("mark.yaml", b"\xEF\xBB\xBFversion: 1\nnmae: x\n"),
        ("mark.toml", b"\xEF\xBB\xBFversion = 2\nnmae = 'x'\n"),
        ("note.txt", b"version: 1\n"),
    ];
    let all: Vec<String> = cases.iter().map(|(name, bytes)| said_of_bytes(name, bytes)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn missing_files_and_folders_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("payments.yaml"), "x").expect("a file can be written");
    fs::create_dir(folder.path().join("folder.yaml")).expect("a folder can be made");
    let said = |name: &str| {
        let problems = load(&folder.path().join(name), &options()).expect_err("there is no scenario");
        problems.render_own(false).replace(&folder.path().display().to_string(), "DIR")
    };
    assert!(said("payment.yaml").contains("did you mean `DIR/payments.yaml`?"), "{}", said("payment.yaml"));
    assert!(said("other.yaml").contains("doesn't exist"));
    assert!(said("folder.yaml").contains("is a folder"));
    assert!(said("").contains("is a folder"));
    assert!(load(Path::new("/dev/zero"), &options()).is_err());
}

const FRAGMENTS: [&str; 44] = [
    "version",
    "name",
    "secrets",
    "vars",
    "targets",
    "db",
    "operations",
    "steps",
    "sql",
    "load",
    ": ",
    " = ",
    "\n",
    "\n  ",
    "\n    - ",
    "\n\t",
    "[",
    "]",
    "{",
    "}",
    "{{ x }}",
    "${A",
    "${A:-b}",
    "$${",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "!t ",
    "|\n   ",
    ">-\n  ",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "\\x",
    "#",
    "1",
    "-0x1",
    "1e999",
    "null",
    "é\u{202e}",
    "\r\n",
    "---\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(parts in prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..40)) {
        let text = parts.concat();
        said("a.yaml", &text);
        said("a.toml", &text);
    }

    #[test]
    fn no_characters_panic(text in "\\PC{0,80}") {
        said("a.yaml", &text);
        said("a.toml", &text);
        said("a.yaml", &format!("name: {text}"));
        said("a.yaml", &format!("secrets: {{a: \"{text}\", b"));
    }

    #[test]
    fn no_part_of_a_scalar_panics(text in "[ a-zé'\"\\\\\n|>{}$-]{0,40}", from in 0usize..50, length in 0usize..50) {
        for path in ["a.yaml", "a.toml"] {
            let separator = if path.ends_with("yaml") { ": " } else { " = " };
            let whole = format!("version{separator}1\nname{separator}{text}");
            if let Ok(loaded) = load_str(Path::new(path), &whole, &options()) {
                let name = &loaded.file.name;
                let span = loaded.source.sub_span(&name.span, name, from..from + length);
                prop_assert!(loaded.source.text.get(span.clone()).is_some(), "{:?} of {:?}", span, whole);
                loaded.source.sub_span(&(from..length), name, from..length);
                loaded.source.line_column(from);
            }
        }
    }
}
