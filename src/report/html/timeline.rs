//! Throughput, latency, deadlocks and retries on one time axis.

use super::{
    bins::{Bin, bins},
    scale::Scale,
    svg::{Anchor, Path, Svg},
};
use crate::{
    report::{cells::grouped, document::Document, texts::short},
    units::format_millis,
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
/// Between a panel and the head of the next.
const GAP: f64 = 14.0;
/// The axis below the last panel.
const FOOT: f64 = 22.0;
const HEAD: f64 = 18.0;
const MOST_MARKS: usize = 3;

/// The chart. `width` is in pixels; a narrow one has fewer pieces.
pub(super) fn timeline(document: &Document, width: f64, id: &str, class: &str) -> String {
    let bins = bins(document, (width / 5.0) as usize);
    let Some(last) = bins.last() else { return String::new() };
    let marks = marks(document);
    let mut panels = vec![Panel::rate(&bins), Panel::latency(&bins), Panel::events(&bins)];
    panels.extend(Panel::waiting(&bins));
    let time = Scale::time(last.to, (width / 90.0) as usize);
    let top = marks.len() as f64 * 15.0;
    let is_narrow = width < 600.0;
    let head = if is_narrow { HEAD * 2.0 } else { HEAD };
    let heights: f64 = panels.iter().map(|panel| panel.height + head + GAP).sum();
    let mut chart =
        Chart { svg: Svg::new(width, top + heights + FOOT - GAP), time, width, is_narrow, y: top };
    for panel in &panels {
        chart.panel(panel, &bins, head);
    }
    let bottom = chart.y - GAP;
    chart.clock(bottom);
    for (index, (name, seconds)) in marks.iter().enumerate() {
        chart.mark(name, *seconds, 11.0 + index as f64 * 15.0, bottom);
    }
    chart.svg.finish(id, class, "The run over time", &description(document, &bins))
}

fn description(document: &Document, bins: &[Bin]) -> String {
    let slowest = bins.iter().max_by(|a, b| a.max_ms.total_cmp(&b.max_ms));
    let slowest = slowest.map_or_else(String::new, |bin| {
        format!(
            " The slowest operation took {} and ended at {}.",
            format_millis(bin.max_ms),
            clock(bin.from)
        )
    });
    format!(
        "Operations, latency, deadlocks and retries per second over {}. {} operations ended, with {} deadlocks and {} \
         retries.{slowest} The table below has the numbers.",
        format_millis(document.duration_ms),
        grouped(bins.iter().map(|bin| bin.ended).sum()),
        grouped(document.totals.deadlocks),
        grouped(document.totals.retries),
    )
}

/// Invariants and the moments at which they were first seen broken.
fn marks(document: &Document) -> Vec<(String, f64)> {
    let broken = document.invariants.iter();
    let mut marks: Vec<(String, f64)> =
        broken.filter_map(|one| Some((one.name.clone(), one.first_violation_ms? / 1e3))).collect();
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    marks.truncate(MOST_MARKS);
    marks
}

/// Seconds on the axis: `0`, `30s`, `12m`.
fn clock(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        s if s >= 60.0 && s % 60.0 == 0.0 => format!("{}m", s / 60.0),
        s if s >= 60.0 => format!("{}m{:02.0}s", (s / 60.0).floor(), s % 60.0),
        s => format!("{}s", (s * 1e3).round() / 1e3),
    }
}

/// How the values of a panel are drawn.
enum Drawing {
    /// Filled from below.
    Area,
    /// A line in steps.
    Steps,
    /// A bar of this share of its bin's width.
    Bars(f64),
}

struct Series {
    name: &'static str,
    class: &'static str,
    drawing: Drawing,
    values: Vec<Option<f64>>,
}

struct Panel {
    title: &'static str,
    height: f64,
    scale: Scale,
    label: fn(f64) -> String,
    series: Vec<Series>,
}

impl Panel {
    fn rate(bins: &[Bin]) -> Self {
        let values = |count: fn(&Bin) -> u64| bins.iter().map(move |bin| bin.per_second(count(bin)));
        let max = values(|bin| bin.ended).fold(0.0, f64::max);
        let mut series = Vec::new();
        if bins.iter().any(|bin| bin.ended > bin.committed) {
            series.push(Series {
                name: "failed",
                class: "failed",
                drawing: Drawing::Area,
                values: values(|bin| bin.ended).map(Some).collect(),
            });
        }
        series.push(Series {
            name: "acknowledged",
            class: "rate",
            drawing: Drawing::Area,
            values: values(|bin| bin.committed).map(Some).collect(),
        });
        let label = |value: f64| grouped(value.round() as u64);
        Self { title: "Operations per second", height: 120.0, scale: Scale::linear(max, 4), label, series }
    }

