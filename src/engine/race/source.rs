//! The schedules of a race at a level, handed out one by one.

use crate::{
    expression::RandomStream,
    plan::{Interleavings, Race, Reduction, Schedule, Scheduled, Schedules, StepRef, sample},
};

/// Stream of the interleavings that are drawn, beside those of the sessions.
const DRAWN: u32 = u32::MAX - 2;

/// Interleavings are counted one by one, a microsecond each.
const MOST_COUNTED: usize = 50_000;

/// Hands out schedules in a fixed order.
pub(super) struct Source {
    kind: Kind,
    given: usize,
    /// Every interleaving is handed out, or one that can't differ from it.
    complete: bool,
    pub reasons: Vec<&'static str>,
}

enum Kind {
    All(Interleavings),
    Listed {
        list: Vec<Schedule>,
        /// How many are handed out in all.
        count: usize,
    },
}

impl Source {
    /// `only`: just this schedule. Listed ones are handed out so many `times`.
    pub(super) fn new(
        race: &Race,
        reduction: Reduction,
        only: Option<&Schedule>,
        times: u64,
        seed: u64,
    ) -> Self {
        let lengths = race.lengths();
        let Reduction { independence, reasons } = reduction;
        let listed = |list: Vec<Schedule>| Self {
            kind: Kind::Listed { count: list.len(), list },
            given: 0,
            complete: false,
            reasons: Vec::new(),
        };
        let repeated = |list: Vec<Schedule>| {
            let count = list.len().saturating_mul(usize::try_from(times).unwrap_or(usize::MAX));
            Self { kind: Kind::Listed { list, count }, ..listed(Vec::new()) }
        };
        match (only, &race.schedules) {
            (Some(only), _) => repeated(vec![only.clone()]),
            (None, Schedules::Listed(list)) => repeated(list.clone()),
            (None, Schedules::All) => Self {
                kind: Kind::All(Interleavings::new(&lengths, &independence)),
                given: 0,
                complete: true,
                reasons,
            },
            (None, Schedules::Sample(wanted)) => {
                let mut random = RandomStream { seed, worker: DRAWN, iteration: 0 }.generator();
                let wanted = usize::try_from(*wanted).unwrap_or(usize::MAX);
                let drawn = sample(&lengths, &independence, wanted, &mut random);
                listed(drawn.into_iter().map(schedule).collect())
            }
        }
    }

    /// How many there are from here on; `None` when counting them would take long.
    pub(super) fn count(self) -> Option<u64> {
        let count = match self.kind {
            Kind::All(interleavings) => interleavings.take(MOST_COUNTED + 1).count(),
            Kind::Listed { count, .. } => return Some((count - self.given) as u64),
        };
        (count <= MOST_COUNTED).then_some(count as u64)
    }

    /// How many were handed out, when these stand for all interleavings.
    pub(super) fn complete(&self) -> Option<u64> {
        self.complete.then_some(self.given as u64)
    }
}

impl Iterator for Source {
    type Item = (usize, Schedule);

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.kind {
            Kind::All(interleavings) => interleavings.next().map(schedule)?,
            Kind::Listed { list, count } if self.given < *count => list[self.given % list.len()].clone(),
            Kind::Listed { .. } => return None,
        };
        self.given += 1;
        Some((self.given - 1, next))
    }
}

fn schedule(order: Vec<StepRef>) -> Schedule {
    Schedule(order.into_iter().map(Scheduled::from).collect())
}
