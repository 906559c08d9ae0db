//! What the database shows of the application under test, and what it doesn't.

use std::fmt::Write as _;

use super::super::{
    cells::{counted, grouped, wrapped},
    document::Document,
    table::Style,
};
use crate::units::format_millis;

pub(in crate::report) fn application(document: &Document, style: &Style) -> String {
    let Some(application) = &document.application else { return String::new() };
    let mut out = style.heading("The application in the database, as sampled");
    let names = match application.names.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    let mut line = format!(
        "{}{names}, {} seen",
        counted(application.sessions, "session"),
        counted(application.transactions, "transaction")
    );
    if application.transactions > 0 {
        let _ = write!(line, "; of {} the isolation level could be told", grouped(application.levels_told));
        if !document.lock_order.declared.is_empty() {
            let _ = write!(line, ", of {} the order of locks", grouped(application.orders_told));
        }
        line.push_str(&format!(
            ". The longest transaction {}, the longest idle within one {}",
            format_millis(application.longest_transaction_ms),
            format_millis(application.longest_idle_ms),
        ));
    }
    line.push('.');
    if application.samples > 0 {
        line.push_str(&format!(
            " {}, one every {}, each taking {}.",
            counted(application.samples, "sample"),
            format_millis(application.interval_ms),
            format_millis(application.sample_ms)
        ));
    }
    out.push_str(&wrapped(&line, "", style.width));
    for unknown in &application.unknown {
        let line = format!("Not known: {unknown}.");
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    out
}
