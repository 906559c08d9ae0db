//! The open model: when each operation is to start, computed from the rates.

use std::time::Duration;

/// Rates over time, straight lines one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrivals {
    pieces: Vec<Piece>,
}

/// A straight line from one rate to another, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    pub length: Duration,
    pub from: f64,
    pub to: f64,
}

impl Piece {
    /// Starts in it.
    fn starts(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length.as_secs_f64()
    }
}

impl Arrivals {
    /// A schedule of these pieces.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    /// Its pieces.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How long it takes.
    pub fn length(&self) -> Duration {
        self.pieces.iter().map(|piece| piece.length).sum()
    }

    /// How many starts it has.
    pub fn count(&self) -> u64 {
        self.pieces.iter().map(Piece::starts).sum::<f64>().round() as u64
    }

    /// The moment of the n-th start, from 0; `None` after the last one. The first one of a constant
    /// rate is at once, the next one after 1/rate.
    pub fn start(&self, n: u64) -> Option<Duration> {
        if n >= self.count() {
            return None;
        }
        let mut left = n as f64;
        let mut begin = Duration::ZERO;
        for piece in &self.pieces {
            let starts = piece.starts();
            if left < starts {
                return Some(begin + Duration::from_secs_f64(offset(piece, left)));
            }
            left -= starts;
            begin += piece.length;
        }
        Some(self.length())
    }
}

/// When `starts` operations have started, from the piece's begin: the solution of
/// `from * t + (to - from) / length * t² / 2 = starts`, in the form that doesn't cancel.
fn offset(piece: &Piece, starts: f64) -> f64 {
    let length = piece.length.as_secs_f64();
    let slope = (piece.to - piece.from) / length;
    let root = (piece.from * piece.from + 2.0 * slope * starts).max(0.0).sqrt();
    let divisor = piece.from + root;
    if divisor > 0.0 { (2.0 * starts / divisor).clamp(0.0, length) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(seconds: u64, from: f64, to: f64) -> Piece {
        Piece { length: Duration::from_secs(seconds), from, to }
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced() {
        let arrivals = Arrivals::new(vec![piece(2, 100.0, 100.0)]);
        assert_eq!(arrivals.count(), 200);
        for n in [0, 1, 50, 199] {
            let expected = n as f64 / 100.0;
            let at = arrivals.start(n).expect("a start").as_secs_f64();
            assert!((at - expected).abs() < 1e-9, "{n}: {at}");
        }
        assert_eq!(arrivals.start(200), None);
    }

    #[test]
    fn a_ramp_starts_slowly() {
        let arrivals = Arrivals::new(vec![piece(10, 0.0, 100.0), piece(10, 100.0, 0.0)]);
        assert_eq!(arrivals.count(), 1000);
        let at = |n| arrivals.start(n).expect("a start").as_secs_f64();
        assert!((at(125) - 5.0).abs() < 1e-6, "a quarter after half of the ramp");
        assert!((at(500) - 10.0).abs() < 1e-6 && at(999) > 19.0);
    }

    proptest! {
        #[test]
        fn starts_never_go_back(rates in prop::collection::vec(0.0..500.0_f64, 2..6)) {
            let pieces = rates.windows(2).map(|two| piece(1, two[0], two[1])).collect();
            let arrivals = Arrivals::new(pieces);
            let starts: Vec<_> = (0..arrivals.count()).filter_map(|n| arrivals.start(n)).collect();
            prop_assert!(starts.windows(2).all(|two| two[0] <= two[1]));
            prop_assert!(starts.last().is_none_or(|last| *last <= arrivals.length()));
        }
    }
}
