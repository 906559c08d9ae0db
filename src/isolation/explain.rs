//! A cycle in words: one sentence for each dependency.

use super::{
    anomaly::Anomaly,
    graph::{Dependency, Graph},
    versions::Versions,
};

/// Values of a list that are shown at its end.
const SHOWN: usize = 4;

/// A transaction, by its place in the history.
pub(super) fn name(transaction: usize) -> String {
    format!("T{}", transaction + 1)
}

/// `[1 2]`, and of a long list its end.
pub(super) fn list_in_words(values: &[u64]) -> String {
    let shown: Vec<String> =
        values[values.len().saturating_sub(SHOWN)..].iter().map(ToString::to_string).collect();
    let dots = if values.len() > SHOWN { "… " } else { "" };
    format!("[{dots}{}]", shown.join(" "))
}

/// Why each transaction of a cycle comes before the next, and the last before the first.
pub(super) fn explain(
    versions: &Versions<'_>,
    graph: &Graph,
    cycle: &[usize],
    anomaly: Anomaly,
) -> Vec<String> {
    let next = cycle.iter().cycle().skip(1);
    let sentences = cycle.iter().zip(next).enumerate().filter_map(|(place, (from, to))| {
        let edge = graph.find_edge((*from as u32).into(), (*to as u32).into())?;
        let sentence = Sentence { versions, from: *from, to: *to };
        Some(sentence.of(&graph[edge], place == 0 && starts_with_anti_dependency(anomaly)))
    });
    sentences.collect()
}

/// Cycles with one anti-dependency are told from it on.
fn starts_with_anti_dependency(anomaly: Anomaly) -> bool {
    matches!(anomaly, Anomaly::ReadSkew | Anomaly::GSingle | Anomaly::G2Item)
}

struct Sentence<'a, 'b> {
    versions: &'a Versions<'b>,
    from: usize,
    to: usize,
}

impl Sentence<'_, '_> {
    /// The first reason that applies, anti-dependencies first where one is meant.
    fn of(&self, dependency: &Dependency, anti: bool) -> String {
        let Dependency { ww, wr, rw, real_time: _ } = *dependency;
        let rw = rw.map(|key| self.unseen(key));
        let flow = ww.map(|key| self.written(key)).or_else(|| wr.map(|key| self.read(key)));
        let sentence = if anti { rw.or(flow) } else { flow.or(rw) };
        sentence.unwrap_or_else(|| format!("{} had ended before {} began", name(self.from), name(self.to)))
    }

    fn written(&self, key: u32) -> String {
        let [first, second] =
            [self.from, self.to].map(|transaction| &self.versions.history.transactions[transaction]);
        format!(
            "{} appended {} to list {key} before {} appended {}",
            name(self.from),
            value(first.appended(key).last()),
            name(self.to),
            value(second.appended(key).next())
        )
    }

    fn read(&self, key: u32) -> String {
        let mut reads =
            self.versions.history.transactions[self.to].plain_reads().filter(|(of, _)| *of == key);
        let seen = reads.find_map(|(_, values)| {
            let last = values.last()?;
            (self.versions.write(key, *last)?.transaction == self.from).then_some(last)
        });
        format!(
            "{} appended {} to list {key} and {} read it",
            name(self.from),
            value(seen.copied()),
            name(self.to)
        )
    }

    fn unseen(&self, key: u32) -> String {
        let history = self.versions.history;
        let appended: Vec<u64> = history.transactions[self.to].appended(key).collect();
        let mut reads = history.transactions[self.from].plain_reads().filter(|(of, _)| *of == key);
        let read = reads.find(|(_, values)| appended.iter().any(|value| !values.contains(value)));
        let (values, missing) = read.map_or((&[] as &[u64], None), |(_, values)| {
            (values, appended.iter().find(|value| !values.contains(value)).copied())
        });
        format!(
            "{} read list {key} as {} and didn't see {}, which {} appended",
            name(self.from),
            list_in_words(values),
            value(missing),
            name(self.to)
        )
    }
}

fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "something".to_owned(), |value| value.to_string())
}
