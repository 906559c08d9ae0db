//! The probe of isolation, by the built program on real servers.

mod support;

use deadheat::target::embedded::ServerKind;
use serde_json::Value;
use support::{Program, json, schemas_of_runs, server_of, text};

const UNCOMMITTED: [&str; 4] = ["g1a", "g1b", "g1c", "incompatible_order"];

/// Probes and returns the result document.
fn probed(arguments: &[&str], status: i32) -> Value {
    let program = Program::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    program.run(&[&["probe", "--quiet", "--json", text(&path)], arguments].concat()).expect_status(status);
    assert_eq!(program.records(), 0, "nothing is left to clean");
    json(&path)
}

fn kinds(probe: &Value) -> Vec<&str> {
    let anomalies = probe["anomalies"].as_array().expect("anomalies");
    anomalies.iter().map(|one| one["kind"].as_str().expect("a kind")).collect()
}

/// Probes of one database, by level.
fn at_levels(database: &str, levels: &str) -> Vec<Value> {
    let document = probed(&["--database", database, "--level", levels, "--seed", "6"], 0);
    let probes = document["probes"].as_array().expect("probes").clone();
    for probe in &probes {
        assert!(probe["overlapped"].as_u64() > Some(100), "{probe}");
        let counted =
            ["committed", "rolled_back", "unknown"].map(|key| probe[key].as_u64().expect("a number"));
        assert_eq!(probe["transactions"].as_u64(), Some(counted.iter().sum()));
        assert_eq!(probe["locks_held"]["count"].as_u64().map(|count| count > 0), Some(true));
    }
    probes
}

#[test]
fn postgres_keeps_each_of_its_levels_and_no_more() {
    let probes = at_levels("embedded", "read_committed,repeatable_read,serializable");
    let [committed, repeatable, serializable] = [&probes[0], &probes[1], &probes[2]];
    assert_eq!(committed["consistent_with"], "read_committed", "{committed}");
    let seen = kinds(committed);
    assert!(seen.contains(&"read_skew") && seen.contains(&"lost_update"), "{seen:?}");
    assert!(UNCOMMITTED.iter().chain(&["g0"]).all(|kind| !seen.contains(kind)), "{seen:?}");
    assert_eq!(repeatable["consistent_with"], "snapshot_isolation", "{repeatable}");
    assert_eq!(kinds(repeatable), ["g2_item"]);
    assert!(kinds(serializable).is_empty(), "{serializable}");
    assert!(serializable["causes"]["serialization"].as_u64() > Some(0), "{serializable}");
    for probe in &probes {
        let in_force = probe["in_force"].as_object().expect("levels");
        assert_eq!(in_force.keys().collect::<Vec<_>>(), [probe["isolation"].as_str().expect("a level")]);
    }
}

#[test]
fn mariadb_keeps_each_of_its_levels_and_no_more() {
    let probes =
        at_levels("embedded:mysql", "read_uncommitted,read_committed,repeatable_read,serializable");
    let [uncommitted, committed, repeatable, serializable] =
        <[Value; 4]>::try_from(probes).expect("a probe of each level");
    assert_eq!(uncommitted["consistent_with"], "read_uncommitted");
    assert!(kinds(&uncommitted).contains(&"g1a"), "{uncommitted}");
    assert_eq!(committed["consistent_with"], "read_committed");
    assert!(UNCOMMITTED.iter().all(|kind| !kinds(&committed).contains(kind)), "{committed}");
    // A server with `innodb_snapshot_isolation` keeps more.
    let seen = repeatable["consistent_with"].as_str();
    assert!(matches!(seen, Some("repeatable_read" | "snapshot_isolation")), "{repeatable}");
    assert!(kinds(&serializable).is_empty(), "{serializable}");
}

#[test]
fn sqlite_is_serializable_whatever_is_declared() {
    for probe in at_levels("sqlite:", "read_committed,serializable") {
        assert_eq!(probe["promised"], "serializable");
        assert!(kinds(&probe).is_empty(), "{probe}");
    }
}

#[test]
fn a_level_that_is_not_kept_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["junit.xml", "page.html", "text.md", "history.jsonl"].map(|name| folder.path().join(name));
    let [junit, html, markdown, history] = paths.each_ref();
    let document = probed(
        &[
            "scenarios/lost-update.yaml",
            "--level",
            "read_committed",
            "--beside",
            "serializable",
            "--expect",
            "serializable",
            "--junit",
            text(junit),
            "--html",
            text(html),
            "--markdown",
            text(markdown),
            "--history",
            text(history),
        ],
        1,
    );
    assert_eq!(document["verdict"], "fail");
    let reason = document["reasons"][0].as_str().expect("a reason");
    assert!(
        reason.starts_with(
            "isolation at read_committed: serializable is demanded and what was seen is consistent with read committed"
        ),
        "{reason}"
    );
    assert_eq!(document["probes"][1]["isolation"], "serializable");
    for path in [junit, html, markdown] {
        let report = std::fs::read_to_string(path).expect("a report");
        assert!(report.contains("P4 (lost update)"), "{report}");
    }
    let history = folder.path().join("history-read_committed.jsonl");
    let lines = std::fs::read_to_string(history).expect("a history");
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len() as u64, 2 * document["probes"][0]["transactions"].as_u64().expect("a number"));
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count() as u64;
    assert_eq!(Some(of("ok")), document["probes"][0]["committed"].as_u64());
    assert_eq!(of("invoke") * 2, events.len() as u64);
}

#[test]
fn what_was_hardly_tried_proves_nothing() {
    let document = probed(&["--database", "sqlite:", "--transactions", "2"], 4);
    assert_eq!(document["verdict"], "inconclusive");
}

#[test]
fn nothing_is_left_on_a_server_of_the_users() {
    for kind in [ServerKind::Postgres, ServerKind::MySql] {
        let server = server_of(kind, &[], 40);
        let document =
            probed(&["--database", &server.url(), "--level", "read_committed", "--transactions", "300"], 0);
        assert_eq!(document["probes"][0]["consistent_with"], "read_committed", "{document}");
        assert_eq!(schemas_of_runs(&server.url()), 0, "{kind:?}");
    }
}

#[test]
fn a_file_that_was_there_before_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs.sqlite");
    std::fs::write(&path, "").expect("written");
    let program = Program::new();
    let said = program.run(&["probe", "--database", &format!("sqlite:{}", text(&path))]).expect_status(3);
    let refused = ["was there before", "is there already"];
    assert!(refused.iter().any(|words| said.stderr.contains(words)), "{}", said.stderr);
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), "");
    assert_eq!(program.records(), 0);
}
