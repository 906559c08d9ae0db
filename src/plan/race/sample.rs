//! Interleavings drawn at random, none twice.

use std::collections::BTreeSet;

use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    interleaving::{Independence, Interleavings, count},
    model::StepRef,
};

/// Up to this many interleavings are enumerated and chosen from; beyond, they are drawn.
const ENUMERATED: u128 = 50_000;
/// Draws for each one that is wanted, before the rest is given up.
const MOST_DRAWS: usize = 200;

/// `wanted` interleavings, or all when there aren't more, in the order of their enumeration. Drawn
/// from `random`; each interleaving is as likely as any other.
pub fn sample(
    lengths: &[usize],
    independence: &Independence,
    wanted: usize,
    random: &mut ChaCha8Rng,
) -> Vec<Vec<StepRef>> {
    if count(lengths).is_some_and(|count| count <= ENUMERATED) {
        let mut all: Vec<Vec<StepRef>> = Interleavings::new(lengths, independence).collect();
        while all.len() > wanted {
            all.swap_remove(random.random_range(0..all.len()));
        }
        all.sort_unstable_by(|one, other| sessions(one).cmp(sessions(other)));
        return all;
    }
    let mut word: Vec<usize> = lengths
        .iter()
        .enumerate()
        .flat_map(|(session, length)| std::iter::repeat_n(session, *length))
        .collect();
    let mut drawn = BTreeSet::new();
    for _ in 0..wanted.saturating_mul(MOST_DRAWS) {
        if drawn.len() == wanted {
            break;
        }
        word.shuffle(random);
        drawn.insert(sessions(&independence.normal_form(&order(&word, lengths.len()))).collect::<Vec<_>>());
    }
    drawn.into_iter().map(|word| order(&word, lengths.len())).collect()
}

fn sessions(order: &[StepRef]) -> impl Iterator<Item = usize> + '_ {
    order.iter().map(|step| step.session)
}

/// The steps that a row of sessions means.
fn order(word: &[usize], sessions: usize) -> Vec<StepRef> {
    let mut taken = vec![0; sessions];
    word.iter()
        .map(|session| {
            let step = taken[*session];
            taken[*session] += 1;
            StepRef { session: *session, step }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::RandomStream;

    fn draw(lengths: &[usize], wanted: usize, seed: u64) -> Vec<Vec<StepRef>> {
        let mut random = RandomStream { seed, worker: 0, iteration: 0 }.generator();
        sample(lengths, &Independence::none(lengths), wanted, &mut random)
    }

    #[test]
    fn a_sample_is_drawn_without_repetition_from_the_seed() {
        for lengths in [&[4, 4][..], &[12, 12, 12]] {
            let one = draw(lengths, 50, 1);
            assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 50);
            assert_eq!(one, draw(lengths, 50, 1));
            assert_ne!(one, draw(lengths, 50, 2));
            for order in &one {
                for (session, length) in lengths.iter().enumerate() {
                    let steps: Vec<usize> =
                        order.iter().filter(|at| at.session == session).map(|at| at.step).collect();
                    assert_eq!(steps, (0..*length).collect::<Vec<_>>());
                }
            }
        }
        assert_eq!(draw(&[2, 2], 50, 1).len(), 6, "there aren't more");
    }
}
