//! The rooms of `src` use only what DESIGN allows: data flows one way.

use std::{fs, path::Path};

/// Room, and the rooms of ours that it must not import.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("units.rs", &["*"]),
    ("dialect.rs", &["*"]),
    ("outcome.rs", &["*"]),
    ("secrets.rs", &["*"]),
    (
        "isolation",
        &[
            "cli",
            "engine",
            "expression",
            "fixture",
            "import",
            "measure",
            "plan",
            "report",
            "run",
            "scenario",
            "shrink",
            "target",
            "verdict",
        ],
    ),
    (
        "application.rs",
        &[
            "cli",
            "dialect",
            "engine",
            "expression",
            "fixture",
            "measure",
            "plan",
            "report",
            "run",
            "scenario",
            "shrink",
            "target",
            "units",
            "verdict",
        ],
    ),
    (
        "scenario",
        &[
            "cli",
            "engine",
            "expression",
            "fixture",
            "measure",
            "plan",
            "report",
            "run",
            "shrink",
            "target",
            "verdict",
        ],
    ),
    (
        "expression",
        &[
            "cli", "engine", "fixture", "measure", "plan", "report", "run", "shrink", "scenario", "target",
            "verdict",
        ],
    ),
    ("shrink", &["cli", "engine", "expression", "fixture", "plan", "report", "run", "target", "verdict"]),
    ("plan", &["cli", "engine", "fixture", "measure", "report", "run", "shrink", "target", "verdict"]),
    ("target", &["cli", "engine", "fixture", "measure", "report", "run", "shrink", "scenario", "verdict"]),
    ("fixture", &["cli", "engine", "measure", "report", "run", "shrink", "scenario", "verdict"]),
    ("engine", &["cli", "fixture", "report", "run", "shrink", "scenario", "verdict"]),
    (
        "measure",
        &[
            "cli",
            "engine",
            "expression",
            "fixture",
            "report",
            "run",
            "shrink",
            "scenario",
            "target",
            "verdict",
        ],
    ),
    ("history", &["*"]),
    (
        "exporter",
        &[
            "cli",
            "engine",
            "expression",
            "fixture",
            "history",
            "import",
            "isolation",
            "plan",
            "run",
            "scenario",
            "shrink",
            "verdict",
        ],
    ),
    (
        "import",
        &[
            "cli",
            "engine",
            "expression",
            "fixture",
            "measure",
            "plan",
            "report",
            "run",
            "shrink",
            "target",
            "verdict",
        ],
    ),
    ("verdict", &["cli", "engine", "expression", "fixture", "report", "run", "shrink", "target"]),
    ("report", &["cli", "engine", "expression", "fixture", "run", "shrink", "scenario", "target"]),
];

/// Rooms, and the only other rooms that may import them.
const USERS: &[(&str, &[&str])] =
    &[("import", &["cli"]), ("history", &["cli", "report"]), ("exporter", &["cli"])];

/// Crates, and the only rooms that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["history", "target"]),
    ("tokio_postgres", &["target"]),
    ("clap", &["cli"]),
    ("comfy_table", &["report"]),
    ("indicatif", &["report"]),
    ("dialoguer", &["cli"]),
    ("quick_junit", &["report"]),
    ("serde_saphyr", &["scenario"]),
    ("sqlparser", &["plan"]),
    ("petgraph", &["isolation"]),
    ("tokio", &["cli", "engine", "exporter", "history", "run", "target"]),
    ("reqwest", &["target"]),
    ("opentelemetry_proto", &["report"]),
    ("prost", &["report"]),
    ("hyper", &["exporter", "target"]),
    ("hmac", &["target"]),
];

fn rust_files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("scripted_tests.rs")
        {
            into.push(path);
        }
    }
}

/// Names after `crate::`, in plain paths and in `use crate::{…}` groups.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(part.to_owned());
        }
    }
    found
        .iter()
        .map(|name| {
            name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn room(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).expect("below src");
    below.components().next().expect("a first part").as_os_str().to_string_lossy().into_owned()
}

#[test]
fn rooms_import_only_what_lies_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 50, "the walk found the sources");
    let rooms = [
        "cli",
        "engine",
        "exporter",
        "expression",
        "fixture",
        "history",
        "import",
        "isolation",
        "measure",
        "plan",
        "report",
        "run",
        "scenario",
        "shrink",
        "target",
        "verdict",
    ];
    let mut wrong = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("readable");
        let room = room(file, &root);
        let shown = file.strip_prefix(&root).expect("below src").display();
        for (name, forbidden) in FORBIDDEN.iter().filter(|(name, _)| *name == room) {
            for import in imports(&text).iter().filter(|import| rooms.contains(&import.as_str())) {
                if forbidden.contains(&import.as_str()) || forbidden.contains(&"*") {
                    wrong.push(format!("{shown} ({name}) imports {import}"));
                }
            }
        }
        for (name, users) in USERS.iter().filter(|(name, _)| *name != room) {
            if imports(&text).iter().any(|import| import == name) && !users.contains(&room.as_str()) {
                wrong.push(format!("{shown} imports {name}, which is for {}", users.join(", ")));
            }
        }
        for (name, homes) in HOMES {
            if text.contains(&format!("{name}::")) && !homes.contains(&room.as_str()) {
                wrong.push(format!("{shown} names {name}, whose home is {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_seen_in_every_form() {
    let text = "use crate::{measure::{A, B}, plan};\nlet x = crate::target::X;\n// crate::cli\n";
    assert_eq!(imports(text), ["measure", "plan", "target"]);
}
