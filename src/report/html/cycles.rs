//! Deadlocks: a circle of operations, an arrow from each to the one that it waited for, with the table
//! written on it.

use serde::Serialize;

use super::{
    svg::{Anchor, Svg},
    waits::Layout,
};
use crate::{
    measure::DeadlockCycle,
    report::{cycles::Explained, texts::short},
};

/// Kinds that are drawn; the others are told in words.
const MOST_DRAWN: usize = 4;

/// A kind of deadlock.
#[derive(Debug, Serialize)]
pub(super) struct CycleView {
    pub heading: String,
    pub sentences: Vec<String>,
    pub advice: String,
    /// Empty when it isn't drawn.
    pub picture: String,
}

/// All kinds. `id` begins the pictures' own.
pub(super) fn views(cycles: &[DeadlockCycle], explained: Vec<Explained>, id: &str) -> Vec<CycleView> {
    let all = explained.into_iter().zip(cycles).enumerate();
    all.map(|(index, (explained, cycle))| {
        let Explained { heading, parties: sentences, advice } = explained;
        let picture = if index < MOST_DRAWN {
            picture(cycle, &format!("{id}-{index}"), &format!("{heading}: {}.", sentences.join("; ")))
        } else {
            String::new()
        };
        CycleView { heading, sentences, advice, picture }
    })
    .collect()
}

fn picture(cycle: &DeadlockCycle, id: &str, description: &str) -> String {
    let (width, height) = (340.0, if cycle.parties.len() > 2 { 260.0 } else { 150.0 });
    let layout = Layout { width, height, count: cycle.parties.len(), has_names: true };
    let mut svg = Svg::new(width, height);
    let mut labels = Vec::new();
    for (index, party) in cycle.parties.iter().enumerate() {
        let next = (index + 1) % cycle.parties.len();
        let (path, head, label) = layout.edge(index, next, 2.0);
        svg.arrow(&path, 2.0, 0.9);
        svg.path("edge-head", &head);
        if let Some(wanted) = &party.wanted {
            labels.push((label, short(&wanted.table, 22)));
        }
    }
    for ((x, y), table) in labels {
        let away = if y < height / 2.0 { -6.0 } else { 14.0 };
        svg.text("mark-name", (x, y + away), Anchor::Middle, &table);
    }
    for (index, party) in cycle.parties.iter().enumerate() {
        layout.node(&mut svg, index, &party.operation);
    }
    svg.finish(id, "cycle", "A deadlock", &short(description, 400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{DeadlockParty, WantedLock};

    #[test]
    fn every_party_has_an_arrow_to_the_next() {
        let party = |operation: &str, table: &str| DeadlockParty {
            operation: operation.to_owned(),
            wanted: Some(WantedLock { table: table.to_owned(), mode: String::new() }),
            ..DeadlockParty::default()
        };
        for parties in [2, 3, 5] {
            let parties: Vec<_> = (0..parties).map(|n| party(&format!("<op {n}>"), "or&ders")).collect();
            let text = picture(&DeadlockCycle { count: 1, parties: parties.clone() }, "a", "b");
            assert_eq!(text.matches("class=\"edge-head\"").count(), parties.len());
            assert_eq!(text.matches("or&amp;ders").count(), parties.len());
            assert!(!text.contains("NaN") && !text.contains("<op"), "{text}");
        }
    }
}
