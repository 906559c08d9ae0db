//! Isolation levels where reading one back inside each transaction would cost too much: they are sampled
//! from the engine's own table, through the control session.
//!
//! A level counts for a transaction only when its worker was in that one transaction from before the
//! question until after the answer, and once.

use std::collections::HashMap;

use crate::{
    measure::{InTransaction, LiveBoard},
    outcome::Isolation,
    target::{Failure, Session},
};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct LevelSampler {
    /// The last transaction of each worker that was counted.
    counted: HashMap<usize, InTransaction>,
    /// As the recorder has them: transactions by operation, declared level and level in force.
    pub seen: HashMap<(usize, Option<Isolation>, Isolation), u64>,
}

impl LevelSampler {
    /// Looks once.
    pub(super) async fn sample(&mut self, control: &mut Session, board: &LiveBoard) -> Result<(), Failure> {
        let before = board.transactions();
        let Some(levels) = control.levels_in_force().await? else { return Ok(()) };
        self.count(&before, &board.transactions(), &levels);
        Ok(())
    }

    fn count(
        &mut self,
        before: &[Option<InTransaction>],
        after: &[Option<InTransaction>],
        levels: &[(i32, Isolation)],
    ) {
        for (worker, (before, after)) in before.iter().zip(after).enumerate() {
            let (Some(one), true) = (before, before == after) else { continue };
            let Some((_, level)) = levels.iter().find(|(process, _)| *process == one.process) else {
                continue;
            };
            if self.counted.insert(worker, *one) != Some(*one) {
                *self.seen.entry((one.operation, one.declared, *level)).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transaction_that_spans_the_question_counts_and_once() {
        let one = |number, process| {
            let declared = Some(Isolation::ReadCommitted);
            Some(InTransaction { number, process, operation: 0, declared })
        };
        let levels = [(7, Isolation::RepeatableRead), (8, Isolation::ReadCommitted)];
        let mut sampler = LevelSampler::default();
        sampler.count(&[one(1, 7), one(1, 8), None], &[one(1, 7), one(2, 8), one(1, 9)], &levels);
        sampler.count(&[one(1, 7), None, None], &[one(1, 7), None, None], &levels);
        let expected = ((0, Some(Isolation::ReadCommitted), Isolation::RepeatableRead), 1);
        assert_eq!(sampler.seen.into_iter().collect::<Vec<_>>(), [expected]);
    }
}