    fn latency(bins: &[Bin]) -> Self {
        type Value = fn(&Bin) -> Option<f64>;
        let has_percentiles = bins.iter().any(|bin| bin.p95_ms.is_some());
        let lines: &[(&'static str, &'static str, Value)] = if has_percentiles {
            &[
                ("median", "line-1", |bin| bin.p50_ms),
                ("95 %", "line-2", |bin| bin.p95_ms),
                ("99 %", "line-3", |bin| bin.p99_ms),
            ]
        } else {
            &[
                ("mean", "line-1", |bin| (bin.ended > 0).then_some(bin.mean_ms)),
                ("slowest", "line-3", |bin| (bin.ended > 0).then_some(bin.max_ms)),
            ]
        };
        let series: Vec<Series> = lines
            .iter()
            .map(|(name, class, value)| Series {
                name,
                class,
                drawing: Drawing::Steps,
                values: bins.iter().map(value).collect(),
            })
            .collect();
        let all = || series.iter().flat_map(|one| one.values.iter().flatten().copied());
        let scale = Scale::log(all().fold(f64::INFINITY, f64::min).min(1e9), all().fold(0.0, f64::max), 6);
        Self { title: "Latency", height: 140.0, scale, label: format_millis, series }
    }

    fn events(bins: &[Bin]) -> Self {
        let values = |count: fn(&Bin) -> u64| bins.iter().map(move |bin| bin.per_second(count(bin)));
        let max = values(|bin| bin.retries.max(bin.deadlocks)).fold(0.0, f64::max);
        let label: fn(f64) -> String =
            |value| if value.fract() == 0.0 { grouped(value as u64) } else { value.to_string() };
        let shown =
            |count: fn(&Bin) -> u64| values(count).map(|value| (value > 0.0).then_some(value)).collect();
        if max == 0.0 {
            return Self {
                title: "No deadlock, no retry",
                height: 8.0,
                scale: Scale::bare(),
                label,
                series: Vec::new(),
            };
        }
        let series = vec![
            Series {
                name: "retries",
                class: "retries",
                drawing: Drawing::Bars(1.0),
                values: shown(|bin| bin.retries),
            },
            Series {
                name: "deadlocks",
                class: "deadlocks",
                drawing: Drawing::Bars(0.5),
                values: shown(|bin| bin.deadlocks),
            },
        ];
        Self {
            title: "Deadlocks and retries per second",
            height: 80.0,
            scale: Scale::linear(max, 3),
            label,
            series,
        }
    }
}

impl Panel {
    /// `None` when nobody was seen waiting.
    fn waiting(bins: &[Bin]) -> Option<Self> {
        let max = bins.iter().map(|bin| bin.waiting).max().filter(|most| *most > 0)?;
        let values = bins.iter().map(|bin| (bin.waiting > 0).then_some(bin.waiting as f64)).collect();
        let series =
            vec![Series { name: "most at once", class: "bar", drawing: Drawing::Bars(1.0), values }];
        Some(Self {
            title: "Sessions waiting for a lock",
            height: 70.0,
            scale: Scale::linear(max as f64, 3),
            label: |value| if value.fract() == 0.0 { grouped(value as u64) } else { value.to_string() },
            series,
        })
    }
}

struct Chart {
    svg: Svg,
    time: Scale,
    width: f64,
    is_narrow: bool,
    /// Where the next panel begins.
    y: f64,
}

