//! What a load has counted so far, in the text format of Prometheus, version 0.0.4.
//!
//! A snapshot of the board comes in, a page goes out. Names follow Prometheus' rules: base units, `_total`
//! at what only grows.

use std::fmt::{self, Display, Write as _};

use super::metrics::{Data, Metric, Point, metrics};
use crate::measure::{CoarseRecording, LiveSnapshot};

/// Of the page.
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

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

const INFALLIBLE: &str = "writing to a string can't fail";

macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        writeln!($text, $($argument)*).expect(INFALLIBLE)
    };
}

/// The page for a load of these operations.
pub fn prometheus(scenario: &str, operations: &[String], snapshot: &LiveSnapshot) -> String {
    let mut text = String::new();
    for Metric { name, unit: _, help, data } in metrics(operations, snapshot) {
        match data {
            Data::Counter(points) => {
                let name = format!("deadheat_{name}_total");
                head(&name, "counter", help, &mut text);
                values(&name, scenario, &points, &mut text);
            }
            Data::Gauge(points) => {
                let name = format!("deadheat_{name}");
                head(&name, "gauge", help, &mut text);
                values(&name, scenario, &points, &mut text);
            }
            Data::Histogram(recording) => {
                let name = format!("deadheat_{name}_seconds");
                head(&name, "histogram", help, &mut text);
                histogram(&name, scenario, recording, &mut text);
            }
        }
    }
    text
}

fn head(name: &str, kind: &str, help: &str, text: &mut String) {
    line!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn values(name: &str, scenario: &str, points: &[Point<'_>], text: &mut String) {
    for Point { labels, value } in points {
        write!(text, "{name}{{scenario=\"{}\"", Label(scenario)).expect(INFALLIBLE);
        for (label, of) in labels {
            write!(text, ",{label}=\"{}\"", Label(of)).expect(INFALLIBLE);
        }
        line!(text, "}} {value}");
    }
}

fn histogram(name: &str, scenario: &str, recording: &CoarseRecording, text: &mut String) {
    let scenario = Label(scenario);
    for (bound, count) in recording.below_powers() {
        let bound = bound.as_secs_f64();
        line!(text, "{name}_bucket{{scenario=\"{scenario}\",le=\"{bound}\"}} {count}");
    }
    let count = recording.count();
    line!(text, "{name}_bucket{{scenario=\"{scenario}\",le=\"+Inf\"}} {count}");
    line!(text, "{name}_sum{{scenario=\"{scenario}\"}} {}", recording.sum());
    line!(text, "{name}_count{{scenario=\"{scenario}\"}} {count}");
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
