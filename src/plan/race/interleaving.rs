//! The interleavings of several sessions' steps, one after the other.
//!
//! Depth first in the order of the sessions, so that the first one runs each session to its end.
//! Of the interleavings that differ only in the order of neighbouring independent steps, only the
//! first is given: the lexicographic normal form of its Mazurkiewicz trace (Anisimov and Knuth,
//! "Inhomogeneous sorting", 1979). A prefix that can't be continued to one is left at once.

use super::model::StepRef;

/// Which steps may change places without any difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Independence {
    /// Where each session's steps begin in a row of all steps.
    offsets: Vec<usize>,
    steps: usize,
    independent: Vec<bool>,
}

impl Independence {
    /// No two steps are independent.
    pub fn none(lengths: &[usize]) -> Self {
        let steps = lengths.iter().sum();
        let offsets = lengths
            .iter()
            .scan(0, |sum, length| {
                let offset = *sum;
                *sum += length;
                Some(offset)
            })
            .collect();
        Self { offsets, steps, independent: vec![false; steps * steps] }
    }

    fn at(&self, one: StepRef, other: StepRef) -> usize {
        (self.offsets[one.session] + one.step) * self.steps + self.offsets[other.session] + other.step
    }

    /// Lets two steps of different sessions change places.
    pub fn allow(&mut self, one: StepRef, other: StepRef) {
        debug_assert_ne!(one.session, other.session, "a session's own order is kept");
        let (there, back) = (self.at(one, other), self.at(other, one));
        self.independent[there] = true;
        self.independent[back] = true;
    }

    /// True when two steps may change places.
    pub fn holds(&self, one: StepRef, other: StepRef) -> bool {
        self.independent[self.at(one, other)]
    }

    /// True when `next` may follow `before` in a normal form: nothing in the tail of `before` that `next`
    /// could have passed belongs to a later session.
    fn continues(&self, before: &[StepRef], next: StepRef) -> bool {
        before
            .iter()
            .rev()
            .take_while(|passed| passed.session != next.session && self.holds(**passed, next))
            .all(|passed| passed.session < next.session)
    }

    /// The normal form of an interleaving: the first of all that differ from it only in the order of
    /// neighbouring independent steps.
    pub fn normal_form(&self, order: &[StepRef]) -> Vec<StepRef> {
        let mut left = order.to_vec();
        let mut normal = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let first = (0..left.len())
                .filter(|at| {
                    left[..*at]
                        .iter()
                        .all(|passed| passed.session != left[*at].session && self.holds(*passed, left[*at]))
                })
                .min_by_key(|at| left[*at].session)
                .expect("the first step that is left passes nothing");
            normal.push(left.remove(first));
        }
        normal
    }
}

/// How many interleavings there are, independence or not: the multinomial coefficient. `None` when it
/// doesn't fit.
pub fn count(lengths: &[usize]) -> Option<u128> {
    let mut result: u128 = 1;
    let mut taken: u128 = 0;
    for length in lengths {
        // One factor of a binomial at a time: every intermediate value is a whole number.
        for k in 1..=u128::try_from(*length).ok()? {
            taken += 1;
            result = result.checked_mul(taken)? / k;
        }
    }
    Some(result)
}

/// Enumerates normal forms, lazily.
#[derive(Debug)]
pub struct Interleavings {
    lengths: Vec<usize>,
    independence: Independence,
    order: Vec<StepRef>,
    /// How many steps of each session are in `order`.
    taken: Vec<usize>,
    /// The session to try next at each depth.
    next: Vec<usize>,
    started: bool,
}

impl Interleavings {
    /// All interleavings of sessions of these lengths.
    pub fn new(lengths: &[usize], independence: &Independence) -> Self {
        Self {
            lengths: lengths.to_vec(),
            independence: independence.clone(),
            order: Vec::new(),
            taken: vec![0; lengths.len()],
            next: vec![0],
            started: false,
        }
    }

    fn back(&mut self) -> bool {
        self.next.pop();
        match self.order.pop() {
            Some(step) => {
                self.taken[step.session] -= 1;
                true
            }
            None => false,
        }
    }
}

impl Iterator for Interleavings {
    type Item = Vec<StepRef>;

