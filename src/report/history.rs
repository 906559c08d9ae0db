//! The list of runs that were kept.

use super::{
    cells::{lines, right, table, text},
    table::Style,
};
use crate::{history::Kept, units::format_millis};

/// One line for each run, latest first; moments are UTC.
pub fn history_table(runs: &[Kept], style: &Style) -> String {
    let mut table = table(style, &["run", "scenario", "begun", "verdict", "per sec", "95%", "baseline"]);
    for Kept { summary, baselines } in runs {
        let begun = summary.started_at.get(5..16).unwrap_or(&summary.started_at).replace('T', " ");
        table.add_row(vec![
            text(&summary.run_id),
            text(&summary.scenario),
            right(&begun),
            right(&summary.verdict),
            right(&format!("{:.0}", summary.throughput)),
            right(&summary.latency_p95.map_or("–".to_owned(), format_millis)),
            right(&baselines.join(", ")),
        ]);
    }
    lines(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Summary;

    #[test]
    fn a_line_for_each_run() {
        let run = |run_id: &str, baselines: &[&str]| Kept {
            summary: Summary {
                run_id: run_id.to_owned(),
                scenario: "payments".to_owned(),
                file: "scenarios/payments.yaml".to_owned(),
                started_at: "2026-11-25T10:20:30.123456789Z".to_owned(),
                verdict: "inconclusive".to_owned(),
                seed: 7,
                operations: 12_345,
                throughput: 3591.4,
                latency_p95: (run_id == "tmhgzghhke").then_some(291.0),
            },
            baselines: baselines.iter().map(|name| (*name).to_owned()).collect(),
        };
        let runs = [run("tmhgzghhke", &["main", "before"]), run("hq43mvgg5w", &[])];
        insta::assert_snapshot!(history_table(&runs, &Style { color: false, width: 80 }));
    }
}
