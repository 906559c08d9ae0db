//! The bugs that can be switched on, and where each of them is.

/// A mistake that is really made in shops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The error is wrapped before the retry helper looks at it (`transaction.rs`).
    RetryNeverFires,
    /// One handler locks the tracker before the order (`payments.rs`).
    WrongLockOrder,
    /// Duplicates are looked for before the insert, and no unique key stands behind it (`events.rs`).
    CheckThenInsert,
    /// Stock is read, computed in the program and written back (`checkout.rs`).
    StockReadModifyWrite,
    /// Success and failure of a payment are applied whatever the order's status is (`payments.rs`).
    NoStateMachine,
    /// Every event that says "paid" books the money (`events.rs`).
    FanOut,
    /// The isolation level is set after the transaction has begun (`transaction.rs`).
    IsolationTooLate,
    /// The webhook is answered 200, and then the work fails (`background.rs`).
    AckBeforeError,
    /// The webhook is answered 200, and the work is done later (`background.rs`).
    WorkAfterAnswer,
    /// The signature's timestamp isn't looked at (`webhooks.rs`).
    NoTolerance,
}

/// Their names in `SHOP_BUGS`.
pub const NAMES: [(&str, Bug); 10] = [
    ("retry_never_fires", Bug::RetryNeverFires),
    ("wrong_lock_order", Bug::WrongLockOrder),
    ("check_then_insert", Bug::CheckThenInsert),
    ("stock_read_modify_write", Bug::StockReadModifyWrite),
    ("no_state_machine", Bug::NoStateMachine),
    ("fan_out", Bug::FanOut),
    ("isolation_too_late", Bug::IsolationTooLate),
    ("ack_before_error", Bug::AckBeforeError),
    ("work_after_answer", Bug::WorkAfterAnswer),
    ("no_tolerance", Bug::NoTolerance),
];

/// Those that are on.
#[derive(Debug, Clone, Default)]
pub struct Bugs(Vec<Bug>);

impl Bugs {
    /// Reads names with commas between them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut bugs = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, bug)) => bugs.push(*bug),
                None => {
                    let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                    return Err(format!(
                        "SHOP_BUGS: there is no bug `{name}`; there are {}",
                        known.join(", ")
                    ));
                }
            }
        }
        Ok(Self(bugs))
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.0.contains(&bug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_mistakes_told() {
        let bugs = Bugs::parse("fan_out, no_tolerance").expect("known");
        assert!(bugs.has(Bug::FanOut) && bugs.has(Bug::NoTolerance) && !bugs.has(Bug::WrongLockOrder));
        assert!(Bugs::parse("fan-out").is_err_and(|message| message.contains("retry_never_fires")));
    }
}