    fn next(&mut self) -> Option<Vec<StepRef>> {
        let all: usize = self.lengths.iter().sum();
        if self.started && !self.back() {
            return None;
        }
        self.started = true;
        loop {
            if self.order.len() == all {
                return Some(self.order.clone());
            }
            let session = *self.next.last()?;
            if session == self.lengths.len() {
                if !self.back() {
                    return None;
                }
                continue;
            }
            *self.next.last_mut()? += 1;
            let step = StepRef { session, step: self.taken[session] };
            if step.step < self.lengths[session] && self.independence.continues(&self.order, step) {
                self.taken[session] += 1;
                self.order.push(step);
                self.next.push(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn words(lengths: &[usize], independence: &Independence) -> Vec<Vec<usize>> {
        let orders = Interleavings::new(lengths, independence);
        orders.map(|order| order.into_iter().map(|step| step.session).collect()).collect()
    }

    #[test]
    fn interleavings_come_depth_first_and_are_counted() {
        let none = Independence::none(&[2, 1]);
        assert_eq!(words(&[2, 1], &none), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]);
        assert_eq!(count(&[4, 4]), Some(70));
        assert_eq!(count(&[2, 2, 2]), Some(90));
        assert_eq!(count(&[]), Some(1));
        assert_eq!(count(&[60, 60, 60]), None);
        assert_eq!(words(&[], &Independence::none(&[])).len(), 1);
    }

    #[test]
    fn what_is_wholly_independent_has_one_order() {
        let lengths = [3, 3, 3];
        let mut all = Independence::none(&lengths);
        for (one, other) in pairs(&lengths) {
            all.allow(one, other);
        }
        assert_eq!(words(&lengths, &all), [[0, 0, 0, 1, 1, 1, 2, 2, 2]]);
    }

    #[test]
    fn enumeration_is_lazy() {
        let lengths = [200, 200];
        let none = Independence::none(&lengths);
        assert_eq!(Interleavings::new(&lengths, &none).take(1000).count(), 1000);
    }

    fn pairs(lengths: &[usize]) -> Vec<(StepRef, StepRef)> {
        let steps: Vec<StepRef> = lengths
            .iter()
            .enumerate()
            .flat_map(|(session, length)| (0..*length).map(move |step| StepRef { session, step }))
            .collect();
        let mut pairs = Vec::new();
        for one in &steps {
            pairs.extend(
                steps.iter().filter(|other| one.session < other.session).map(|other| (*one, *other)),
            );
        }
        pairs
    }

    /// All orders that swaps of independent neighbours lead to.
    fn class(order: &[StepRef], independence: &Independence) -> BTreeSet<Vec<StepRef>> {
        let mut found = BTreeSet::from([order.to_vec()]);
        let mut open = vec![order.to_vec()];
        while let Some(one) = open.pop() {
            for at in 1..one.len() {
                let (a, b) = (one[at - 1], one[at]);
                if a.session != b.session && independence.holds(a, b) {
                    let mut swapped = one.clone();
                    swapped.swap(at - 1, at);
                    if found.insert(swapped.clone()) {
                        open.push(swapped);
                    }
                }
            }
        }
        found
    }

    proptest! {
        /// Whatever is independent: each class of equal orders is enumerated exactly once, by its
        /// normal form.
        #[test]
        fn every_class_is_met_exactly_once(
            lengths in proptest::collection::vec(1usize..4, 2..4),
            allowed in proptest::collection::vec(any::<bool>(), 81),
        ) {
            prop_assume!(lengths.iter().sum::<usize>() <= 8);
            let mut independence = Independence::none(&lengths);
            for ((one, other), allow) in pairs(&lengths).into_iter().zip(allowed) {
                if allow {
                    independence.allow(one, other);
                }
            }
            let reduced: Vec<Vec<StepRef>> = Interleavings::new(&lengths, &independence).collect();
            let none = Independence::none(&lengths);
            let mut left: BTreeSet<Vec<StepRef>> = Interleavings::new(&lengths, &none).collect();
            prop_assert_eq!(left.len() as u128, count(&lengths).expect("it is small"));
            for order in &reduced {
                prop_assert_eq!(&independence.normal_form(order), order);
                for equal in class(order, &independence) {
                    prop_assert_eq!(&independence.normal_form(&equal), order);
                    prop_assert!(left.remove(&equal), "a class was met twice");
                }
            }
            prop_assert!(left.is_empty(), "a class was missed");
        }
    }
}
