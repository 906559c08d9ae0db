//! The live view as text: what is known at one moment comes in, a block for a terminal or one plain line
//! comes out. Absent on purpose: clocks, threads and the terminal.

use std::time::Duration;

use super::{
    cells::{counted, cut, grouped},
    table::Style,
};
use crate::{
    measure::{LiveTotals, OutcomeCounts, RaceTotals},
    units::format_duration,
};

/// When a load is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    Operations(u64),
    Time(Duration),
}

/// A load at one moment.
#[derive(Debug, Clone)]
pub(super) struct LoadMoment<'a> {
    pub scenario: &'a str,
    pub elapsed: Duration,
    pub length: Length,
    /// Operations per second in the last few seconds.
    pub rate: f64,
    /// Median and 95th percentile of the operations that ended in these seconds.
    pub latency: Option<(Duration, Duration)>,
    pub totals: LiveTotals,
    /// By operation.
    pub operations: Vec<(&'a str, OutcomeCounts)>,
    /// The run has been told to end.
    pub ending: bool,
}

/// A race at one moment.
#[derive(Debug, Clone)]
pub(super) struct RaceMoment<'a> {
    pub race: &'a str,
    pub elapsed: Duration,
    pub totals: RaceTotals,
    pub ending: bool,
}

/// Lines beside the operations' own.
const FRAME_LINES: usize = 5;
const BAR: usize = 24;
/// A longer time left is a guess that nobody should plan with.
const LONGEST_LEFT: Duration = Duration::from_hours(48);

impl LoadMoment<'_> {
    /// A few lines, none wider than the style's width, at most `height` of them.
    pub(super) fn block(&self, style: &Style, height: usize) -> String {
        let width = usize::from(style.width);
        let mut lines = vec![self.head(style), format!("  {}", self.numbers().join("   "))];
        let room = height.saturating_sub(FRAME_LINES).max(1);
        let name_width = self.operations.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let name_width = name_width.clamp(9, width.saturating_sub(44).max(9));
        lines.push(format!(
            "  {:name_width$} {:>10} {:>10} {:>10} {:>8}",
            "operation", "ended", "ok", "recovered", "failed"
        ));
        for (name, counts) in self.operations.iter().take(room) {
            let name = cut(name, name_width);
            let cells = [counts.ended(), counts.ok, counts.recovered].map(grouped);
            let failed = grouped(counts.failed);
            let [ended, ok, recovered] = cells;
            lines.push(format!("  {name:name_width$} {ended:>10} {ok:>10} {recovered:>10} {failed:>8}"));
        }
        if self.operations.len() > room {
            lines.push(format!(
                "  … and {}",
                counted((self.operations.len() - room) as u64, "more operation")
            ));
        }
        if self.ending {
            lines.push("  ending; once more Ctrl-C leaves everything as it is".to_owned());
        }
        lines.iter().map(|line| cut_plain(line, width, style)).collect::<Vec<_>>().join("\n")
    }

    /// One line, for a file or a log.
    pub(super) fn line(&self) -> String {
        let of = match self.length {
            Length::Operations(count) => format!("{} of {}", grouped(self.totals.ended), grouped(count)),
            Length::Time(_) => grouped(self.totals.ended),
        };
        let mut parts = vec![format!("{of} operations")];
        parts.extend(self.numbers());
        let failed: u64 = self.operations.iter().map(|(_, counts)| counts.failed).sum();
        parts.push(format!("{} failed", grouped(failed)));
        parts.extend(self.left());
        format!("{}: {}", clock(self.elapsed), parts.join(", "))
    }

    fn head(&self, style: &Style) -> String {
        let done = match self.length {
            Length::Operations(count) => {
                format!("{} of {}", grouped(self.totals.ended.min(count)), grouped(count))
            }
            Length::Time(time) => format!("{} of {}", clock(self.elapsed.min(time)), clock(time)),
        };
        let right = match self.left() {
            Some(left) if !self.ending => format!("{done}, {left}"),
            _ => done,
        };
        head(self.scenario, &bar(self.share(), style), &right, style)
    }

    fn share(&self) -> f64 {
        match self.length {
            Length::Operations(count) => self.totals.ended as f64 / count.max(1) as f64,
            Length::Time(time) => self.elapsed.as_secs_f64() / time.as_secs_f64().max(1e-3),
        }
    }

    fn left(&self) -> Option<String> {
        let left = match self.length {
            Length::Operations(count) => {
                let rate = self.totals.ended as f64 / self.elapsed.as_secs_f64().max(1e-3);
                let remaining = count.saturating_sub(self.totals.ended) as f64;
                (rate > 0.0).then(|| remaining / rate).filter(|left| *left < LONGEST_LEFT.as_secs_f64())?
            }
            Length::Time(time) => time.saturating_sub(self.elapsed).as_secs_f64(),
        };
        Some(format!("{} left", clock(Duration::from_secs_f64(left.ceil()))))
    }

    fn numbers(&self) -> Vec<String> {
        let mut numbers = vec![format!("{}/s", grouped(self.rate.round() as u64))];
        if let Some((median, slow)) = self.latency {
            numbers.push(format!("p50 {}", format_duration(median)));
            numbers.push(format!("p95 {}", format_duration(slow)));
        }
        numbers.push(if self.totals.retries == 1 {
            "1 retry".to_owned()
        } else {
            format!("{} retries", grouped(self.totals.retries))
        });
        numbers.push(counted(self.totals.deadlocks, "deadlock"));
        numbers.push(format!("{} waiting", grouped(self.totals.waiting.into())));
        numbers
    }
}

