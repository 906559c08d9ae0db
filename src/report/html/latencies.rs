//! How long operations took: a histogram for each, on one logarithmic axis.

use super::{
    scale::Scale,
    svg::{Anchor, Svg},
};
use crate::{
    measure::Distribution,
    report::{cells::grouped, document::Document, texts::short},
    units::format_millis,
};

const MOST_ROWS: usize = 12;
const ROW: f64 = 62.0;
const BARS: f64 = 34.0;
const SIDE: f64 = 16.0;
const HEAD: f64 = 26.0;

/// The chart; empty when nothing was measured.
pub(super) fn latencies(document: &Document, width: f64, id: &str, class: &str) -> String {
    let rows: Vec<(&str, &Distribution)> = document
        .operations
        .iter()
        .map(|(name, operation)| (name.as_str(), &operation.latency_ms))
        .filter(|(_, latency)| latency.count > 0)
        .take(MOST_ROWS)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let min = rows.iter().map(|(_, latency)| latency.min).fold(f64::INFINITY, f64::min);
    let max = rows.iter().map(|(_, latency)| latency.max).fold(0.0, f64::max);
    let scale = Scale::log(min, max, if width < 600.0 { 5 } else { 10 });
    let mut svg = Svg::new(width, HEAD + rows.len() as f64 * ROW + 22.0);
    legend(&mut svg, width);
    let bottom = HEAD + rows.len() as f64 * ROW;
    let x = |value: f64| SIDE + scale.at(value) * (width - 2.0 * SIDE);
    for tick in &scale.ticks {
        svg.line("grid", (x(*tick), HEAD), (x(*tick), bottom));
        svg.text("tick", (x(*tick), bottom + 15.0), Anchor::Middle, &format_millis(*tick));
    }
    for (index, (name, latency)) in rows.iter().enumerate() {
        row(&mut svg, HEAD + index as f64 * ROW, name, latency, width, &scale);
    }
    svg.finish(id, class, "Latency of each operation", &description(&rows))
}

fn description(rows: &[(&str, &Distribution)]) -> String {
    let each: Vec<String> = rows
        .iter()
        .map(|(name, latency)| {
            format!(
                "{}: median {}, 95 % within {}, 99 % within {}",
                short(name, 60),
                format_millis(latency.p50),
                format_millis(latency.p95),
                format_millis(latency.p99)
            )
        })
        .collect();
    format!("{}. The table below has the numbers.", each.join("; "))
}

fn legend(svg: &mut Svg, width: f64) {
    let mut x = SIDE.min(width);
    for (class, name) in [("line-1", "median"), ("line-2", "95 %"), ("line-3", "99 %")] {
        svg.line(class, (x, 4.0), (x, 18.0));
        svg.text("key", (x + 6.0, 15.0), Anchor::Start, name);
        x += 24.0 + name.len() as f64 * 7.5;
    }
}

fn row(svg: &mut Svg, top: f64, name: &str, latency: &Distribution, width: f64, scale: &Scale) {
    let bottom = top + ROW - 8.0;
    let room = width - 2.0 * SIDE;
    let most = (room / 9.0) as usize - 8;
    svg.text("name", (SIDE, top + 13.0), Anchor::Start, &short(name, most));
    svg.text("tick", (width - SIDE, top + 13.0), Anchor::End, &grouped(latency.count));
    let columns = (room / 6.0) as usize;
    let mut counts = vec![0_u64; columns];
    for (value, count) in &latency.buckets {
        let column = (scale.at(*value) * columns as f64) as usize;
        counts[column.min(columns - 1)] += count;
    }
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let step = room / columns as f64;
    for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // The square root keeps a rare slow one visible beside thousands.
        let height = ((*count as f64 / highest as f64).sqrt() * BARS).max(1.5);
        svg.rect("bar", SIDE + column as f64 * step, bottom - height, step - 1.0, height);
    }
    svg.line("axis", (SIDE, bottom), (width - SIDE, bottom));
    for (class, value) in [("line-1", latency.p50), ("line-2", latency.p95), ("line-3", latency.p99)] {
        let x = SIDE + scale.at(value) * room;
        svg.line(class, (x, bottom - BARS - 3.0), (x, bottom));
    }
}
