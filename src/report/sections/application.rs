//! What the database shows of the application under test, and what it doesn't.

use std::fmt::Write as _;

use super::super::{
    cells::{counted, grouped, wrapped},
    document::Document,
    table::Style,
};
use crate::{measure::StatementLogResults, units::format_millis};

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
    if let Some(log) = &application.statement_log {
        out.push_str(&wrapped(&log_sentence(log), "", style.width));
    }
    for unknown in &application.unknown {
        let line = format!("Not known: {unknown}.");
        out.push_str(&wrapped(&line, "  ", style.width).replacen("  ", "", 1));
    }
    out
}

/// What was read of the server's log: counts, not samples.
pub(in crate::report) fn log_sentence(log: &StatementLogResults) -> String {
    let mut line = format!(
        "From the server's log, {}: the order of locks of {} judged of {}; {} locked against it.",
        counted(log.statements, "statement"),
        counted(log.judged, "transaction"),
        grouped(log.transactions),
        grouped(log.violating)
    );
    if !log.not_understood.is_empty() {
        let _ = write!(line, " Not understood: {}.", log.not_understood.join("; "));
    }
    if log.gaps > 0 {
        let _ = write!(line, " {} in the log: what was under way isn't whole.", counted(log.gaps, "gap"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_in_a_sentence() {
        let mut log = StatementLogResults {
            statements: 4_430,
            transactions: 73,
            judged: 73,
            violating: 34,
            ..StatementLogResults::default()
        };
        assert_eq!(
            log_sentence(&log),
            "From the server's log, 4,430 statements: the order of locks of 73 transactions judged of 73; 34 locked against it."
        );
        log.not_understood = vec!["CALL pay(?)".to_owned()];
        log.gaps = 1;
        assert!(
            log_sentence(&log).ends_with(
                " Not understood: CALL pay(?). 1 gap in the log: what was under way isn't whole."
            )
        );
    }
}