impl RaceMoment<'_> {
    /// Two lines.
    pub(super) fn block(&self, style: &Style) -> String {
        let RaceTotals { done, planned, .. } = self.totals;
        let (bar, right) = match planned {
            Some(planned) => {
                let share = done as f64 / planned.max(1) as f64;
                (
                    bar(share, style),
                    format!("{} of {} schedules", grouped(done), grouped(planned.max(done))),
                )
            }
            None => (String::new(), counted(done, "schedule")),
        };
        let mut text = head(self.race, &bar, &right, style);
        text.push_str(&format!("\n  {}", self.numbers().join("   ")));
        if self.ending {
            text.push_str("\n  ending; once more Ctrl-C leaves everything as it is");
        }
        text.lines().map(|line| cut_plain(line, style.width.into(), style)).collect::<Vec<_>>().join("\n")
    }

    /// One line, for a file or a log.
    pub(super) fn line(&self) -> String {
        let RaceTotals { done, planned, .. } = self.totals;
        let of = planned.map(|planned| format!(" of {}", grouped(planned.max(done)))).unwrap_or_default();
        let mut parts = vec![format!("{}{of} schedules of {}", grouped(done), cut(self.race, 60))];
        parts.extend(self.numbers());
        format!("{}: {}", clock(self.elapsed), parts.join(", "))
    }

    fn numbers(&self) -> Vec<String> {
        let RaceTotals { done, broken, errors, planned } = self.totals;
        let rate = done as f64 / self.elapsed.as_secs_f64().max(1e-3);
        let mut numbers = vec![
            format!("{}/s", grouped(rate.round() as u64)),
            format!("{} broken", grouped(broken)),
            counted(errors, "error"),
        ];
        if let Some(planned) = planned.filter(|planned| rate > 0.0 && *planned > done) {
            let left = Duration::from_secs_f64(((planned - done) as f64 / rate).ceil().min(1e9));
            if left < LONGEST_LEFT {
                numbers.push(format!("{} left", clock(left)));
            }
        }
        numbers
    }
}

