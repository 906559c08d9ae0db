//! The tables and rows that sessions waited for, and how many waited for each at once.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::transaction_results::HotPlace;

/// Rows told apart; others count for their table alone.
const MOST_PLACES: usize = 20_000;
/// Of each kind in the results.
const MOST_SHOWN: usize = 10;

/// A table, or a row of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub table: String,
    pub row: Option<String>,
}

#[derive(Debug, Default, Clone)]
struct Waits {
    waits: u64,
    total_ms: f64,
    longest_queue: u64,
}

/// Sums by place; a table's have those of its rows in them.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Place, Waits>);

impl Places {
    /// Counts a wait, when it is a new one, and the time that it has lasted longer than was known.
    pub fn add(&mut self, place: Place, is_new: bool, more_ms: f64) {
        let table = Place { row: None, ..place.clone() };
        for place in [Some(table), place.row.is_some().then_some(place)].into_iter().flatten() {
            if let Some(waits) = self.of(place) {
                waits.waits += u64::from(is_new);
                waits.total_ms += more_ms;
            }
        }
    }

    /// Counts how many wait for each place in one sample.
    pub fn add_queues<'a>(&mut self, sample: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) {
        let mut queues: BTreeMap<Place, u64> = BTreeMap::new();
        for (table, row) in sample {
            let Some(table) = table.map(str::to_owned) else { continue };
            *queues.entry(Place { table: table.clone(), row: None }).or_default() += 1;
            if let Some(row) = row.map(str::to_owned) {
                *queues.entry(Place { table, row: Some(row) }).or_default() += 1;
            }
        }
        for (place, queue) in queues {
            if let Some(waits) = self.of(place) {
                waits.longest_queue = waits.longest_queue.max(queue);
            }
        }
    }

    fn of(&mut self, place: Place) -> Option<&mut Waits> {
        if self.0.len() >= MOST_PLACES && place.row.is_some() && !self.0.contains_key(&place) {
            return None;
        }
        Some(self.0.entry(place).or_default())
    }

    /// The tables that most time was lost on.
    pub fn tables(&self) -> Vec<HotPlace> {
        self.hottest(|place| place.row.is_none())
    }

    /// The rows that most time was lost on.
    pub fn rows(&self) -> Vec<HotPlace> {
        self.hottest(|place| place.row.is_some())
    }

    fn hottest(&self, wanted: impl Fn(&Place) -> bool) -> Vec<HotPlace> {
        let mut places: Vec<(&Place, &Waits)> = self.0.iter().filter(|(place, _)| wanted(place)).collect();
        places.sort_by(|(a, x), (b, y)| {
            y.total_ms
                .total_cmp(&x.total_ms)
                .then_with(|| (Reverse(x.longest_queue), *a).cmp(&(Reverse(y.longest_queue), *b)))
        });
        let shown = places.into_iter().take(MOST_SHOWN).map(|(place, waits)| HotPlace {
            table: place.table.clone(),
            row: place.row.clone(),
            waits: waits.waits,
            total_ms: waits.total_ms,
            longest_queue: waits.longest_queue,
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_waits_of_its_rows_and_rows_are_bounded() {
        let mut places = Places::default();
        for row in 0..MOST_PLACES + 100 {
            let place = Place { table: "orders".to_owned(), row: Some(row.to_string()) };
            places.add(place, true, if row == 7 { 5.0 } else { 1.0 });
        }
        places.add_queues(
            [(Some("orders"), Some("7")), (Some("orders"), Some("7")), (None, None)].into_iter(),
        );
        assert_eq!(places.0.len(), MOST_PLACES);
        let tables = places.tables();
        assert_eq!((tables.len(), tables[0].waits), (1, MOST_PLACES as u64 + 100));
        let rows = places.rows();
        assert_eq!((rows.len(), rows[0].row.as_deref(), rows[0].longest_queue), (MOST_SHOWN, Some("7"), 2));
        assert_eq!(tables[0].longest_queue, 2);
    }
}
