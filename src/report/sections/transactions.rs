//! What transactions did in the database: isolation levels, the order of locks, lock waits.

use std::fmt::Write as _;

use super::super::{
    cells::{counted, grouped, wrapped},
    document::Document,
    table::Style,
};
use crate::{measure::HotPlace, units::format_millis};

const MOST_PAIRS: usize = 8;
const MOST_PLACES: usize = 3;

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

/// `orders, 230 waits, 1m24s in all, longest queue 13`.
fn place(place: &HotPlace) -> String {
    let row = place.row.as_ref().map_or_else(String::new, |row| format!(" {row}"));
    format!(
        "{}{row}, {}, {} in all, longest queue {}",
        place.table,
        counted(place.waits, "wait"),
        format_millis(place.total_ms),
        place.longest_queue
    )
}

pub(in crate::report) fn isolation(document: &Document, style: &Style) -> String {
    let isolation = &document.isolation;
    let observed = &isolation.observed;
    let all: u64 = observed.iter().map(|one| one.transactions).sum();
    let strayed: Vec<_> = observed.iter().filter(|one| one.declared != one.in_force).collect();
    if document.does_not_apply.contains_key("isolation") || (all == 0 && isolation.transactions == 0) {
        return String::new();
    }
    let mut out = style.heading("Isolation");
    if all < isolation.transactions {
        let (read, there) = (grouped(all), grouped(isolation.transactions));
        let line = format!("The level of {read} of {there} transactions was read, {}.", isolation.read);
        out.push_str(&wrapped(&line, "", style.width));
    }
    if all == 0 {
        return out;
    }
    if strayed.is_empty() {
        let mut levels: Vec<&str> = observed.iter().map(|one| one.in_force.sql()).collect();
        levels.sort_unstable();
        levels.dedup();
        let line =
            format!("{}, all at the declared level: {}.", counted(all, "transaction"), levels.join(", "));
        out.push_str(&wrapped(&line, "", style.width));
        return out;
    }
    for one in strayed {
        let line = format!(
            "{}: {} ran at {} and not at {}.",
            one.operation,
            counted(one.transactions, "transaction"),
            one.in_force.sql(),
            one.declared.sql()
        );
        out.push_str(&wrapped(&line, "", style.width));
    }
    out
}

pub(in crate::report) fn lock_order(document: &Document, style: &Style) -> String {
    let order = &document.lock_order;
    if order.declared.is_empty() {
        return String::new();
    }
    let mut out = style.heading("Lock order");
    for tables in order.declared.values() {
        out.push_str(&wrapped(&format!("Declared: {}", tables.join(", then ")), "", style.width));
    }
    if order.transactions == 0 {
        out.push_str("No transaction's locks could be followed.\n");
    } else if order.violations.is_empty() {
        let _ = writeln!(out, "No violation in {} transactions.", grouped(order.transactions));
    }
    for one in &order.violations {
        let earlier = one.after_step.as_ref().map_or_else(String::new, |step| format!(" (by {step})"));
        let line = format!(
            "{}, {}: locked {} after {}{earlier}, {}.",
            one.operation,
            one.step,
            one.table,
            one.after,
            times(one.count)
        );
        out.push_str(&wrapped(&line, "", style.width));
    }
    out
}

pub(in crate::report) fn waits(document: &Document, style: &Style) -> String {
    let waits = &document.waits;
    if waits.waits == 0 {
        return String::new();
    }
    let mut out = style.heading("Lock waits, as sampled");
    for pair in waits.pairs.iter().take(MOST_PAIRS) {
        let place = pair.table.as_ref().map_or_else(String::new, |table| format!(" on {table}"));
        let line = format!(
            "{} waited for {}{place} {}, {} in all.",
            pair.waiting,
            pair.blocking,
            times(pair.waits),
            format_millis(pair.total_ms)
        );
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    let more = waits.pairs.len().saturating_sub(MOST_PAIRS);
    if more > 0 {
        let _ = writeln!(out, "… and {more} more pairs");
    }
    for (what, places) in [("tables", &waits.tables), ("rows", &waits.rows)] {
        let hottest: Vec<String> = places.iter().take(MOST_PLACES).map(place).collect();
        if !hottest.is_empty() {
            out.push_str(&wrapped(&format!("Hottest {what}: {}.", hottest.join("; ")), "", style.width));
        }
    }
    let line = format!(
        "{} waits lost {} in all, the longest {}. Deepest queue {}, most waiting at once {}. {} samples, one every {}, each \
         taking {}.",
        grouped(waits.waits),
        format_millis(waits.total_ms),
        format_millis(waits.longest_ms),
        waits.deepest_queue,
        waits.most_waiting,
        waits.samples,
        format_millis(waits.interval_ms),
        format_millis(waits.sample_ms)
    );
    out.push_str(&wrapped(&line, "", style.width));
    out
}