/// Name, bar and how far, on one line.
fn head(name: &str, bar: &str, right: &str, style: &Style) -> String {
    let taken = BAR + right.chars().count() + 4;
    let name = cut(name, usize::from(style.width).saturating_sub(taken).max(12));
    let parts = [name.as_str(), bar, right];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn bar(share: f64, style: &Style) -> String {
    let full = ((share * BAR as f64) as usize).min(BAR);
    let done = "━".repeat(full);
    let rest = "─".repeat(BAR - full);
    match style.color {
        true => format!("{}{rest}", style.paint(&done, anstyle::AnsiColor::Green.on_default())),
        false => format!("{done}{rest}"),
    }
}

/// A line that would be wrapped is cut; one in colour was laid out to fit.
fn cut_plain(line: &str, width: usize, style: &Style) -> String {
    if style.color && line.contains('\u{1b}') { line.to_owned() } else { cut(line, width) }
}

/// Whole seconds: `12s`, `1m05s`.
fn clock(time: Duration) -> String {
    match time.as_secs() {
        0 => "0s".to_owned(),
        seconds => format_duration(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment<'a>() -> LoadMoment<'a> {
        let counts = |ok, recovered, failed| OutcomeCounts { ok, recovered, failed };
        LoadMoment {
            scenario: "payments",
            elapsed: Duration::from_millis(12_400),
            length: Length::Time(Duration::from_secs(60)),
            rate: 3591.4,
            latency: Some((Duration::from_micros(7300), Duration::from_millis(291))),
            totals: LiveTotals {
                started: 41_250,
                ended: 41_000,
                committed: 40_990,
                retries: 1,
                deadlocks: 12,
                in_flight: 250,
                waiting: 41,
            },
            operations: vec![
                ("payment_intent_succeeded", counts(16_400, 8, 2)),
                ("payment_intent_failed", counts(8200, 0, 0)),
                ("an_operation_whose_name_is_much_longer_than_any_sensible_one", counts(16_382, 4, 4)),
            ],
            ending: false,
        }
    }

    fn style(width: u16) -> Style {
        Style { color: false, width }
    }

    #[track_caller]
    fn fits(block: &str, width: usize) {
        for line in block.lines() {
            assert!(line.chars().count() <= width, "{} characters: {line}", line.chars().count());
        }
    }

    #[test]
    fn a_block_is_calm_and_fits_into_eighty_columns() {
        let block = moment().block(&style(80), 24);
        fits(&block, 80);
        insta::assert_snapshot!(block);
    }

    #[test]
    fn whatever_the_width_and_height_it_fits() {
        for width in [40, 60, 80, 120] {
            fits(&moment().block(&style(width), 24), width.into());
        }
        let low = LoadMoment { ending: true, ..moment() }.block(&style(80), 6);
        assert_eq!(low.lines().count(), 6, "{low}");
        assert!(
            low.contains("… and 2 more operations") && low.ends_with("leaves everything as it is"),
            "{low}"
        );
        let colored = moment().block(&Style { color: true, width: 80 }, 24);
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), moment().block(&style(80), 24));
    }

    #[test]
    fn a_log_gets_one_line() {
        insta::assert_snapshot!(moment().line(), @"12s: 41,000 operations, 3,591/s, p50 7.3ms, p95 291ms, 1 retry, 12 deadlocks, 41 waiting, 6 failed, 48s left");
        let counted = LoadMoment { length: Length::Operations(82_000), ..moment() };
        assert!(counted.line().contains("41,000 of 82,000 operations"), "{}", counted.line());
        assert!(counted.line().ends_with("13s left"), "{}", counted.line());
        let begun = LoadMoment { totals: LiveTotals::default(), latency: None, ..counted };
        assert!(!begun.line().contains("left"), "nothing is known yet: {}", begun.line());
    }

    #[test]
    fn a_race_tells_how_many_schedules_of_how_many() {
        let totals = RaceTotals { done: 120, broken: 48, errors: 1, planned: Some(170) };
        let moment =
            RaceMoment { race: "last_item", elapsed: Duration::from_secs(2), totals, ending: false };
        insta::assert_snapshot!(moment.block(&style(80)), @r"
        last_item  ━━━━━━━━━━━━━━━━────────  120 of 170 schedules
          60/s   48 broken   1 error   1s left
        ");
        let unknown = RaceMoment { totals: RaceTotals { planned: None, ..totals }, ..moment };
        insta::assert_snapshot!(unknown.line(), @"2s: 120 schedules of last_item, 60/s, 48 broken, 1 error");
    }
}
