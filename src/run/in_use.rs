//! Signs that a database of the user's is more than a place to test in: its host, its name, its size, others
//! who work in it, and rows of theirs in tables that the scenario would empty.
//!
//! Rows that would go are a reason to refuse, and so are host, name and size: databases for tests are small.
//! Other clients are a reason to warn: an editor or a pool is often connected to them.

use super::{Trouble, Watcher};
use crate::{
    plan::Plan,
    target::{Endpoint, Session, Usage},
};

/// Words in the name of a database that nobody wants to stress by mistake.
const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];
/// Larger databases look like production.
const LARGEST: u64 = 10_000_000_000;
/// Names another size: `500MB`, `2TB`.
const VARIABLE: &str = "DEADHEAT_LARGEST_DATABASE";
const UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// Nothing but this machine is touched unless the user names the host, and nothing that looks like
/// production either: a tunnel makes it look like this machine.
pub(super) fn check_host(endpoint: &Endpoint, allowed: &[String]) -> Result<(), Trouble> {
    let host = endpoint.host();
    if allowed.contains(&host) {
        return Ok(());
    }
    let message = if !endpoint.is_loopback() {
        format!("{host} is not this machine")
    } else if is_production(endpoint.database()) {
        format!("database {} looks like production", endpoint.database())
    } else {
        return Ok(());
    };
    Err(Trouble::new(message)
        .hint(format!("stress tests damage what they run against; if you mean it: `--allow-host {host}`")))
}

/// True when one of the words of a database's name says so.
fn is_production(database: &str) -> bool {
    database
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| PRODUCTION.contains(&word.to_lowercase().as_str()))
}

/// Refuses a database that is too large for a test, and tells of others who are connected to it.
///
/// # Errors
/// When it is too large and its host wasn't allowed, or the variable holds no size.
pub(super) async fn check(
    session: &mut Session,
    endpoint: &Endpoint,
    allowed: &[String],
    watcher: &mut dyn Watcher,
) -> Result<(), Trouble> {
    let usage = Usage::ask(session)
        .await
        .map_err(|failure| Trouble::failure("the server doesn't tell who uses the database", &failure))?;
    let Some(usage) = usage else { return Ok(()) };
    if !allowed.contains(&endpoint.host()) {
        check_size(usage, endpoint.database(), &endpoint.host(), limit()?)?;
    }
    if let Some(warning) = others(usage, endpoint.database()) {
        watcher.warning(&warning);
    }
    Ok(())
}

/// Refuses to empty tables that hold rows before the run has made any.
///
/// # Errors
/// Which statement would empty which table, when its host wasn't allowed.
pub(super) async fn check_emptied(
    session: &mut Session,
    plan: &Plan,
    endpoint: &Endpoint,
    allowed: &[String],
) -> Result<(), Trouble> {
    let host = endpoint.host();
    if allowed.contains(&host) {
        return Ok(());
    }
    for statement in &plan.statements {
        for table in statement.facts.iter().flat_map(|facts| &facts.empties) {
            // A table that can't be read is told of when the statement is prepared.
            let rows = session.query(&format!("SELECT 1 FROM {table} LIMIT 1"), &[]).await;
            if rows.is_ok_and(|rows| !rows.rows.is_empty()) {
                let (operation, step) = (&statement.operation, &statement.step);
                return Err(Trouble::new(format!(
                    "{operation}, {step}: empties table {table}, which holds rows that aren't of this run"
                ))
                .hint(format!(
                    "name the rows with `WHERE`; if all of them may go: `--allow-host {host}`"
                )));
            }
        }
    }
    Ok(())
}

fn check_size(usage: Usage, database: &str, host: &str, limit: u64) -> Result<(), Trouble> {
    if usage.bytes <= limit {
        return Ok(());
    }
    let (bytes, limit) = (shown(usage.bytes), shown(limit));
    Err(Trouble::new(format!(
        "database {database} holds {bytes}, and looks like production: above {limit}"
    ))
    .hint(format!("if it is meant for tests: `--allow-host {host}`, or name a larger size in {VARIABLE}")))
}

fn others(usage: Usage, database: &str) -> Option<String> {
    let who = match usage.clients {
        0 => return None,
        1 => "another client is".to_owned(),
        several => format!("{several} other clients are"),
    };
    Some(format!(
        "{who} connected to {database}: they feel the load, and what they change there may break what must hold"
    ))
}

fn limit() -> Result<u64, Trouble> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => parse(&text).ok_or_else(|| {
            Trouble::new(format!("{VARIABLE} holds no size: `{text}`"))
                .hint("write a number with its unit: `500MB`, `20GB`")
        }),
        _ => Ok(LARGEST),
    }
}

fn parse(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some((number * *factor as f64) as u64)
}

/// In the largest unit of which there is one.
fn shown(bytes: u64) -> String {
    let (unit, factor) = UNITS.iter().find(|(_, factor)| bytes >= *factor).unwrap_or(&("B", 1));
    let tenths = bytes / (factor / 10).max(1);
    match (factor, tenths % 10) {
        (1, _) => format!("{bytes} B"),
        (_, 0) => format!("{} {unit}", tenths / 10),
        (_, tenth) => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_a_word_of_the_name() {
        for name in ["shop_production", "prod", "LIVE-shop", "shop.prd"] {
            assert!(is_production(name), "{name}");
        }
        for name in ["postgres", "products", "reproduction", "delivery", "prodigy_test"] {
            assert!(!is_production(name), "{name}");
        }
    }

    #[test]
    fn large_databases_are_refused() {
        let usage = |bytes| Usage { clients: 0, bytes };
        assert!(check_size(usage(LARGEST), "shop", "localhost", LARGEST).is_ok());
        let trouble =
            check_size(usage(12_345_000_000), "shop", "localhost", LARGEST).expect_err("too large");
        assert_eq!(trouble.message, "database shop holds 12.3 GB, and looks like production: above 10 GB");
        assert_eq!(
            trouble.hint.as_deref(),
            Some(
                "if it is meant for tests: `--allow-host localhost`, or name a larger size in DEADHEAT_LARGEST_DATABASE"
            )
        );
    }

    #[test]
    fn others_are_told_of() {
        let others = |clients| others(Usage { clients, bytes: 0 }, "shop");
        assert_eq!(others(0), None);
        assert!(others(1).is_some_and(|text| text.starts_with("another client is connected to shop: ")));
        assert!(others(3).is_some_and(|text| text.starts_with("3 other clients are connected to shop: ")));
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("20GB", 20_000_000_000), ("1.5 MB", 1_500_000), ("0B", 0), ("7kB", 7_000)] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "20", "GB", "-1GB", "infGB", "NaNMB", "20GiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            [0, 999, 1_000, 1_550_000, 20_000_000_000].map(shown),
            ["0 B", "999 B", "1 kB", "1.5 MB", "20 GB"]
        );
    }
}
