//! What the database shows of the application under test, and what it doesn't.

use super::super::{
    cells::{grouped, wrapped},
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
        "{} sessions{names}, {} transactions seen",
        grouped(application.sessions),
        grouped(application.transactions)
    );
    if application.transactions > 0 {
        line.push_str(&format!(
            "; of {} the isolation level could be told, of {} the order of locks. The longest transaction {}, the \
             longest idle within one {}",
            grouped(application.levels_told),
            grouped(application.orders_told),
            format_millis(application.longest_transaction_ms),
            format_millis(application.longest_idle_ms),
        ));
    }
    line.push('.');
    if application.samples > 0 {
        line.push_str(&format!(
            " {} samples, one every {}, each taking {}.",
            grouped(application.samples),
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
