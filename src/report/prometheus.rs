//! What a load has counted so far, in the text format of Prometheus, version 0.0.4.
//!
//! A snapshot of the board comes in, a page goes out. Names follow Prometheus' rules: base units, `_total`
//! at what only grows. Absent on purpose: what isn't counted while the load runs, like percentiles.

use std::fmt::{self, Display, Write as _};

use crate::measure::{LiveSnapshot, OutcomeCounts};

/// Of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label's value: the three characters that would end it are escaped.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

/// Writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        writeln!($text, $($argument)*).expect("writing to a string can't fail")
    };
}

/// The page for a load of these operations.
pub fn prometheus(scenario: &str, operations: &[String], snapshot: &LiveSnapshot) -> String {
    let mut text = String::new();
    outcomes(scenario, operations, &snapshot.operations, &mut text);
    latency(scenario, snapshot, &mut text);
    let totals = &snapshot.totals;
    for (name, kind, help, value) in [
        ("operations_started_total", "counter", "Operations that were started.", totals.started),
        ("retries_total", "counter", "Retries of operations that ended.", totals.retries),
        ("deadlocks_total", "counter", "Deadlocks that operations met.", totals.deadlocks),
        ("operations_in_flight", "gauge", "Operations under way.", u64::from(totals.in_flight)),
        (
            "waiting_sessions",
            "gauge",
            "Sessions that waited for a lock when they were last sampled.",
            u64::from(totals.waiting),
        ),
    ] {
        head(name, kind, help, &mut text);
        line!(text, "deadheat_{name}{{scenario=\"{}\"}} {value}", Label(scenario));
    }
    text
}

fn head(name: &str, kind: &str, help: &str, text: &mut String) {
    line!(text, "# HELP deadheat_{name} {help}\n# TYPE deadheat_{name} {kind}");
}

fn outcomes(scenario: &str, operations: &[String], counts: &[OutcomeCounts], text: &mut String) {
    head("operations_total", "counter", "Operations that ended, by outcome.", text);
    for (operation, OutcomeCounts { ok, recovered, failed }) in operations.iter().zip(counts) {
        for (outcome, count) in [("ok", ok), ("recovered", recovered), ("failed", failed)] {
            line!(
                text,
                "deadheat_operations_total{{scenario=\"{}\",operation=\"{}\",outcome=\"{outcome}\"}} {count}",
                Label(scenario),
                Label(operation)
            );
        }
    }
}

fn latency(scenario: &str, snapshot: &LiveSnapshot, text: &mut String) {
    let name = "operation_duration_seconds";
    let help = "Latency of operations, retries and backoff included; the sum is within 7 %.";
    head(name, "histogram", help, text);
    let scenario = Label(scenario);
    for (bound, count) in snapshot.latency.below_powers() {
        let bound = bound.as_secs_f64();
        line!(text, "deadheat_{name}_bucket{{scenario=\"{scenario}\",le=\"{bound}\"}} {count}");
    }
    let count = snapshot.latency.count();
    line!(text, "deadheat_{name}_bucket{{scenario=\"{scenario}\",le=\"+Inf\"}} {count}");
    line!(text, "deadheat_{name}_sum{{scenario=\"{scenario}\"}} {}", snapshot.latency.sum());
    line!(text, "deadheat_{name}_count{{scenario=\"{scenario}\"}} {count}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        measure::LiveBoard,
        outcome::{Cause, Outcome},
    };

    #[test]
    fn the_page_is_what_the_board_holds() {
        let board = LiveBoard::new(1, 2).with_operations(2);
        board.begin(0, 0, 0);
        board.begin(0, 1, 1);
        board.end(0, true, 2, 1);
        board.tell(0, 0, &Outcome::Recovered(2), Duration::from_millis(3));
        board.tell(0, 1, &Outcome::Failed(Cause::Deadlock), Duration::from_secs(100));
        board.set_waiting(4);
        let names = ["pay".to_owned(), "say \"\\\n".to_owned()];
        let page = prometheus("shop", &names, &board.snapshot(2));
        insta::assert_snapshot!(page);
    }
}
