//! Sessions that wait for each other, and those that nothing lets go on.

use std::time::{Duration, Instant};

use super::drive::Driver;
use crate::target::Failure;

/// A cancelled statement ends within this time.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

impl Driver {
    /// True when waiting sessions wait for each other in a circle that `from` waits for, too; without
    /// `from`, in any circle.
    pub(super) async fn is_deadlocked(&mut self, from: Option<usize>) -> Result<bool, Failure> {
        let pairs = self.probe.blockers(&mut self.control).await?;
        let session = |pid: i32| self.lanes.iter().position(|lane| lane.pid == pid);
        let edges: Vec<(usize, usize)> =
            pairs.iter().filter_map(|(one, other)| Some((session(*one)?, session(*other)?))).collect();
        let starts: Vec<usize> = from.map_or_else(|| (0..self.lanes.len()).collect(), |from| vec![from]);
        Ok(starts
            .into_iter()
            .any(|start| reachable(&edges, start).any(|at| reachable(&edges, at).any(|back| back == at))))
    }

    /// Cancels a step that nothing would let go on, and waits for its end.
    pub(super) async fn cancel(&mut self, session: usize) -> Result<(), Failure> {
        self.lanes[session].running.iter_mut().for_each(|running| running.cancelled = true);
        let begun = Instant::now();
        while self.lanes[session].running.as_ref().is_some_and(|running| running.arrived.is_none()) {
            if begun.elapsed() > CANCEL_PATIENCE {
                return Err(Failure::lost("a cancelled statement doesn't end"));
            }
            // Again and again: between two statements there is nothing to cancel.
            if self.is_request(session) {
                self.probe.cancel_strangers(&mut self.control).await?;
            } else {
                self.probe.cancel(&mut self.control, self.lanes[session].pid).await?;
            }
            self.next_arrival(Duration::from_millis(100)).await;
        }
        self.released = true;
        Ok(())
    }
}

/// What can be reached from a session in at least one step.
fn reachable(edges: &[(usize, usize)], from: usize) -> impl Iterator<Item = usize> + use<> {
    let mut seen: Vec<usize> = Vec::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.iter().filter(|(one, _)| *one == at) {
            if !seen.contains(to) {
                seen.push(*to);
                open.push(*to);
            }
        }
    }
    seen.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_from_where_one_waits_for_them() {
        let edges = [(0, 1), (1, 2), (2, 1), (3, 0)];
        let in_circle =
            |from| reachable(&edges, from).any(|at| reachable(&edges, at).any(|back| back == at));
        assert!(in_circle(0) && in_circle(1) && in_circle(3));
        assert!(!reachable(&edges[..2], 0).any(|at| reachable(&edges[..2], at).any(|back| back == at)));
    }
}