impl Chart {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + self.time.at(seconds) * (self.width - LEFT - RIGHT)
    }

    fn panel(&mut self, panel: &Panel, bins: &[Bin], head: f64) {
        self.svg.text("head", (0.0, self.y + 12.0), Anchor::Start, panel.title);
        self.legend(panel);
        let top = self.y + head + 4.0;
        let bottom = self.y + head + panel.height;
        let y = |value: f64| bottom - panel.scale.at(value) * (bottom - top);
        let right = self.width - RIGHT;
        for tick in self.time.ticks.clone() {
            self.svg.line("grid", (self.x(tick), top), (self.x(tick), bottom));
        }
        for tick in &panel.scale.ticks {
            self.svg.line("grid", (LEFT, y(*tick)), (right, y(*tick)));
            if !panel.series.is_empty() {
                self.svg.text("tick", (LEFT - 6.0, y(*tick) + 4.0), Anchor::End, &(panel.label)(*tick));
            }
        }
        for series in &panel.series {
            match series.drawing {
                Drawing::Area => self.area(series, bins, bottom, &y),
                Drawing::Steps => self.steps(series, bins, &y),
                Drawing::Bars(share) => self.bars(series, bins, share, bottom, &y),
            }
        }
        self.svg.line("axis", (LEFT, bottom), (right, bottom));
        for tick in self.time.ticks.clone() {
            let x = self.x(tick);
            self.svg.line("axis", (x, bottom), (x, bottom + 4.0));
        }
        self.y = bottom + GAP;
    }

    /// The axis that all panels share.
    fn clock(&mut self, bottom: f64) {
        for tick in self.time.ticks.clone() {
            self.svg.text("tick", (self.x(tick), bottom + 17.0), Anchor::Middle, &clock(tick));
        }
    }

    /// Samples with their names, beside the title or, on a narrow chart, below it.
    fn legend(&mut self, panel: &Panel) {
        let names: Vec<&Series> = panel.series.iter().rev().collect();
        let width = |name: &str| 30.0 + name.len() as f64 * 7.0;
        let all: f64 = names.iter().map(|series| width(series.name)).sum();
        let mut x = if self.is_narrow { 0.0 } else { self.width - RIGHT - all };
        let y = self.y + if self.is_narrow { 8.0 + HEAD } else { 8.0 };
        for series in names {
            match series.drawing {
                Drawing::Steps => self.svg.line(series.class, (x, y), (x + 20.0, y)),
                _ => self.svg.rect(series.class, x + 4.0, y - 6.0, 14.0, 11.0),
            }
            self.svg.text("key", (x + 24.0, y + 4.0), Anchor::Start, series.name);
            x += width(series.name);
        }
    }

    fn area(&mut self, series: &Series, bins: &[Bin], bottom: f64, y: &dyn Fn(f64) -> f64) {
        let mut path = Path::default();
        path.go((self.x(bins[0].from), bottom));
        for (bin, value) in bins.iter().zip(&series.values) {
            path.down(y(value.unwrap_or_default()));
            path.across(self.x(bin.to));
        }
        path.down(bottom);
        path.close();
        self.svg.path(series.class, &path);
    }

    fn steps(&mut self, series: &Series, bins: &[Bin], y: &dyn Fn(f64) -> f64) {
        let mut path = Path::default();
        let mut is_open = false;
        for (bin, value) in bins.iter().zip(&series.values) {
            match value {
                Some(value) if is_open => path.down(y(*value)),
                Some(value) => path.go((self.x(bin.from), y(*value))),
                None => {}
            }
            is_open = value.is_some();
            if is_open {
                path.across(self.x(bin.to));
            }
        }
        if !path.is_empty() {
            self.svg.path(series.class, &path);
        }
    }

    fn bars(&mut self, series: &Series, bins: &[Bin], share: f64, bottom: f64, y: &dyn Fn(f64) -> f64) {
        for (bin, value) in bins.iter().zip(&series.values) {
            let Some(value) = value else { continue };
            let (from, to) = (self.x(bin.from), self.x(bin.to));
            let width = ((to - from) * share - 1.0).max(1.0);
            // One event among thousands must be seen all the same.
            let top = y(*value).min(bottom - 1.5);
            self.svg.rect(series.class, (from + to - width) / 2.0, top, width, bottom - top);
        }
    }

    fn mark(&mut self, name: &str, seconds: f64, y: f64, bottom: f64) {
        let x = self.x(seconds);
        self.svg.line("mark", (x, y + 2.0), (x, bottom));
        let most = if self.is_narrow { 24 } else { 60 };
        let text = format!("{} broken", short(name, most));
        let is_right = x > self.width / 2.0;
        let (x, anchor) = if is_right { (x - 4.0, Anchor::End) } else { (x + 4.0, Anchor::Start) };
        self.svg.text("mark-name", (x, y), anchor, &text);
    }
}
