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

/// The texts between quotes of a list in `deny.toml`.
fn listed(text: &str, key: &str) -> Vec<String> {
    let (_, rest) =
        text.split_once(&format!("\n{key} = [")).unwrap_or_else(|| panic!("{key} in deny.toml"));
    let (list, _) = rest.split_once(']').expect("a list that ends");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `cargo deny` and this test ask for the same.
#[test]
fn deny_toml_says_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml");
    assert_eq!(listed(&text, "allow"), LICENCES);
    assert_eq!(listed(&text, "deny"), BANNED);
}

fn bill_of_materials() -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sbom");
    let output = Command::new(script).env("CARGO", env!("CARGO")).output().expect("the script runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_bill_of_materials_is_complete_and_the_same_each_time() {
    let text = bill_of_materials();
    assert!(text == bill_of_materials());
    let bill: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "deadheat");
    let components = bill["components"].as_array().expect("components");
    let named = |name: &str| components.iter().find(|one| one["name"] == name);
    for name in ["sqlx", "hyper", "rustls", "tokio"] {
        let one = named(name).unwrap_or_else(|| panic!("{name} is linked"));
        assert_eq!(one["hashes"][0]["content"].as_str().map(str::len), Some(64), "{one}");
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
    }
    for name in ["insta", "proptest", "axum", "rcgen"] {
        assert!(named(name).is_none(), "{name} is for tests alone");
    }
    let references: std::collections::BTreeSet<&str> =
        components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
    assert_eq!(references.len(), components.len(), "each is there once");
    for one in bill["dependencies"].as_array().expect("dependencies") {
        for needed in one["dependsOn"].as_array().expect("a list") {
            assert!(needed.as_str().is_some_and(|needed| references.contains(needed)), "{needed}");
        }
    }
}

/// What is switched on by default must be wanted: a crate with more than one feature says which.
#[test]
fn no_crate_brings_what_is_not_used() {
    let names: Vec<String> =
        packages().iter().map(|package| package["name"].as_str().expect("a name").to_owned()).collect();
    for unwanted in ["native-tls", "openssl", "hyper-tls", "cookie_store"] {
        assert!(!names.iter().any(|name| name == unwanted), "{unwanted}");
    }
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let tracked = Command::new("git")
        .args(["check-ignore", "--quiet", lock])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("git runs");
    assert_eq!(tracked.code(), Some(1), "Cargo.lock isn't ignored");
    let root =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).expect("the library");
    assert!(root.contains("\n#![forbid(unsafe_code)]\n"));
}
