//! What deadheat is built from: registry, licences, and crates that must not come back.

use std::{collections::BTreeMap, process::Command};

/// Licences that a binary under MIT or Apache-2.0 may be linked with.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates with a better successor, or that bring C along.
const BANNED: &[&str] =
    &["serde_yaml", "serde_yml", "openssl", "openssl-sys", "native-tls", "aws-lc-sys", "cmake"];

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo answers in JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// True when one alternative of an SPDX expression needs only licences of the list.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let known = |licence: &str| LICENCES.contains(&licence.trim().trim_matches(['(', ')']));
    // Brackets only ever group alternatives of one term here.
    let terms = |text: &str| text.split(" AND ").all(|term| term.split(" OR ").any(known));
    expression.split(" OR ").any(known) && !expression.contains(" AND ") || terms(&expression)
}

#[test]
fn every_crate_comes_from_the_registry_under_a_licence_that_fits() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        if name == "deadheat" {
            continue;
        }
        let source = package["source"].as_str().unwrap_or("a path");
        if !source.starts_with("registry+") && !source.starts_with("sparse+") {
            wrong.push(format!("{name} comes from {source}"));
        }
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence) => {}
            licence => wrong.push(format!("{name} is under {licence:?}")),
        }
        if BANNED.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_crate_is_there_more_often_than_it_must_be() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().expect("text").to_owned();
        versions.entry(text("name")).or_default().push(text("version"));
    }
    // Three, because the random numbers of sqlx, proptest and ours are of three ages.
    versions.retain(|name, list| list.len() > 3 && !name.starts_with("windows"));
    assert!(versions.is_empty(), "four versions of one crate: {versions:?}");
}

#[test]
fn licences_are_read_as_spdx_means_them() {
    assert!(is_allowed("MIT OR GPL-3.0"));
    assert!(is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("MIT AND GPL-3.0"));
    assert!(!is_allowed("GPL-3.0"));
}
